// The official server suite of Socket.IO revision 5, row by row (socket.io.md, section 7).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startServer } from "./lib/server.mjs";
import { assertHandshake, PING_INTERVAL_MS, PING_TIMEOUT_MS, Suite } from "./lib/suite.mjs";
import { sleep } from "./lib/wait.mjs";

let server;
let suite;
before(async () => {
  server = await startServer("suite");
  suite = new Suite(server, "/socket.io/");
});
after(() => server?.stop());

/** Asserts `<prefix>{"sid":"..."}` with exactly that key, and returns the id. */
function assertAccepted(packet, prefix) {
  assert.ok(packet.startsWith(prefix), packet);
  const payload = JSON.parse(packet.slice(prefix.length));
  assert.deepEqual(Object.keys(payload), ["sid"]);
  assert.equal(typeof payload.sid, "string");
  return payload.sid;
}

/** A connection that has joined the main namespace and read its two messages. */
async function connectMain(options) {
  const peer = await suite.connectOpen(options);
  peer.send("40");
  assertAccepted(await peer.next(), "40");
  assert.equal(await peer.next(), '42["auth",{}]');
  return peer;
}

describe("Engine.IO handshake over polling", () => {
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

describe("Engine.IO handshake over WebSocket", () => {
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

describe("heartbeat", () => {
  test("8: pings and pongs over polling", async () => {
    const sid = await suite.open();
    for (let round = 0; round < 3; round += 1) {
      assert.deepEqual(await suite.get(sid), { status: 200, text: "2" });
      assert.equal((await suite.post(sid, "3")).status, 200);
    }
  });

  test("9: ping timeout over polling", async () => {
    const sid = await suite.open();
    await sleep(PING_INTERVAL_MS + PING_TIMEOUT_MS);
    assert.equal((await suite.get(sid)).status, 400);
  });

  test("10: pings and pongs over WebSocket", async () => {
    const peer = await suite.connectOpen();
    for (let round = 0; round < 3; round += 1) {
      assert.equal(await peer.next(), "2");
      peer.send("3");
    }
    await peer.discard();
  });

  test("11: ping timeout over WebSocket", async () => {
    const peer = await suite.connectOpen();
    await peer.end();
  });
});

describe("close", () => {
  test("12: over polling", async () => {
    const sid = await suite.open();
    const poll = suite.get(sid);
    // The row takes for granted that the poll arrives first.
    await sleep(5);
    assert.equal((await suite.post(sid, "1")).status, 200);
    assert.deepEqual(await poll, { status: 200, text: "6" });
    assert.equal((await suite.get(sid)).status, 400);
  });

  // The packet itself closes a connection of ours, the ping timeout one of the reference
  // (engine.io.md, section 13, Q-06).
  test("13: over WebSocket", async () => {
    const peer = await suite.connectOpen();
    peer.send("1");
    await peer.end();
  });
});

describe("upgrade", () => {
  test("14: from polling to WebSocket", async () => {
    const sid = await suite.open();
    const peer = await suite.probe(sid);
    peer.send("5");
    // The connection works: the main namespace can be joined.
    peer.send("40");
    assertAccepted(await peer.next(), "40");
    await peer.discard();
  });

  test("15: polling with the same sid is refused afterwards", async () => {
    const sid = await suite.open();
    const peer = await suite.probe(sid);
    peer.send("5");
    peer.send("40");
    assertAccepted(await peer.next(), "40");
    assert.equal((await suite.get(sid)).status, 400);
    await peer.discard();
  });

  test("16: a second WebSocket with the same sid is refused afterwards", async () => {
    const sid = await suite.open();
    const peer = await suite.probe(sid);
    peer.send("5");
    await suite.assertRefused(`?EIO=4&transport=websocket&sid=${sid}`);
    peer.send("40");
    assertAccepted(await peer.next(), "40");
    await peer.discard();
  });
});

describe("connect", () => {
  test("17: the main namespace", async () => {
    const peer = await suite.connectOpen();
    peer.send("40");
    assertAccepted(await peer.next(), "40");
    assert.equal(await peer.next(), '42["auth",{}]');
    await peer.discard();
  });

  test("18: the main namespace with a payload", async () => {
    const peer = await suite.connectOpen();
    peer.send('40{"token":"123"}');
    assertAccepted(await peer.next(), "40");
    assert.equal(await peer.next(), '42["auth",{"token":"123"}]');
    await peer.discard();
  });

  test("19: a custom namespace", async () => {
    const peer = await suite.connectOpen();
    peer.send("40/custom,");
    assertAccepted(await peer.next(), "40/custom,");
    assert.equal(await peer.next(), '42/custom,["auth",{}]');
    await peer.discard();
  });

  test("20: a custom namespace with a payload", async () => {
    const peer = await suite.connectOpen();
    peer.send('40/custom,{"token":"abc"}');
    assertAccepted(await peer.next(), "40/custom,");
    assert.equal(await peer.next(), '42/custom,["auth",{"token":"abc"}]');
    await peer.discard();
  });

  test("21: an unknown namespace is refused", async () => {
    const peer = await suite.connectOpen();
    peer.send("40/random");
    assert.equal(await peer.next(), '44/random,{"message":"Invalid namespace"}');
    await peer.discard();
  });

  test("22: an invalid handshake closes the connection", async () => {
    const peer = await suite.connectOpen();
    peer.send("4abc");
    await peer.end();
  });

  test("23: a connection without handshake is closed", async () => {
    // Pings are answered, so that only the connect timeout can be what ends it.
    const peer = await suite.connectOpen({ heartbeat: true });
    await peer.end();
  });
});

describe("disconnect", () => {
  test("24: from the main namespace", async () => {
    const peer = await connectMain();
    peer.send("41");
    assert.equal(await peer.next(), "2");
    await peer.discard();
  });

  test("25: from a custom namespace", async () => {
    const peer = await connectMain();
    assert.equal(await peer.next(), "2");
    peer.send("3");
    peer.send("40/custom");
    assertAccepted(await peer.next(), "40/custom,");
    assert.equal(await peer.next(), '42/custom,["auth",{}]');
    peer.send("41/custom");
    peer.send('42["message","message to main namespace"]');
    assert.equal(await peer.next(), '42["message-back","message to main namespace"]');
    await peer.discard();
  });
});

describe("message", () => {
  const FIRST = Buffer.from([1, 2, 3]);
  const SECOND = Buffer.from([4, 5, 6]);
  const TWO_PLACEHOLDERS = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';

  test("26: plain text", async () => {
    const peer = await connectMain();
    peer.send('42["message",1,"2",{"3":[true]}]');
    assert.equal(await peer.next(), '42["message-back",1,"2",{"3":[true]}]');
    await peer.discard();
  });

  test("27: binary", async () => {
    const peer = await connectMain({ heartbeat: true });
    peer.send(`452-["message",${TWO_PLACEHOLDERS}]`);
    peer.send(FIRST);
    peer.send(SECOND);
    assert.equal(await peer.next(), `452-["message-back",${TWO_PLACEHOLDERS}]`);
    assert.deepEqual(await peer.next(), FIRST);
    assert.deepEqual(await peer.next(), SECOND);
    await peer.discard();
  });

  test("28: plain text with an acknowledgement", async () => {
    const peer = await connectMain({ heartbeat: true });
    peer.send('42456["message-with-ack",1,"2",{"3":[false]}]');
    assert.equal(await peer.next(), '43456[1,"2",{"3":[false]}]');
    await peer.discard();
  });

  test("29: binary with an acknowledgement", async () => {
    const peer = await connectMain({ heartbeat: true });
    peer.send(`452-789["message-with-ack",${TWO_PLACEHOLDERS}]`);
    peer.send(FIRST);
    peer.send(SECOND);
    assert.equal(await peer.next(), `462-789[${TWO_PLACEHOLDERS}]`);
    assert.deepEqual(await peer.next(), FIRST);
    assert.deepEqual(await peer.next(), SECOND);
    await peer.discard();
  });

  for (const [row, what, packet] of [
    [30, "an unknown packet type", "4abc"],
    [31, "an invalid payload", "42{}"],
    [32, "an invalid ack id", '42abc["message-with-ack",1,"2",{"3":[false]}]'],
  ]) {
    test(`${row}: ${what} closes the connection`, async () => {
      const peer = await connectMain({ heartbeat: true });
      peer.send(packet);
      await peer.end();
    });
  }
});
