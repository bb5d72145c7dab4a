// Says over a pipe what the official parsers make of an input: the other side of tests/differential.rs.
//
// A batch comes in as its length, 4 bytes little-endian, and questions; the answers go out in the same
// way and order. Numbers of things are 4 bytes, a text is its length and UTF-8, and a value begins with
// the letter of its kind. It ends when its input does.

import { readSync, writeSync } from "node:fs";
import { decodePacket, decodePayload, encodePacket, encodePayload } from "engine.io-parser";
import { Decoder, Encoder, PacketType } from "socket.io-parser";

const letter = (text) => text.charCodeAt(0);

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  isAtEnd() {
    return this.at === this.bytes.length;
  }

  letter() {
    return String.fromCharCode(this.bytes[this.at++]);
  }

  count() {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  number() {
    this.at += 8;
    return this.bytes.readDoubleLE(this.at - 8);
  }

  data() {
    const length = this.count();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  text() {
    return this.data().toString("utf8");
  }

  list(element) {
    return Array.from({ length: this.count() }, element);
  }

  value() {
    const kind = this.letter();
    switch (kind) {
      case "n":
        return null;
      case "u":
        return undefined;
      case "t":
        return true;
      case "f":
        return false;
      case "d":
        return this.number();
      case "s":
        return this.text();
      case "y":
        return this.data();
      case "a":
        return this.list(() => this.value());
      case "o":
        return this.object();
      default:
        throw new Error(`no value begins with ${kind}`);
    }
  }

  // As `JSON.parse` does it: a member `__proto__` is one like any other.
  object() {
    const object = {};
    for (let left = this.count(); left > 0; left--) {
      const key = this.text();
      const value = this.value();
      const rest = { configurable: true, enumerable: true, writable: true };
      Object.defineProperty(object, key, { value, ...rest });
    }
    return object;
  }
}

class Writer {
  constructor() {
    this.bytes = Buffer.alloc(1 << 20);
    this.clear();
  }

  // Leaves room for the length of the batch.
  clear() {
    this.at = 4;
  }

  room(length) {
    while (this.at + length > this.bytes.length) {
      this.bytes = Buffer.concat([this.bytes, Buffer.alloc(this.bytes.length)]);
    }
  }

  letter(kind) {
    this.room(1);
    this.bytes[this.at++] = letter(kind);
  }

  count(count) {
    this.room(4);
    this.at = this.bytes.writeUInt32LE(count, this.at);
  }

  data(data) {
    this.count(data.length);
    this.room(data.length);
    this.bytes.set(data, this.at);
    this.at += data.length;
  }

  // A text with half a surrogate pair is no UTF-8.
  text(text) {
    if (text.isWellFormed()) {
      this.letter("s");
      this.data(Buffer.from(text, "utf8"));
    } else {
      this.letter("w");
      this.data(Buffer.from(text, "utf16le"));
    }
  }

  value(value) {
    if (value === null) {
      this.letter("n");
    } else if (value === undefined) {
      this.letter("u");
    } else if (typeof value === "boolean") {
      this.letter(value ? "t" : "f");
    } else if (typeof value === "number") {
      this.letter("d");
      this.room(8);
      this.at = this.bytes.writeDoubleLE(value, this.at);
    } else if (typeof value === "string") {
      this.text(value);
    } else if (value instanceof Uint8Array) {
      this.letter("y");
      this.data(value);
    } else if (Array.isArray(value)) {
      this.letter("a");
      this.count(value.length);
      value.forEach((element) => this.value(element));
    } else {
      const keys = Object.keys(value);
      this.letter("o");
      this.count(keys.length);
      for (const key of keys) {
        this.text(key);
        this.value(value[key]);
      }
    }
  }

  send() {
    this.bytes.writeUInt32LE(this.at - 4, 0);
    for (let from = 0; from < this.at; ) {
      from += writeSync(1, this.bytes, from, this.at - from);
    }
  }
}

const input = (reader) => (reader.letter() === "y" ? reader.data() : reader.text());

// What one decoder makes of each frame in turn.
function steps(frames) {
  const decoder = new Decoder();
  let packet;
  decoder.on("decoded", (decoded) => (packet = decoded));
  return frames.map((frame) => {
    packet = undefined;
    try {
      decoder.add(frame);
    } catch (error) {
      return error.message;
    }
    return packet;
  });
}

function writeSteps(writer, frames) {
  writer.count(frames.length);
  for (const step of steps(frames)) {
    if (step === undefined) {
      writer.letter("w");
    } else if (typeof step === "string") {
      writer.letter("e");
      writer.text(step);
    } else {
      writer.letter("p");
      writer.letter(String(step.type));
      writer.text(step.nsp);
      writer.value(step.id);
      writer.value(step.data);
    }
  }
}

const ENGINE_TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop", "error"];

function writeEnginePacket(writer, packet) {
  writer.letter(String(ENGINE_TYPES.indexOf(packet.type)));
  writer.value(packet.data);
}

function readEnginePacket(reader) {
  return { type: ENGINE_TYPES[Number(reader.letter())], data: reader.value() };
}

// Both answer at once.
function encoded(encode) {
  let result;
  encode((text) => (result = text));
  return result;
}

function answer(reader, writer) {
  const question = reader.letter();
  switch (question) {
    // Frames of Socket.IO to decode.
    case "D":
      return writeSteps(writer, reader.list(() => input(reader)));
    // A packet of Socket.IO to encode, and to decode again.
    case "E": {
      const type = Number(reader.letter());
      const packet = { type, nsp: reader.text(), id: reader.value(), data: reader.value() };
      if (PacketType[type] === undefined) {
        throw new Error(`no packet has type ${type}`);
      }
      const frames = new Encoder().encode(packet);
      writer.count(frames.length);
      frames.forEach((frame) => writer.value(frame));
      return writeSteps(writer, frames);
    }
    // A message of Engine.IO to decode.
    case "M":
      writer.count(1);
      return writeEnginePacket(writer, decodePacket(input(reader)));
    // A polling body to decode: bytes, which the server reads as UTF-8.
    case "B": {
      const packets = decodePayload(reader.data().toString("utf8"));
      writer.count(packets.length);
      return packets.forEach((packet) => writeEnginePacket(writer, packet));
    }
    // A packet of Engine.IO to encode.
    case "m": {
      const packet = readEnginePacket(reader);
      return writer.value(encoded((done) => encodePacket(packet, true, done)));
    }
    // A polling body to encode.
    case "b": {
      const packets = reader.list(() => readEnginePacket(reader));
      return writer.value(encoded((done) => encodePayload(packets, done)));
    }
    default:
      throw new Error(`no question begins with ${question}`);
  }
}

// Fills a buffer; says whether there was enough to do so.
function fill(buffer) {
  for (let at = 0; at < buffer.length; ) {
    const length = readSync(0, buffer, at, buffer.length - at, null);
    if (length === 0) {
      return false;
    }
    at += length;
  }
  return true;
}

const writer = new Writer();
const length = Buffer.alloc(4);
while (fill(length)) {
  const batch = Buffer.alloc(length.readUInt32LE(0));
  if (!fill(batch)) {
    break;
  }
  const reader = new Reader(batch);
  writer.clear();
  while (!reader.isAtEnd()) {
    answer(reader, writer);
  }
  writer.send();
}
