// Engine.IO revision 4, by engine.io-parser.

import { decodePacket, decodePayload, encodePacket, encodePayload } from "engine.io-parser";

import { folded, form, isEqual, unfolded, writtenOut } from "./values.mjs";

const WITH_DATA = ["open", "ping", "pong", "message"];

export const packets = {
  outcome(row) {
    const packet = decodePacket(writtenOut(row.input), "nodebuffer");
    return packet.type === "error" ? { error: {} } : { packet: describe(packet) };
  },
  isSame(row, theirs) {
    return row.expect.error ? theirs.error !== undefined : isEqual(row.expect.packet, theirs.packet);
  },
  isCanonical(row) {
    let encoded;
    encodePacket(packetOf(row.expect.packet), true, (result) => (encoded = result));
    return isEqual(encoded, writtenOut(row.input));
  },
};

export const payloads = {
  outcome(row) {
    // As the official server reads a body.
    const read = decodePayload(writtenOut(row.input).toString("utf8"), "nodebuffer");
    const isBroken = read.at(-1)?.type === "error";
    const decoded = folded((isBroken ? read.slice(0, -1) : read).map(describe));
    return isBroken ? { packets: decoded, error: {} } : { packets: decoded };
  },
  isSame(row, theirs) {
    return (
      isEqual(unfolded(row.expect.packets), unfolded(theirs.packets)) &&
      (row.expect.error === undefined) === (theirs.error === undefined)
    );
  },
  isCanonical(row) {
    let encoded;
    const list = unfolded(row.expect.packets).map(packetOf);
    encodePayload(list, (result) => (encoded = result));
    return isEqual(encoded, writtenOut(row.input).toString("utf8"));
  },
};

// A packet in the words of the rows. The package has no data where the text ends behind the type; for
// all but messages that is an empty text here.
function describe({ type, data }) {
  if (data === undefined && type !== "message" && WITH_DATA.includes(type)) return { type, data: "" };
  return data === undefined ? { type } : { type, data: form(data) };
}

// A packet of the rows in the words of the package.
function packetOf({ type, data }) {
  return data === undefined ? { type } : { type, data: writtenOut(data) };
}
