// The official server suite of Engine.IO revision 4, row by row (engine.io.md, section 11.1).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RS } from "./lib/http.mjs";
import { startServer } from "./lib/server.mjs";
import { assertHandshake, PING_INTERVAL_MS, PING_TIMEOUT_MS, Suite } from "./lib/suite.mjs";
import { sleep } from "./lib/wait.mjs";

let server;
let suite;
before(async () => {
  server = await startServer("engine");
  suite = new Suite(server, "/engine.io/");
});
after(() => server?.stop());

/** A poll, and 5 ms for it to arrive: the rows that need the order of two requests do the same. */
async function pollThenPause(sid, options) {
  const poll = suite.get(sid, options);
  poll.catch(() => {});
  await sleep(5);
  return { poll };
}

describe("handshake over polling", () => {
  test("1: opens a session", async () => {
    const { status, text } = await suite.request("?EIO=4&transport=polling");
    assert.equal(status, 200);
    assertHandshake(text, ["websocket"]);
  });

  test("2: refuses an invalid EIO", async () => {
    await suite.assertStatus(400, "?transport=polling");
    await suite.assertStatus(400, "?EIO=abc&transport=polling");
  });

  test("3: refuses an invalid transport", async () => {
    await suite.assertStatus(400, "?EIO=4");
    await suite.assertStatus(400, "?EIO=4&transport=abc");
  });

  test("4: refuses an invalid method", async () => {
    await suite.assertStatus(400, "?EIO=4&transport=polling", { method: "POST" });
    await suite.assertStatus(400, "?EIO=4&transport=polling", { method: "PUT" });
  });
});

describe("handshake over WebSocket", () => {
  test("5: opens a session", async () => {
    const peer = suite.connect("?EIO=4&transport=websocket");
    assertHandshake(await peer.next(), []);
    await peer.discard();
  });

  test("6: refuses an invalid EIO", async () => {
    await suite.assertRefused("?transport=websocket");
    await suite.assertRefused("?EIO=abc&transport=websocket");
  });

  test("7: refuses an invalid transport", async () => {
    await suite.assertRefused("?EIO=4");
    await suite.assertRefused("?EIO=4&transport=abc");
  });
});

describe("messages over polling", () => {
  const assertEchoed = async (payload) => {
    const sid = await suite.open();
    assert.deepEqual(await suite.post(sid, payload), { status: 200, text: "ok" });
    assert.deepEqual(await suite.get(sid), { status: 200, text: payload });
  };

  test("8: one text packet", () => assertEchoed("4hello"));

  test("9: several text packets", () => assertEchoed(["4test1", "4test2", "4test3"].join(RS)));

  test("10: text and binary", () => assertEchoed(["4hello", "bAQIDBA=="].join(RS)));

  test("11: an invalid packet closes the session", async () => {
    const sid = await suite.open();
    // The suite asserts nothing about this answer (engine_http.test.mjs does).
    await suite.post(sid, "abc").catch(() => {});
    assert.equal((await suite.get(sid)).status, 400);
  });

  test("12: duplicate polls close the session", async () => {
    const sid = await suite.open();
    const { poll } = await pollThenPause(sid);
    const second = await suite.request(`?EIO=4&transport=polling&sid=${sid}&t=burst`);
    assert.deepEqual(await poll, { status: 200, text: "1" });
    assert.ok([400, 500].includes(second.status), `status ${second.status}`);
    assert.equal((await suite.get(sid)).status, 400);
  });

  test("13: a cancelled poll closes the session", async () => {
    const sid = await suite.open();
    const controller = new AbortController();
    const { poll } = await pollThenPause(sid, { signal: controller.signal });
    controller.abort();
    await assert.rejects(poll, { name: "AbortError" });
    assert.equal((await suite.get(sid)).status, 400);
  });
});

describe("messages over WebSocket", () => {
  test("14: text", async () => {
    const peer = await suite.connectOpen();
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  test("15: binary", async () => {
    const peer = await suite.connectOpen();
    peer.send(Buffer.from([1, 2, 3, 4]));
    assert.deepEqual(await peer.next(), Buffer.from([1, 2, 3, 4]));
    await peer.discard();
  });

  test("16: an invalid packet closes the connection", async () => {
    // Pings are answered, so that only the packet can be what ends it.
    const peer = await suite.connectOpen({ heartbeat: true });
    peer.send("abc");
    await peer.end();
  });
});

describe("heartbeat", () => {
  test("17: pings and pongs over polling", async () => {
    const sid = await suite.open();
    for (let round = 0; round < 3; round += 1) {
      assert.deepEqual(await suite.get(sid), { status: 200, text: "2" });
      assert.equal((await suite.post(sid, "3")).status, 200);
    }
  });

  test("18: ping timeout over polling", async () => {
    const sid = await suite.open();
    // The reference has two timers one after the other, each of which may be late.
    const late = process.env.INTEROP_SERVER ? 0 : 50;
    await sleep(PING_INTERVAL_MS + PING_TIMEOUT_MS + late);
    assert.equal((await suite.get(sid)).status, 400);
  });

  test("19: pings and pongs over WebSocket", async () => {
    const peer = await suite.connectOpen();
    for (let round = 0; round < 3; round += 1) {
      assert.equal(await peer.next(), "2");
      peer.send("3");
    }
    await peer.discard();
  });

  test("20: ping timeout over WebSocket", async () => {
    const peer = await suite.connectOpen();
    await peer.end();
  });
});

describe("close", () => {
  test("21: over polling", async () => {
    const sid = await suite.open();
    const { poll } = await pollThenPause(sid);
    assert.equal((await suite.post(sid, "1")).status, 200);
    assert.deepEqual(await poll, { status: 200, text: "6" });
    assert.equal((await suite.get(sid)).status, 400);
  });

  // The packet itself closes a connection of ours, the ping timeout one of the reference
  // (section 13, Q-06). engine_http.test.mjs tells them apart.
  test("22: over WebSocket", async () => {
    const peer = await suite.connectOpen();
    peer.send("1");
    await peer.end();
  });
});

describe("upgrade", () => {
  test("23: succeeds", async () => {
    const sid = await suite.open();
    const peer = await suite.probe(sid);
    assert.deepEqual(await suite.get(sid), { status: 200, text: "6" });
    peer.send("5");
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  test("24: polling with the same sid is refused afterwards", async () => {
    const sid = await suite.open();
    const peer = await suite.probe(sid);
    peer.send("5");
    peer.send("4committed");
    assert.equal(await peer.next(), "4committed");
    assert.equal((await suite.get(sid)).status, 400);
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  test("25: a second WebSocket with the same sid is refused afterwards", async () => {
    const sid = await suite.open();
    const peer = await suite.probe(sid);
    peer.send("5");
    await suite.assertRefused(`?EIO=4&transport=websocket&sid=${sid}`);
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });
});
