"""Replays the codec vectors: Python 3.11, the standard library only.

    python3 replay.py
"""

import base64
import json
import sys
from pathlib import Path

from decoders import Refused, engine_packet, engine_payload, socket_packets

ROOT = Path(__file__).resolve().parent.parent


def written_out(form):
    """A text or bytes from one of the forms in which the files write them."""
    if isinstance(form, str):
        return form
    if "base64" in form:
        return base64.b64decode(form["base64"], validate=True)
    pieces = ((piece, 1) if isinstance(piece, str) else (piece["repeat"], piece["times"])
              for piece in form["pieces"])
    return "".join(text * times for text, times in pieces)


def expected_packets(packets):
    for packet in packets:
        times = packet.get("times", 1)
        packet = dict(packet.get("repeat", packet))
        if "namespace" in packet:
            packet["namespace"] = written_out(packet["namespace"])
        if "data" in packet:
            packet["data"] = written_out(packet["data"])
        if "data_json" in packet:
            parsed = json.loads(written_out(packet.pop("data_json")), parse_int=float)
            packet["data"] = bytes_in(parsed)
        yield from [packet] * times


def bytes_in(value):
    if isinstance(value, dict):
        if value.keys() == {"$binary"}:
            return base64.b64decode(value["$binary"])
        return {key: bytes_in(member) for key, member in value.items()}
    return [bytes_in(element) for element in value] if isinstance(value, list) else value


def is_equal(a, b):
    """Equality that does not take `True` for 1."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(is_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_equal(a[key], b[key]) for key in a)
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def outcome_of(kind, row):
    outcome = {"packets": [], "frame": 0, "pending": False}
    try:
        if kind == "engine/packets":
            outcome["packets"].append(engine_packet(written_out(row["input"])))
        elif kind == "engine/payloads":
            body = written_out(row["input"])
            for packet in engine_payload(body.encode() if isinstance(body, str) else body):
                outcome["packets"].append(packet)
        else:
            socket_packets([written_out(frame) for frame in row["frames"]], outcome)
    except Refused as refused:
        outcome["error"] = refused.args
    return outcome


def mismatch(kind, row):
    """What is not as the row says, or nothing."""
    outcome, expect = outcome_of(kind, row), row["expect"]
    wanted = [expect["packet"]] if "packet" in expect else expect.get("packets", [])
    wanted, error = list(expected_packets(wanted)), expect.get("error")
    if not is_equal(outcome["packets"], wanted):
        return f"packets: {outcome['packets']!r:.300} is not {wanted!r:.300}"
    if error and "frame" in error and error["frame"] != outcome["frame"]:
        return f"the error is in frame {outcome['frame']}"
    if outcome.get("error") != (error and (error["rule"], error["offset"])):
        return f"error: {outcome.get('error')} is not {error}"
    if outcome["pending"] != expect.get("pending", False):
        return f"pending: {outcome['pending']}"
    return None


def main():
    failed = 0
    for kind, path in (("engine/packets", "engine.io/v4/packets.json"),
                       ("engine/payloads", "engine.io/v4/payloads.json"),
                       ("socket/packets", "socket.io/v5/packets.json")):
        rows = json.loads((ROOT / path).read_text(encoding="utf-8"))["rows"]
        wrong = [(row["id"], problem) for row in rows if (problem := mismatch(kind, row))]
        refused = sum("error" in row["expect"] for row in rows)
        print(f"{path}: {len(rows)} rows, {refused} of them refused, {len(wrong)} mismatches")
        for row_id, problem in wrong:
            print(f"  {row_id}: {problem}")
        failed += len(wrong) + (not rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
