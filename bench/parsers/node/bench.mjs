// The official parsers on the inputs of the Rust benchmarks. Prints a Markdown table, or with
// --json one line of JSON per row.
//
//   cargo run --release --example export | node node/bench.mjs
//
// Times are medians of samples of 20 ms and more, in ns for one operation, after as long a warm-up.

import assert from "node:assert/strict";
import { text as readAll } from "node:stream/consumers";
import * as engine from "engine.io-parser";
import { Decoder, Encoder } from "socket.io-parser";

const SAMPLES = Number(process.env.SAMPLES ?? 41);
const SAMPLE_NS = 20e6;

const inputs = JSON.parse(await readAll(process.stdin));
const rows = [];
// What is made is kept for a while, so that no work is left out as unused.
let kept;

function time(rounds, work) {
  const start = process.hrtime.bigint();
  for (let round = 0; round < rounds; round++) kept = work();
  return Number(process.hrtime.bigint() - start);
}

function measure(group, name, work) {
  let rounds = 1;
  while (time(rounds, work) < SAMPLE_NS) rounds *= 2;
  time(rounds, work);
  const samples = Array.from({ length: SAMPLES }, () => time(rounds, work) / rounds);
  samples.sort((a, b) => a - b);
  rows.push({ group, name, ns: samples[samples.length >> 1], best: samples[0] });
}

/** The same bytes as in Rust. */
function binary(size) {
  return Buffer.from(Uint8Array.from({ length: size }, (_, at) => at * 31 + Math.floor(at / 256)));
}

function decoder() {
  const decoder = new Decoder();
  let packet;
  decoder.on("decoded", (decoded) => {
    packet = decoded;
  });
  return (...messages) => {
    packet = undefined;
    for (const message of messages) decoder.add(message);
    return packet;
  };
}

const decode = decoder();
const encoder = new Encoder();

for (const { name, text } of inputs.headers) {
  // A header alone is a packet for the reference too, except for an answer.
  if (text.startsWith("3")) continue;
  assert.equal(encoder.encode(decode(text))[0], text);
  measure("decode header", name, () => decode(text));
}

for (const { name, text } of inputs.packets) {
  assert.equal(encoder.encode(decode(text))[0], text);
  measure("decode to values", name, () => decode(text));
}

for (const { name, text, attachments } of inputs.binary) {
  const buffers = attachments.map(binary);
  const packet = decode(text, ...buffers);
  assert.deepEqual(encoder.encode(packet), [text, ...buffers]);
  measure("decode to values", name, () => decode(text, ...buffers));
}

for (const { name, text } of inputs.packets) {
  const packet = decode(text);
  measure("encode", name, () => encoder.encode(packet));
}

for (const { name, text, attachments } of inputs.binary) {
  const buffers = attachments.map(binary);
  const { type, nsp, data } = decode(text, ...buffers);
  // The encoder changes the packet that it is given.
  const encode = () => encoder.encode({ type, nsp, data });
  assert.deepEqual(encode(), [text, ...buffers]);
  measure("encode", name, encode);
}

{
  const { body } = inputs;
  const packets = engine.decodePayload(body);
  const write = (packets) => {
    let written;
    engine.encodePayload(packets, (payload) => {
      written = payload;
    });
    return written;
  };
  assert.equal(write(packets), body);
  measure("polling", "read a body of small packets", () => engine.decodePayload(body));
  measure("polling", "read a body of small packets, both layers", () =>
    engine.decodePayload(body).map((packet) => decode(packet.data)),
  );
  measure("polling", "write a body of small packets", () => write(packets));

  const binaries = [{ type: "message", data: binary(inputs.base64Bytes) }];
  const base64 = write(binaries);
  assert.deepEqual(engine.decodePayload(base64), binaries);
  measure("polling", "read 64 kB of base64", () => engine.decodePayload(base64));
  measure("polling", "write 64 kB as base64", () => write(binaries));
}

assert.notEqual(kept, undefined);
if (process.argv.includes("--json")) {
  for (const row of rows) console.log(JSON.stringify(row));
} else {
  console.log(`Node.js ${process.version}\n`);
  console.log("| | | ns, median | ns, best |\n| --- | --- | ---: | ---: |");
  for (const { group, name, ns, best } of rows) {
    console.log(`| ${group} | ${name} | ${ns.toFixed(0)} | ${best.toFixed(0)} |`);
  }
}
