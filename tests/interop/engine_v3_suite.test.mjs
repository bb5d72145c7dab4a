// The official server suite of Engine.IO revision 3, row by row (engine.io.md, section 11.2).
//
// Only with INTEROP_EIO3=1: it needs a server that speaks this revision.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startServer } from "./lib/server.mjs";
import { PING_INTERVAL_MS, PING_TIMEOUT_MS } from "./lib/suite.mjs";
import { sleep } from "./lib/wait.mjs";
import { Peer } from "./lib/websocket.mjs";

const ENABLED = process.env.INTEROP_EIO3 === "1";
const PATH = "/engine.io/";

let server;
let base;

async function request(query, options) {
  const response = await fetch(`${base}${query}`, options);
  return { status: response.status, text: await response.text() };
}

/** Opens a polling session; without `binary`, for a client that can only receive text. */
async function open({ binary = false } = {}) {
  const { status, text } = await request(`?EIO=3&transport=polling${binary ? "" : "&b64=1"}`);
  assert.equal(status, 200);
  return JSON.parse(text.slice(text.indexOf("{"))).sid;
}

const get = (sid, options) => request(`?EIO=3&transport=polling&sid=${sid}`, options);
const post = (sid, body) => get(sid, { body, method: "POST" });
const connect = (query) => new Peer(`${base.replace("http:", "ws:")}${query}`);

async function connectOpen() {
  const peer = connect("?EIO=3&transport=websocket");
  assert.equal((await peer.next())[0], "0");
  return peer;
}

async function upgraded(sid) {
  const peer = await probed(sid);
  peer.send("5");
  return peer;
}

async function probed(sid) {
  const peer = await connect(`?EIO=3&transport=websocket&sid=${sid}`).opened();
  peer.send("2probe");
  assert.equal(await peer.next(), "3probe");
  return peer;
}

function assertHandshake(packet, upgrades) {
  assert.equal(packet[0], "0");
  const handshake = JSON.parse(packet.slice(1));
  assert.equal(typeof handshake.sid, "string");
  assert.deepEqual(handshake.upgrades, upgrades);
  assert.equal(handshake.pingInterval, PING_INTERVAL_MS);
  assert.equal(handshake.pingTimeout, PING_TIMEOUT_MS);
  // Section 8.3: no key of this revision; the reference sends it all the same.
  assert.ok([undefined, 1_000_000].includes(handshake.maxPayload));
}

const options = ENABLED ? {} : { skip: "not asked for with INTEROP_EIO3=1" };
describe("Engine.IO revision 3", options, () => {
  before(async () => {
    server = await startServer("engine", { EIO3: "1" });
    base = `${server.origin}${PATH}`;
  });
  after(() => server?.stop());

  test("1: handshake over polling", async () => {
    const { status, text } = await request("?EIO=3&transport=polling");
    assert.equal(status, 200);
    const [, length, packet] = /^(\d+):(.*)$/s.exec(text);
    assert.equal(Number(length), packet.length);
    assertHandshake(packet, ["websocket"]);
  });

  test("2: handshake over polling with an invalid transport", async () => {
    assert.equal((await request("?EIO=3")).status, 400);
    assert.equal((await request("?EIO=3&transport=abc")).status, 400);
  });

  test("3: handshake over polling with an invalid method", async () => {
    assert.equal((await request("?EIO=3&transport=polling", { method: "POST" })).status, 400);
  });

  test("4: handshake over WebSocket", async () => {
    const peer = connect("?EIO=3&transport=websocket");
    assertHandshake(await peer.next(), []);
    await peer.discard();
  });

  // Rows 5 (WebSocket with an invalid EIO) and 6 (with an invalid transport) assert nothing in
  // the suite; section 6.4 does for row 6.
  test("6: handshake over WebSocket with an invalid transport", async () => {
    await connect("?EIO=3").end();
    await connect("?EIO=3&transport=abc").end();
  });

  for (const [row, what, payload] of [
    [7, "one text packet", "6:4hello"],
    [8, "several text packets", "6:4test16:4test26:4test3"],
    [9, "text and base64", "6:4hello10:b4AQIDBA=="],
  ]) {
    test(`${row}: ${what} over polling`, async () => {
      const sid = await open();
      assert.deepEqual(await post(sid, payload), { status: 200, text: "ok" });
      assert.deepEqual(await get(sid), { status: 200, text: payload });
    });
  }

  test("10: text and binary over polling", async () => {
    const sid = await open({ binary: true });
    assert.deepEqual(await post(sid, "6:4hello10:b4AQIDBA=="), { status: 200, text: "ok" });
    const response = await fetch(`${base}?EIO=3&transport=polling&sid=${sid}`);
    assert.equal(response.headers.get("content-type"), "application/octet-stream");
    assert.equal(
      Buffer.from(await response.arrayBuffer()).toString("hex"),
      "0006ff3468656c6c6f0105ff0401020304",
    );
  });

  test("11: an invalid packet over polling closes the session", async () => {
    const sid = await open();
    await post(sid, "abc").catch(() => {});
    assert.equal((await get(sid)).status, 400);
  });

  // Row 12 (duplicate polls) is skipped by the suite; section 7.2 has its answers.
  test("12: duplicate polls close the session", async () => {
    const sid = await open();
    const first = get(sid);
    await sleep(5);
    assert.equal((await request(`?EIO=3&transport=polling&sid=${sid}&t=burst`)).status, 400);
    assert.deepEqual(await first, { status: 200, text: "1:1" });
    assert.equal((await get(sid)).status, 400);
  });

  test("13: text over WebSocket", async () => {
    const peer = await connectOpen();
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  test("14: binary over WebSocket", async () => {
    const peer = await connectOpen();
    peer.send(Buffer.from([4, 1, 2, 3, 4]));
    assert.deepEqual(await peer.next(), Buffer.from([4, 1, 2, 3, 4]));
    await peer.discard();
  });

  test("15: an invalid packet over WebSocket closes the connection", async () => {
    const peer = await connectOpen();
    peer.send("abc");
    await peer.end();
  });

  test("16: pings and pongs over polling", async () => {
    const sid = await open();
    for (let round = 0; round < 3; round += 1) {
      assert.equal((await post(sid, "1:2")).status, 200);
      assert.deepEqual(await get(sid), { status: 200, text: "1:3" });
    }
  });

  test("17: ping timeout over polling", async () => {
    const sid = await open();
    await sleep(PING_INTERVAL_MS + PING_TIMEOUT_MS);
    assert.equal((await post(sid, "1:2")).status, 400);
  });

  test("18: pings and pongs over WebSocket", async () => {
    const peer = await connectOpen();
    for (let round = 0; round < 3; round += 1) {
      peer.send("2");
      assert.equal(await peer.next(), "3");
    }
    await peer.discard();
  });

  test("19: ping timeout over WebSocket", async () => {
    const peer = await connectOpen();
    await peer.end();
  });

  test("20: close over polling", async () => {
    const sid = await open();
    const poll = get(sid);
    await sleep(5);
    assert.equal((await post(sid, "1:1")).status, 200);
    assert.deepEqual(await poll, { status: 200, text: "1:6" });
    assert.equal((await get(sid)).status, 400);
  });

  test("21: close over WebSocket", async () => {
    const peer = await connectOpen();
    peer.send("1");
    await peer.end();
  });

  test("22: upgrade", async () => {
    const sid = await open();
    const peer = await probed(sid);
    assert.deepEqual(await get(sid), { status: 200, text: "1:6" });
    peer.send("5");
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  test("23: polling with the same sid is refused after the upgrade", async () => {
    const sid = await open();
    const peer = await upgraded(sid);
    peer.send("4committed");
    assert.equal(await peer.next(), "4committed");
    assert.equal((await get(sid)).status, 400);
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  test("24: a second WebSocket is refused after the upgrade", async () => {
    const sid = await open();
    const peer = await upgraded(sid);
    await connect(`?EIO=3&transport=websocket&sid=${sid}`).end();
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });
});
