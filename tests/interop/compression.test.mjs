// Long-polling with compressed answers, against the server in ORIGIN, which sends messages back and
// compresses answers of 1024 bytes and more.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { gunzipSync, inflateSync } from "node:zlib";
import { Fetch, Socket } from "engine.io-client";
import { within } from "./lib/wait.mjs";

const { ORIGIN } = process.env;
const LARGE = "long ago, ".repeat(20_000);

/** One request; the body as it is on the wire. */
function request(query, { method = "GET", headers, body } = {}) {
  const answer = new Promise((resolve, reject) => {
    const url = `${ORIGIN}/engine.io/?EIO=4&transport=polling${query}`;
    const request = http.request(url, { method, headers }, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        const { headers, statusCode } = response;
        resolve({ body: Buffer.concat(pieces), headers, statusCode });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
  return within(answer, `${method} ${query}`);
}

// The client's XMLHttpRequest for Node.js forbids the header, but its `fetch` asks for gzip.
test("the official client reads compressed answers", async (t) => {
  const socket = new Socket(ORIGIN, { transports: [Fetch] });
  t.after(() => socket.close());
  const message = new Promise((resolve) => socket.once("message", resolve));
  socket.send(LARGE);
  assert.equal(await within(message, "the echo"), LARGE);
});

for (const [encoding, decode] of [
  ["gzip", gunzipSync],
  ["deflate", inflateSync],
  [undefined, (body) => body],
]) {
  test(`a poll is answered with the encoding ${encoding}`, async () => {
    const open = await request("");
    const { sid } = JSON.parse(open.body.toString().slice(1));
    const sent = await request(`&sid=${sid}`, { method: "POST", body: `4${LARGE}` });
    assert.equal(sent.body.toString(), "ok");

    const headers = encoding ? { "accept-encoding": `br;q=1, ${encoding};q=0.9` } : {};
    const answer = await request(`&sid=${sid}`, { headers });

    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers["content-encoding"], encoding);
    assert.equal(answer.headers["content-length"], String(answer.body.length));
    assert.equal(answer.headers["vary"], "accept-encoding");
    assert.equal(decode(answer.body).toString(), `4${LARGE}`);
  });
}
