// Socket.IO revision 5, by socket.io-parser.

import { Decoder, Encoder } from "socket.io-parser";

import { dataJson, folded, form, isEqual, parseData, spell, unfolded, writtenOut } from "./values.mjs";

const TYPES = ["connect", "disconnect", "event", "ack", "connect-error"];

// What the package says when it refuses what a rule refuses, however it came to that.
const TEXTS = {
  "binary-while-idle": "got binary data when not reconstructing a packet",
  empty: "unknown packet type NaN",
  "illegal-attachment": "illegal attachments",
  "illegal-attachment-count": "Illegal attachments",
  "text-while-assembling": "got plaintext data when reconstructing a packet",
  "too-many-attachments": "too many attachments",
};

export const packets = {
  outcome(row) {
    const decoder = new Decoder();
    const decoded = [];
    decoder.on("decoded", (packet) => decoded.push(describe(packet)));
    let error;
    for (const [frame, input] of row.frames.entries()) {
      try {
        decoder.add(writtenOut(input));
      } catch ({ message }) {
        error = { frame, message };
        break;
      }
    }
    const outcome = { packets: folded(decoded) };
    if (error) return { ...outcome, error };
    return decoder.reconstructor ? { ...outcome, pending: true } : outcome;
  },
  isSame({ expect }, theirs) {
    return (
      isSameList(expect.packets, theirs.packets) &&
      isSameError(expect.error, theirs.error) &&
      expect.pending === theirs.pending
    );
  },
  isCanonical(row) {
    if (row.expect.pending) return false;
    const frames = unfolded(row.expect.packets).flatMap(encoded);
    return isEqual(frames, row.frames.map(writtenOut));
  },
};

export const encode = {
  outcome(row) {
    return { frames: encoded(row.packet).map(form) };
  },
  // The JSON in the text is compared as JSON.
  isSame(row, theirs) {
    const frames = row.expect.frames;
    return frames !== undefined && isEqual(frames.map(split), theirs.frames.map(split));
  },
};

function split(frame) {
  const text = writtenOut(frame);
  if (typeof text !== "string") return text;
  const start = text.search(/[[{"]/);
  return start < 0 ? text : [text.slice(0, start), JSON.parse(text.slice(start))];
}

function isSameList(ours, theirs) {
  const [a, b] = [ours, theirs].map((list) => unfolded(list).map(parsed));
  return isEqual(a, b);
}

function parsed({ data_json, namespace, ...packet }) {
  const data = data_json === undefined ? undefined : parseData(data_json);
  return { ...packet, namespace: writtenOut(namespace), data };
}

function isSameError(ours, theirs) {
  if (!ours || !theirs) return ours === theirs;
  const text = TEXTS[ours.rule] ?? "invalid payload";
  const isUnknownType = /^unknown packet type/.test(theirs.message);
  const isText = ours.rule === "unknown-type" ? isUnknownType : text === theirs.message;
  return ours.frame === theirs.frame && isText;
}

function describe({ type, nsp, id, data }) {
  return {
    type: TYPES[type],
    namespace: form(nsp),
    ...(id === undefined ? {} : { id: spell(id) }),
    ...(data === undefined ? {} : { data_json: dataJson(data) }),
  };
}

function encoded({ type, namespace, id, data_json }) {
  const packet = { type: TYPES.indexOf(type), nsp: writtenOut(namespace) };
  if (id !== undefined) packet.id = id;
  if (data_json !== undefined) packet.data = parseData(data_json);
  return new Encoder().encode(packet);
}
