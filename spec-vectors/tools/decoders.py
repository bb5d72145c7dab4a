"""Decoders of Engine.IO revision 4 and Socket.IO revision 5, written from ../README.md.

They share no code with the library or with the official packages. They are for replay.py, not for use:
clear before fast. Values are those of Python's json, with every number a float, and bytes.
"""

import base64
import re

MAX_PACKETS, MAX_ATTACHMENTS, MAX_DEPTH, MAX_NAMESPACE, MAX_ID = 65536, 10, 128, 512, 2**53 - 1
ENGINE_TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"]
SOCKET_TYPES = ["connect", "disconnect", "event", "ack", "connect-error", "event", "ack"]
RESERVED = {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


class Refused(Exception):
    """Carries the rule that an input breaks, and the offset where one is known."""


# --- Engine.IO -------------------------------------------------------------------------------------


def engine_packet(message):
    if isinstance(message, bytes):
        return {"type": "message", "data": message}
    if not message:
        raise Refused("empty", 0)
    kind, data = message[0], message[1:]
    if kind == "b":
        return {"type": "message", "data": read_base64(data)}
    if kind not in "0123456":
        raise Refused("unknown-type", 0)
    packet = {"type": ENGINE_TYPES[int(kind)]}
    return packet | {"data": data} if kind in "0234" else packet


def read_base64(data):
    digits = re.match(r"[A-Za-z0-9+/]*", data).group()
    padding, left = data[len(digits):], len(digits) % 4
    if left == 1 or padding != "=" * len(padding) or len(padding) > -left % 4:
        raise Refused("invalid-base64", 1 + len(digits))
    return base64.b64decode(digits + "=" * (-left % 4))


def engine_payload(body):
    try:
        parts = body.decode("utf-8").split("\x1e")
    except UnicodeDecodeError as error:
        raise Refused("not-utf8", error.start) from None
    for count, part in enumerate(parts):
        if count == MAX_PACKETS:
            raise Refused("too-many-packets", None)
        yield engine_packet(part)


# --- JSON: standard, with a limit of depth, placeholders and offsets of errors ------------------------


class Json:
    def __init__(self, text, at, attachments):
        self.text, self.at, self.depth = text, at, 0
        self.attachments, self.left = attachments, max(16, 2 * attachments)

    def document(self):
        value = self.value()
        self.space()
        if self.at < len(self.text):
            self.fail("invalid-json")
        return value

    def fail(self, rule):
        raise Refused(rule, self.at)

    def space(self):
        self.match(rb"[ \t\n\r]*")

    def next(self):
        return self.text[self.at:self.at + 1]

    def take(self, *bytes_in_turn):
        for byte in bytes_in_turn:
            if not self.next() or self.next() not in byte:
                self.fail("invalid-json")
            self.at += 1

    def value(self):
        first, start = self.next(), self.at
        if first in (b"[", b"{"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                self.fail("too-deep")
            value = self.container([] if first == b"[" else {})
            self.depth -= 1
            return value
        if first == b'"':
            return self.string()
        for word, value in (b"false", False), (b"null", None), (b"true", True):
            if first == word[:1]:
                self.take(*(word[i:i + 1] for i in range(len(word))))
                return value
        self.number()
        return float(self.text[start:self.at])

    def number(self):
        self.match(rb"-?")
        self.match(rb"0|[1-9][0-9]*")
        if self.match(rb"\.?"):
            self.match(rb"[0-9]+")
        if self.match(rb"([eE][+-]?)?"):
            self.match(rb"[0-9]+")

    def match(self, pattern):
        found = re.compile(pattern).match(self.text, self.at)
        if not found:
            self.fail("invalid-json")
        self.at = found.end()
        return found.group()

    def string(self):
        self.take(b'"')
        units = []
        while self.next() != b'"':
            units.append(self.match(rb'[^"\\\x00-\x1f]*').decode())
            if self.next() == b"\\":
                self.at += 1
                escape = self.next().decode(errors="replace")
                self.take(b'"\\/bfnrtu')
                if escape == "u":
                    self.take(*[b"0123456789abcdefABCDEF"] * 4)
                    units.append(chr(int(self.text[self.at - 4:self.at], 16)))
                else:
                    units.append(ESCAPES[escape])
            elif self.next() != b'"':
                self.fail("invalid-json")
        self.at += 1
        return "".join(units).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def container(self, value):
        end = b"]" if isinstance(value, list) else b"}"
        self.at += 1
        self.space()
        while self.next() != end:
            if isinstance(value, list):
                value.append(self.value())
            else:
                key = self.string()
                self.space()
                self.take(b":")
                self.space()
                value[key] = self.value()
            self.space()
            if self.next() != end:
                self.take(b",")
                self.space()
                if self.next() == end:
                    self.fail("invalid-json")
        self.at += 1
        return value if end == b"]" else self.attachment(value)

    def attachment(self, value):
        if not self.attachments or value.get("_placeholder") is not True:
            return value
        number = value.get("num")
        if not isinstance(number, float) or number not in range(self.attachments):
            self.fail("illegal-attachment")
        self.left -= 1
        if self.left < 0:
            self.fail("too-many-placeholders")
        return Placeholder(number)


class Placeholder(int):
    """Stands for the attachment with this number until that has come."""


# --- Socket.IO ---------------------------------------------------------------------------------------


def socket_packet(text):
    """Reads a text frame: the packet, and how many attachments follow it."""
    if not text:
        raise Refused("empty", 0)
    if text[0] not in "0123456":
        raise Refused("unknown-type", 0)
    packet, attachments, at = {"type": SOCKET_TYPES[int(text[0])], "namespace": "/"}, 0, 1
    if text[0] in "56":
        digits = re.compile(r"0|[1-9][0-9]*|").match(text, 1)
        if not digits[0] or text[digits.end():digits.end() + 1] != "-":
            raise Refused("illegal-attachment-count", digits.end())
        # More digits than Python converts are too many in any case.
        attachments, at = int(digits[0][:9]), digits.end() + 1
        if attachments > MAX_ATTACHMENTS:
            raise Refused("too-many-attachments", 1)
    name = re.compile(r"(/[^,]*),?").match(text, at)
    if name:
        packet["namespace"] = name[1]
        if len(name[1].encode()) > MAX_NAMESPACE:
            raise Refused("namespace-too-long", at)
        control = re.search(r"[\x00-\x1f\x7f-\x9f]", name[1])
        if control:
            raise Refused("illegal-namespace", byte_offset(text, at + control.start()))
        at = name.end()
    digits = re.compile(r"[0-9]+").match(text, at)
    if digits:
        packet["id"] = int(digits[0].lstrip("0")[:20] or "0")
        if packet["id"] > MAX_ID:
            raise Refused("ack-id-too-large", byte_offset(text, at))
        at = digits.end()
    return read_payload(packet, text, at, attachments), attachments


def byte_offset(text, at):
    return len(text[:at].encode())


def read_payload(packet, text, at, attachments):
    kind, start = packet["type"], byte_offset(text, at)
    if at == len(text):
        if kind == "event":
            raise Refused("missing-payload", start)
        return packet
    if kind == "disconnect":
        raise Refused("illegal-payload", start)
    value = Json(text.encode(), start, attachments).document()
    if text[at] not in {"connect": "{", "event": "[", "ack": "[", "connect-error": '{"'}[kind]:
        raise Refused("illegal-payload", start)
    if kind == "event":
        name = value[0] if value else None
        at = byte_offset(text, re.compile(r"\[[ \t\n\r]*").match(text, at).end())
        if type(name) not in (str, float):
            raise Refused("illegal-event-name", at)
        if name in RESERVED:
            raise Refused("reserved-event-name", at)
    return packet | {"data": value}


def socket_packets(frames, outcome):
    """Reads frames in order and notes what came out; raises at the frame that is refused."""
    header, awaited, attachments = None, 0, []
    for number, frame in enumerate(frames):
        outcome["frame"] = number
        if isinstance(frame, str):
            # A frame is read on its own before its place is considered.
            packet, announced = socket_packet(frame)
            if awaited:
                raise Refused("text-while-assembling", None)
            header, awaited, attachments = packet, announced, []
        elif not awaited:
            raise Refused("binary-while-idle", None)
        else:
            attachments.append(frame)
            awaited -= 1
        if not awaited:
            outcome["packets"].append(put_in(header, attachments))
    outcome["pending"] = awaited > 0


def put_in(value, attachments):
    if isinstance(value, Placeholder):
        return attachments[value]
    if isinstance(value, list):
        return [put_in(element, attachments) for element in value]
    if isinstance(value, dict):
        return {key: put_in(member, attachments) for key, member in value.items()}
    return value
