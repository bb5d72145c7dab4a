// Engine.IO over real HTTP and WebSocket connections, beyond the official suite.
//
// Sections are those of engine.io.md. Where its "Port" lines and its section 13 decide for a
// behaviour other than the reference's, `expected` names both, with the section beside it.

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { Socket as EngineClient } from "engine.io-client";
import { fetchText, PollingSession, RS, startRequest } from "./lib/http.mjs";
import { expected, isReference, startServer } from "./lib/server.mjs";
import { eventually, sleep, within } from "./lib/wait.mjs";
import { Peer } from "./lib/websocket.mjs";

const PATH = "/engine.io/";
const MAX_PAYLOAD = 1_000_000;
const ERRORS = [
  "Transport unknown",
  "Session ID unknown",
  "Bad handshake method",
  "Bad request",
  "Forbidden",
  "Unsupported protocol version",
];

let server;
let agent;
before(async () => {
  server = await startServer("engine");
  agent = new http.Agent({ keepAlive: true });
});
after(async () => {
  agent?.destroy();
  await server?.stop();
});

/** A test of a decision against the reference's behaviour: it has nothing to run there. */
const ourDecision = (section) =>
  isReference ? { skip: `decided otherwise in engine.io.md, section ${section}` } : {};

const url = (query) => `${server.origin}${PATH}${query}`;
const websocketUrl = (query) => url(query).replace("http:", "ws:");
const request = (query, options) => fetchText(url(query), { agent, ...options });
const openPolling = () => PollingSession.open(server, PATH, agent);

/** A WebSocket session whose handshake has been read. */
async function openWebSocket(options) {
  const peer = new Peer(websocketUrl("?EIO=4&transport=websocket"), options);
  const packet = await peer.next();
  assert.equal(packet[0], "0");
  return Object.assign(peer, { sid: JSON.parse(packet.slice(1)).sid });
}

/** The WebSocket of an upgrade: probed, but not committed. */
async function probe(session) {
  const peer = await session.websocket().opened();
  peer.send("2probe");
  assert.equal(await peer.next(), "3probe");
  return peer;
}

function assertError(response, code) {
  assert.equal(response.status, 400);
  assert.equal(response.text, `{"code":${code},"message":"${ERRORS[code]}"}`);
  assert.equal(response.headers["content-type"], "application/json");
}

function assertEmpty(response, ...statuses) {
  assert.ok(statuses.includes(response.status), `status ${response.status}`);
  assert.equal(response.text, "");
}

async function assertGone(session) {
  assertError(await session.get(), 1);
}

async function assertEcho(session, text) {
  assert.equal((await session.post(`4${text}`)).text, "ok");
  assert.equal((await session.get()).text, `4${text}`);
}

describe("verification of requests (6.4, 6.5)", () => {
  const NOT_NAMES = ["__proto__", "constructor", "hasOwnProperty"];

  for (const transport of [undefined, "", "tobi", "Polling", "webtransport", ...NOT_NAMES]) {
    test(`transport ${transport} is unknown`, async () => {
      const query = transport === undefined ? "?EIO=4" : `?EIO=4&transport=${transport}`;
      assertError(await request(query), 0);
    });
  }

  for (const sid of ["unknown", "a".repeat(20), "%00", "%F0%9F%98%80", ...NOT_NAMES]) {
    test(`sid ${sid} is unknown`, async () => {
      const query = `?EIO=4&transport=polling&sid=${sid}`;
      assertError(await request(query), 1);
      assertError(await request(query, { body: "4hello", method: "POST" }), 1);
    });
  }

  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    test(`${method} cannot open a session`, async () => {
      assertError(await request("?EIO=4&transport=polling", { method }), 2);
    });
  }

  test("HEAD cannot open a session, and its refusal has no body", async () => {
    assertEmpty(await request("?EIO=4&transport=polling", { method: "HEAD" }), 400);
  });

  test("transport=websocket without an upgrade request is a bad request", async () => {
    assertError(await request("?EIO=4&transport=websocket"), 3);
  });

  test("transport=websocket for a polling session leaves the session usable", async () => {
    const session = await openPolling();
    assertError(await request(`?EIO=4&transport=websocket&sid=${session.sid}`), 3);
    await assertEcho(session, "still here");
  });

  for (const revision of [undefined, "", "2", "3", "5", "04", "abc"]) {
    test(`EIO ${revision} is not supported`, async () => {
      const query = revision === undefined ? "" : `&EIO=${revision}`;
      assertError(await request(`?transport=polling${query}`), 5);
    });
  }

  test("the first check that fails answers", async () => {
    const all = "?transport=tobi&sid=unknown";
    assertError(await request(all, { method: "DELETE" }), 0);
    assertError(await request("?transport=polling&sid=unknown", { method: "DELETE" }), 1);
    assertError(await request("?transport=websocket", { method: "POST" }), 2);
    assertError(await request("?transport=polling", { method: "POST" }), 2);
    assertError(await request("?transport=websocket"), 3);
  });

  test("the last of repeated parameters counts (6.3)", async () => {
    assert.equal((await request("?EIO=3&transport=tobi&EIO=4&transport=polling")).status, 200);
    assertError(await request("?EIO=4&transport=polling&EIO=3"), 5);
  });

  test("parameters are percent-decoded, and an empty sid is none (6.3)", async () => {
    assert.equal((await request("?EIO=%34&transport=%70olling&sid=&t=x&%ff=%zz")).status, 200);
  });

  test("an Origin with a control character is refused", async () => {
    const answer = await rawExchange(
      `GET ${PATH}?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: a\x7fb\r\n` +
        "Connection: close\r\n\r\n",
    );
    assert.match(answer, /^HTTP\/1\.1 400 /);
  });
});

describe("upgrade requests that are refused (6.5)", () => {
  for (const [query, code] of [
    ["?EIO=4", 0],
    ["?EIO=4&transport=abc", 0],
    ["?EIO=4&transport=constructor", 0],
    ["?EIO=4&transport=websocket&sid=unknown", 1],
    ["?EIO=4&transport=websocket&sid=__proto__", 1],
  ]) {
    test(`${query} is answered by 400 in plain HTTP`, async () => {
      const peer = new Peer(websocketUrl(query));
      const end = await peer.end();
      assert.deepEqual([end.accepted, end.status, end.body], [false, 400, ERRORS[code]]);
      assert.equal(peer.headers["content-type"], "text/html");
      assert.equal(peer.headers["content-length"], String(ERRORS[code].length));
      assert.equal(peer.headers.connection.toLowerCase(), "close");
    });
  }

  // Section 13, Q-05: the reference has sent the 101 by then.
  for (const query of ["?transport=websocket", "?EIO=3&transport=websocket"]) {
    test(`${query} is refused before the 101`, async () => {
      const end = await new Peer(websocketUrl(query)).end();
      assert.equal(end.accepted, expected({ ours: false, reference: true }));
      assert.equal(end.status, expected({ ours: 400, reference: undefined }));
      assert.equal(end.body, expected({ ours: ERRORS[5], reference: "" }));
    });
  }

  test("transport=polling cannot be a WebSocket", async () => {
    // The reference accepts and closes, section 6.5; refusing before the 101 is as good.
    await new Peer(websocketUrl("?EIO=4&transport=polling")).end();
    const session = await openPolling();
    await new Peer(session.url.replace("http:", "ws:")).end();
    await assertEcho(session, "still here");
  });

  for (const [what, headers] of [
    ["without a key", "Sec-WebSocket-Version: 13\r\n"],
    ["with an invalid key", "Sec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n"],
    ["of version 12", `Sec-WebSocket-Key: ${"A".repeat(22)}==\r\nSec-WebSocket-Version: 12\r\n`],
  ]) {
    test(`a WebSocket handshake ${what} is refused and opens nothing (4)`, async () => {
      const answer = await rawExchange(
        `GET ${PATH}?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n` +
          `Connection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 400 /);
    });
  }
});

describe("headers of responses (6.7, 6.9)", () => {
  test("a handshake", async () => {
    const { headers, status, text } = await request("?EIO=4&transport=polling");
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "text/plain; charset=UTF-8");
    assert.equal(headers["content-length"], String(text.length));
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["access-control-allow-origin"], "*");
    assert.equal(headers["set-cookie"], undefined);
    const { sid } = JSON.parse(text.slice(1));
    assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
    assert.equal(
      text,
      `0{"sid":"${sid}","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,` +
        '"maxPayload":1000000}',
    );
  });

  test("session ids differ", async () => {
    const sessions = await Promise.all(Array.from({ length: 50 }, openPolling));
    assert.equal(new Set(sessions.map(({ sid }) => sid)).size, 50);
  });

  test("a poll and a data request", async () => {
    const session = await openPolling();
    const posted = await session.post("4€");
    assert.deepEqual([posted.status, posted.text], [200, "ok"]);
    assert.equal(posted.headers["content-type"], "text/html");
    assert.equal(posted.headers["content-length"], "2");
    assert.equal(posted.headers["cache-control"], "no-store");
    assert.equal(posted.headers["access-control-allow-origin"], "*");
    const polled = await session.get();
    assert.deepEqual([polled.status, polled.text], [200, "4€"]);
    assert.equal(polled.headers["content-type"], "text/plain; charset=UTF-8");
    assert.equal(polled.headers["content-length"], "4");
    assert.equal(polled.headers["cache-control"], "no-store");
    assert.equal(polled.headers["access-control-allow-origin"], "*");
  });

  test("a refusal and an accepted WebSocket have the CORS header too", async () => {
    const refused = await request("?EIO=4&transport=tobi");
    assert.equal(refused.headers["access-control-allow-origin"], "*");
    const peer = await openWebSocket();
    assert.equal(peer.headers["access-control-allow-origin"], "*");
    await peer.discard();
  });

  test("a preflight request is answered whatever its query", async () => {
    for (const query of ["?EIO=4&transport=polling", "?transport=tobi&sid=unknown", ""]) {
      const { headers, status, text } = await request(query, {
        headers: {
          "Access-Control-Request-Headers": "x-one,x-two",
          "Access-Control-Request-Method": "POST",
          Origin: "http://example.com",
        },
        method: "OPTIONS",
      });
      assert.deepEqual([status, text], [204, ""]);
      assert.equal(headers["access-control-allow-origin"], "*");
      assert.equal(headers["access-control-allow-methods"], "GET,HEAD,PUT,PATCH,POST,DELETE");
      assert.equal(headers["access-control-allow-headers"], "x-one,x-two");
    }
  });
});

describe("data requests (6.11, 7.3)", () => {
  for (const method of ["PUT", "DELETE", "PATCH", "HEAD"]) {
    test(`${method} with a valid sid is refused`, async () => {
      const session = await openPolling();
      // 500 by section 6.11; a 400 says the same.
      const { status } = await session.get({ method });
      assert.ok([400, 500].includes(status), `status ${status}`);
    });
  }

  test("application/octet-stream closes the session", async () => {
    const session = await openPolling();
    const poll = await session.pendingPoll();
    const headers = { "Content-Type": "application/octet-stream" };
    assertEmpty(await session.post("4hello", { headers }), 400);
    assert.equal((await poll.response).text, "1");
    await assertGone(session);
  });

  for (const type of [
    "application/octet-stream; charset=UTF-8",
    "application/x-www-form-urlencoded",
    "text/plain;charset=UTF-8",
    "text/plain",
  ]) {
    test(`the content type ${type} is text`, async () => {
      const session = await openPolling();
      assert.equal((await session.post("4€", { headers: { "Content-Type": type } })).text, "ok");
      assert.equal((await session.get()).text, "4€");
    });
  }

  test("a body of exactly the limit is accepted", async () => {
    const session = await openPolling();
    const body = `4${"a".repeat(MAX_PAYLOAD - 1)}`;
    const { status, text } = await session.post(body);
    assert.deepEqual([status, text], [200, "ok"]);
    assert.ok((await session.get()).text === body);
  });

  test("the limit counts bytes, not characters", async () => {
    const session = await openPolling();
    const euros = "€".repeat(333_333);
    assert.equal((await session.post(`4${euros}`)).status, 200);
    assert.equal((await session.get()).text.length, 333_334);
    assertEmpty(await session.post(`4a${euros}`), 413);
  });

  for (const [what, headers] of [
    ["announced", { "Content-Length": String(MAX_PAYLOAD + 1) }],
    ["chunked", { "Transfer-Encoding": "chunked" }],
  ]) {
    test(`a byte more is too much (${what})`, async () => {
      const session = await openPolling();
      const body = "4".padEnd(MAX_PAYLOAD + 1, "a");
      assertEmpty(await session.post(body, { agent: undefined, headers }), 413);
    });
  }

  test("a chunked body is accepted, wherever the chunks are cut", async () => {
    const session = await openPolling();
    const { request, response } = session.start({ method: "POST" });
    for (const byte of Buffer.from(`4a€${RS}bAQID`)) {
      request.write(Buffer.from([byte]));
    }
    request.end();
    assert.equal((await response).text, "ok");
    assert.equal((await session.get()).text, `4a€${RS}bAQID`);
  });

  test("Expect: 100-continue works", async () => {
    const session = await openPolling();
    const headers = { "Content-Length": "6", Expect: "100-continue" };
    const { request, response } = session.start({ agent: undefined, headers, method: "POST" });
    request.flushHeaders();
    await within(new Promise((resolve) => request.once("continue", resolve)), "100 Continue");
    request.end("4hello");
    assert.equal((await response).text, "ok");
    assert.equal((await session.get()).text, "4hello");
  });

  for (const body of ["", "9", "abc", "{}", " 4", `4a${RS}`, `4a${RS}${RS}4b`]) {
    test(`the malformed body ${JSON.stringify(body)} closes the session`, async () => {
      const session = await openPolling();
      const { status } = await session.post(body);
      // Section 13, Q-02.
      assert.equal(status, expected({ ours: 400, reference: 200 }));
      await assertGone(session);
    });
  }

  test("a malformed body ends a pending poll with a close packet", async () => {
    const session = await openPolling();
    const poll = await session.pendingPoll();
    await session.post("abc");
    assert.deepEqual((await poll.response).text, "1");
    await assertGone(session);
  });

  // Section 2.5: characters outside the alphabet are skipped by the reference.
  test("base64 that is none is malformed", async () => {
    const session = await openPolling();
    const { status } = await session.post("b!!!!");
    assert.equal(status, expected({ ours: 400, reference: 200 }));
    assert.equal((await session.get()).status, expected({ ours: 400, reference: 200 }));
  });

  test("base64 without padding is accepted (2.5)", async () => {
    const session = await openPolling();
    await session.post(`bAQ${RS}bAQI`);
    assert.equal((await session.get()).text, `bAQ==${RS}bAQI=`);
  });

  test("empty messages are echoed as they are", async () => {
    const session = await openPolling();
    await session.post(`4${RS}b`);
    assert.equal((await session.get()).text, `4${RS}b`);
  });

  test("a hundred packets of one body are answered in order by one response", async () => {
    const session = await openPolling();
    const payload = Array.from({ length: 100 }, (_, i) => `4${i} 😀\u2028`).join(RS);
    assert.equal((await session.post(payload)).text, "ok");
    assert.equal((await session.get()).text, payload);
  });

  test("open, upgrade and noop packets are ignored (2.2)", async () => {
    const session = await openPolling();
    assert.equal((await session.post(`0${RS}5${RS}6${RS}4hello`)).text, "ok");
    assert.equal((await session.get()).text, "4hello");
  });

  test("a ping of the client closes the session (2.2)", async () => {
    const session = await openPolling();
    const poll = await session.pendingPoll();
    await session.post("2");
    assert.equal((await poll.response).text, "1");
    await assertGone(session);
  });

  test("a close packet ends the poll with a noop, and what follows it has no effect", async () => {
    const session = await openPolling();
    const poll = await session.pendingPoll();
    const { status, text } = await session.post(`1${RS}4late`);
    assert.deepEqual([status, text], [200, "ok"]);
    assert.equal((await poll.response).text, "6");
    await assertGone(session);
  });
});

describe("overlapping and aborted requests (7.2, 7.3, 7.5)", () => {
  test("a second poll closes the session", async () => {
    const session = await openPolling();
    const first = await session.pendingPoll();
    const second = await session.get();
    assertEmpty(second, 400);
    const { status, text } = await first.response;
    assert.deepEqual([status, text], [200, "1"]);
    await assertGone(session);
  });

  test("a second data request closes the session", async () => {
    const session = await openPolling();
    const poll = await session.pendingPoll();
    const first = await unfinishedPost(session);
    assertEmpty(await session.post("4second"), 400);
    // Its body is not wanted any more: aborted by the reference, answered 400 by ours.
    const aborted = await first.response.then(({ status }) => status === 400, () => true);
    assert.ok(aborted, "the first data request is not accepted");
    assert.equal((await poll.response).text, "1");
    await assertGone(session);
  });

  test("a poll whose connection breaks closes the session", async () => {
    const session = await openPolling();
    const poll = await session.pendingPoll();
    poll.request.destroy();
    await assert.rejects(poll.response);
    // Whether the server knows already (code 1) or sees two polls at once (empty).
    assert.equal((await session.get()).status, 400);
    await assertGone(session);
  });

  test("a data request whose connection breaks closes the session", async () => {
    const session = await openPolling();
    const poll = await session.pendingPoll();
    const post = await unfinishedPost(session);
    post.request.destroy();
    assert.equal((await poll.response).text, "1");
    await assertGone(session);
  });

  test("a connection that ends after its response does nothing", async () => {
    const own = new http.Agent({ keepAlive: true });
    const session = await PollingSession.open(server, PATH, own);
    assert.equal((await session.post("4hello")).text, "ok");
    own.destroy();
    assert.equal((await session.get({ agent: undefined })).text, "4hello");
  });

  test("one connection for each request is fine", async () => {
    const session = await PollingSession.open(server, PATH, new http.Agent({ keepAlive: false }));
    await assertEcho(session, "hello");
    await assertEcho(session, "again");
  });

  /** A data request of which the server has seen the head and a part of the body. */
  async function unfinishedPost(session) {
    const post = startRequest(session.url, {
      agent: new http.Agent({ keepAlive: false }),
      headers: { "Content-Length": "100", Expect: "100-continue" },
      method: "POST",
    });
    post.request.flushHeaders();
    // The server asks for the body when it has begun to handle the request.
    await within(new Promise((resolve) => post.request.once("continue", resolve)), "100 Continue");
    post.request.write("4un");
    return post;
  }
});

describe("WebSocket (2.2, 4)", () => {
  test("the handshake has the keys in their order", async () => {
    const peer = new Peer(websocketUrl("?EIO=4&transport=websocket"));
    const packet = await peer.next();
    const { sid } = JSON.parse(packet.slice(1));
    assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
    assert.equal(
      packet,
      `0{"sid":"${sid}","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}`,
    );
    await peer.discard();
  });

  test("messages are echoed with their kind", async () => {
    const peer = await openWebSocket({ heartbeat: true });
    for (const message of ["4", "4hello", `4a${RS}b`, "4\u2028😀\0"]) {
      peer.send(message);
      assert.equal(await peer.next(), message);
    }
    for (const bytes of [[], [0], [0x34], Array.from({ length: 256 }, (_, i) => i)]) {
      peer.send(Buffer.from(bytes));
      assert.deepEqual(await peer.next(), Buffer.from(bytes));
    }
    peer.send("bAQIDBA==");
    assert.deepEqual(await peer.next(), Buffer.from([1, 2, 3, 4]));
    await peer.discard();
  });

  test("packets that mean nothing to a server are ignored", async () => {
    const peer = await openWebSocket();
    for (const packet of ["0", "5", "6", "4hello"]) {
      peer.send(packet);
    }
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  for (const packet of ["", "7", "abc", "2", "2probe"]) {
    test(`${JSON.stringify(packet)} closes the connection`, async () => {
      const peer = await openWebSocket({ heartbeat: true });
      peer.send(packet);
      assertClosed(await peer.end());
    });
  }

  test("a close packet closes the connection at once", async () => {
    // Section 13, Q-06: the reference ignores it. Pings stay unanswered: that ends it there.
    const peer = await openWebSocket();
    peer.send("1");
    const first = await Promise.race([peer.next().catch(() => "closed"), peer.end()]);
    assert.equal(first === "2", expected({ ours: false, reference: true }));
    assertClosed(await peer.end());
  });

  test("a message of exactly the limit is accepted", async () => {
    const peer = await openWebSocket({ heartbeat: true });
    const text = `4${"a".repeat(MAX_PAYLOAD - 1)}`;
    peer.send(text);
    assert.ok((await peer.next()) === text);
    const bytes = Buffer.alloc(MAX_PAYLOAD, 7);
    peer.send(bytes);
    assert.ok(bytes.equals(await peer.next()));
    await peer.discard();
  });

  for (const [what, message] of [
    ["text", "4".padEnd(MAX_PAYLOAD + 1, "a")],
    ["binary", Buffer.alloc(MAX_PAYLOAD + 1)],
  ]) {
    test(`a ${what} message of a byte more is answered by 1009`, async () => {
      const peer = await openWebSocket({ heartbeat: true });
      peer.send(message);
      assert.equal((await peer.end()).code, 1009);
    });
  }

  test("the limit holds for the sum of the fragments", async () => {
    const peer = await openWebSocket({ heartbeat: true });
    peer.send("4".padEnd(MAX_PAYLOAD / 2, "a"), { fin: false });
    peer.send("a".repeat(MAX_PAYLOAD / 2 + 1), { fin: true });
    assert.equal((await peer.end()).code, 1009);
  });

  test("text that is not UTF-8 is answered by 1007 (2.6)", async () => {
    const peer = await openWebSocket({ heartbeat: true });
    peer.send(Buffer.from([0x34, 0xff]), { binary: false });
    assert.equal((await peer.end()).code, 1007);
  });

  test("fragments are put together, and control pings are answered between them", async () => {
    const peer = await openWebSocket({ heartbeat: true });
    const pong = new Promise((resolve) => peer.socket.once("pong", resolve));
    peer.send("4he", { fin: false });
    peer.socket.ping("x");
    assert.equal(String(await within(pong, "a control pong")), "x");
    peer.send("llo", { fin: true });
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  test("a ping timeout closes the connection without a status", async () => {
    const peer = await openWebSocket();
    assert.equal(await peer.next(), "2");
    assertClosed(await peer.end());
  });

  // Section 13, Q-12: the reference may lose what comes with the handshake.
  test("a message right behind the handshake is not lost", ourDecision("13"), async () => {
    const frame = [0x81, 0x86, 0, 0, 0, 0, ...Buffer.from("4early")];
    const head =
      `GET ${PATH}?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n` +
      `Upgrade: websocket\r\nSec-WebSocket-Key: ${"A".repeat(22)}==\r\n` +
      "Sec-WebSocket-Version: 13\r\n\r\n";
    const answer = await rawExchange(
      Buffer.concat([Buffer.from(head), Buffer.from(frame)]),
      (received) => received.includes("\x81\x064early"),
    );
    assert.match(answer, /^HTTP\/1\.1 101 /);
    assert.ok(answer.indexOf("0{") < answer.indexOf("4early"), "open comes first");
  });

  test("requests over HTTP for a WebSocket session are refused", async () => {
    const peer = await openWebSocket({ heartbeat: true });
    const polling = `?EIO=4&transport=polling&sid=${peer.sid}`;
    assertError(await request(polling), 3);
    assertError(await request(polling, { body: "4hello", method: "POST" }), 3);
    peer.send("4still here");
    assert.equal(await peer.next(), "4still here");
    await peer.discard();
  });

  // Section 13, Q-07: the reference never answers.
  test("transport=websocket over plain HTTP is refused", ourDecision("13"), async () => {
    const peer = await openWebSocket({ heartbeat: true });
    const query = `?EIO=4&transport=websocket&sid=${peer.sid}`;
    assertError(await request(query), 3);
    assertError(await request(query, { body: "4hello", method: "POST" }), 3);
    await peer.discard();
  });

  // Section 13, Q-09: the reference upgrades it.
  test("a session that began on WebSocket is not upgraded", ourDecision("13"), async () => {
    const peer = await openWebSocket({ heartbeat: true });
    const newcomer = new Peer(websocketUrl(`?EIO=4&transport=websocket&sid=${peer.sid}`));
    newcomer.socket.on("open", () => ["2probe", "5"].forEach((packet) => newcomer.send(packet)));
    await newcomer.end();
    peer.send("4still here");
    assert.equal(await peer.next(), "4still here");
    await peer.discard();
  });

  /** Without a status, or with a normal one (section 13, Q-38). */
  function assertClosed({ code }) {
    assert.ok([1000, 1005].includes(code), `close code ${code}`);
  }
});

describe("heartbeat (8.4)", () => {
  test("a pong moves the next ping, and the session lives on", async () => {
    const session = await openPolling();
    for (let round = 0; round < 2; round += 1) {
      assert.equal((await session.get()).text, "2");
      await session.post("3");
    }
    await assertEcho(session, "alive");
  });

  test("messages do not count as a heartbeat", async () => {
    const peer = await openWebSocket();
    const chatter = setInterval(() => peer.send("4chatter"), 50);
    peer.socket.on("message", () => {});
    await peer.end().finally(() => clearInterval(chatter));
  });

  test("a ping timeout answers the pending poll with a close packet", async () => {
    const session = await openPolling();
    assert.equal((await session.get()).text, "2");
    assert.equal((await session.get()).text, "1");
    await assertGone(session);
  });
});

describe("upgrade (8.8)", () => {
  test("the probe ends the pending poll with a noop", async () => {
    const session = await openPolling();
    const poll = await session.pendingPoll();
    const peer = await probe(session);
    assert.equal((await poll.response).text, "6");
    peer.send("5");
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  // Section 13, Q-04: the reference ends it at its next 100 ms tick.
  test("the pending poll ends without delay", ourDecision("13"), async () => {
    const delays = [];
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const session = await openPolling();
      const poll = await session.pendingPoll();
      const peer = await probe(session);
      const start = performance.now();
      assert.equal((await poll.response).text, "6");
      delays.push(performance.now() - start);
      await peer.discard();
    }
    assert.ok(Math.min(...delays) < 60, `delays of ${delays} ms`);
  });

  test("messages go both ways before, while and after the transport changes", async () => {
    const session = await openPolling();
    await assertEcho(session, "before");
    const peer = await probe(session);
    assert.equal((await session.post("4while")).text, "ok");
    assert.equal((await session.get()).text, "4while", "a poll gets what was queued");
    assert.equal((await session.post(`4queued 1${RS}bAQID`)).text, "ok");
    peer.send("5");
    peer.send("4after");
    assert.equal(await peer.next(), "4queued 1");
    assert.deepEqual(await peer.next(), Buffer.from([1, 2, 3]));
    assert.equal(await peer.next(), "4after");
    await peer.discard();
  });

  test("nothing but the answer to the probe is written before the commit", async () => {
    const session = await openPolling();
    const peer = await probe(session);
    assert.equal((await session.post("4queued")).text, "ok");
    assert.equal((await session.get()).text, "4queued");
    peer.send("5");
    peer.send("4first");
    assert.equal(await peer.next(), "4first");
    await peer.discard();
  });

  test("the polling transport is gone afterwards", async () => {
    const session = await openPolling();
    const peer = await probe(session);
    peer.send("5");
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    assertError(await session.get(), 3);
    assertError(await session.post("4hello"), 3);
    await session.websocket().end("the end of a second WebSocket");
    peer.send("4still here");
    assert.equal(await peer.next(), "4still here");
    await peer.discard();
  });

  test("an upgrade packet without a probe is enough", async () => {
    const session = await openPolling();
    const peer = await session.websocket().opened();
    peer.send("5");
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  test("a poll that is pending at the commit is answered", async () => {
    const session = await openPolling();
    const poll = await session.pendingPoll();
    const peer = await session.websocket().opened();
    peer.send("5");
    const { status, text } = await poll.response;
    // A close packet by section 8.8; a correct client has no poll pending, and a noop says as much.
    assert.ok(status === 200 && ["1", "6"].includes(text), `${status} ${text}`);
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  for (const packet of ["4message", "2x", "3probe", "1", "abc", Buffer.from([1])]) {
    test(`${JSON.stringify(packet)} instead of a probe ends only the WebSocket`, async () => {
      const session = await openPolling();
      const failed = await session.websocket().opened();
      failed.send(packet);
      await failed.end();
      await assertEcho(session, "still here");
      const peer = await probe(session);
      peer.send("5");
      peer.send("4second attempt");
      assert.equal(await peer.next(), "4second attempt");
      await peer.discard();
    });
  }

  test("a probing WebSocket that breaks leaves the session as it was", async () => {
    const session = await openPolling();
    const broken = await probe(session);
    await broken.discard();
    await assertEcho(session, "still here");
    const peer = await eventuallyProbed(session);
    peer.send("5");
    peer.send("4second attempt");
    assert.equal(await peer.next(), "4second attempt");
    await peer.discard();
  });

  test("a second WebSocket while probing is refused, and the first goes on", async () => {
    const session = await openPolling();
    const peer = await probe(session);
    await session.websocket().end("the end of a second WebSocket");
    peer.send("5");
    peer.send("4hello");
    assert.equal(await peer.next(), "4hello");
    await peer.discard();
  });

  test("the end of the session ends a probing WebSocket", async () => {
    const session = await openPolling();
    const peer = await probe(session);
    assert.equal((await session.post("1")).text, "ok");
    await peer.end();
    await assertGone(session);
  });

  // Section 13, Q-01; the reference has done the same since engine.io 6.6.12.
  test("a WebSocket of another revision is refused", async () => {
    const session = await openPolling();
    const query = `?EIO=3&transport=websocket&sid=${session.sid}`;
    const end = await new Peer(websocketUrl(query)).end();
    assert.deepEqual([end.accepted, end.status, end.body], [false, 400, ERRORS[3]]);
    await assertEcho(session, "still here");
  });

  test("heartbeats go on afterwards", async () => {
    const session = await openPolling();
    const peer = await probe(session);
    peer.send("5");
    for (let round = 0; round < 2; round += 1) {
      assert.equal(await peer.next(), "2");
      peer.send("3");
    }
    await peer.end("the ping timeout");
  });

  // Section 13, Q-03: timers belong to the session.
  test("a ping that was out at the upgrade must still be answered", ourDecision("13"), async () => {
    const session = await openPolling();
    assert.equal((await session.get()).text, "2");
    const peer = await probe(session);
    peer.send("5");
    await peer.end("the ping timeout");
  });

  /** The server may learn of the broken WebSocket only after the next one has arrived. */
  async function eventuallyProbed(session) {
    const attempt = async () => {
      const peer = session.websocket();
      try {
        await peer.opened();
        peer.send("2probe");
        return (await peer.next()) === "3probe" ? peer : undefined;
      } catch {
        return undefined;
      }
    };
    return eventually(attempt, (peer) => peer !== undefined, "a second probe");
  }
});

describe("the official client engine.io-client 6", () => {
  const connect = async (options) => {
    const client = new EngineClient(server.origin, { path: PATH, ...options });
    client.binaryType = "nodebuffer";
    await eventOf(client, "open");
    return client;
  };

  test("numbered messages cross the upgrade in order, both ways", async () => {
    const client = await connect({});
    const upgraded = eventOf(client, "upgrade");
    const received = [];
    client.on("message", (data) => received.push(data));
    const sent = Array.from({ length: 500 }, (_, i) => `message ${i} €`);
    for (const [i, message] of sent.entries()) {
      client.send(message);
      if (i % 25 === 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    await upgraded;
    client.send(Buffer.from([1, 2, 3]));
    await eventually(() => received.length, (count) => count > 500, "all messages");
    assert.deepEqual(received.slice(0, 500), sent);
    assert.deepEqual(received[500], Buffer.from([1, 2, 3]));
    await close(client);
  });

  for (const transports of [["polling"], ["websocket"]]) {
    test(`closing over ${transports} makes the session unknown`, async () => {
      const client = await connect({ transports });
      const { id } = client;
      assert.deepEqual(await close(client), "forced close");
      await eventually(
        () => request(`?EIO=4&transport=polling&sid=${id}`),
        ({ text }) => text === '{"code":1,"message":"Session ID unknown"}',
        "an unknown session",
      );
    });

    test(`heartbeats keep an idle client over ${transports}`, async () => {
      const client = await connect({ transports });
      for (let round = 0; round < 3; round += 1) {
        await eventOf(client, "ping");
      }
      client.send("alive");
      assert.equal(await eventOf(client, "message"), "alive");
      await close(client);
    });

    test(`a ping timeout over ${transports} is a transport close to the client`, async () => {
      const client = await connect({ transports });
      client._sendPacket = () => {};
      assert.equal(await eventOf(client, "close"), "transport close");
    });
  }

  async function close(client) {
    const closed = eventOf(client, "close");
    client.close();
    return closed;
  }

  function eventOf(client, name) {
    return within(new Promise((resolve) => client.once(name, resolve)), `the event ${name}`);
  }
});

describe("close reasons that the application sees (8.10)", () => {
  const APP_PATH = "/socket.io/";
  let app;
  let observer;
  before(async () => {
    app = await startServer("app");
    observer = (await connected(app)).peer;
  });
  after(async () => {
    await observer?.discard();
    await app?.stop();
  });

  for (const [what, reason, act] of [
    ["a close packet", "transport close", (session) => session.post("1")],
    ["a malformed packet", "parse error", (session) => session.post("abc")],
    ["a ping of the client", "transport error", (session) => session.post("2")],
    [
      "a wrong content type",
      "transport error",
      (session) => session.post("", { headers: { "Content-Type": "application/octet-stream" } }),
    ],
    [
      "overlapping polls",
      "transport error",
      async (session) => {
        await session.pendingPoll();
        await session.get();
      },
    ],
    [
      "an aborted poll",
      "transport error",
      async (session) => (await session.pendingPoll()).request.destroy(),
    ],
  ]) {
    test(`${what} over polling: ${reason}`, async () => {
      const session = await PollingSession.open(app, APP_PATH, agent);
      assert.equal((await session.post("40")).text, "ok");
      const [accepted] = (await session.get()).text.split(RS);
      await act(session);
      await assertReason(JSON.parse(accepted.slice(2)).sid, reason);
    });
  }

  for (const [what, reason, act] of [
    ["a close frame", "transport close", (peer) => peer.socket.close()],
    ["a lost connection", "transport close", (peer) => peer.socket.terminate()],
    ["a malformed packet", "parse error", (peer) => peer.send("abc")],
    ["a ping of the client", "transport error", (peer) => peer.send("2")],
    ["a message over the limit", "transport error", (peer) => peer.send("4".padEnd(1_000_001))],
  ]) {
    test(`${what} over WebSocket: ${reason}`, async () => {
      const { peer, sid } = await connected(app);
      act(peer);
      await assertReason(sid, reason);
      await peer.end();
    });
  }

  // Section 13, Q-06: the reference ignores the packet.
  test("a close packet over WebSocket: transport close", ourDecision("13"), async () => {
    const { peer, sid } = await connected(app);
    peer.send("1");
    await assertReason(sid, "transport close");
  });

  /** A WebSocket that has joined the main namespace and read its two messages. */
  async function connected({ origin }) {
    const query = `${APP_PATH}?EIO=4&transport=websocket`;
    const peer = new Peer(`${origin.replace("http:", "ws:")}${query}`, { heartbeat: true });
    await peer.next();
    peer.send("40");
    const { sid } = JSON.parse((await peer.next()).slice(2));
    await peer.next();
    return { peer, sid };
  }

  async function assertReason(sid, reason) {
    const ask = async () => {
      observer.send(`421["reason_of","${sid}"]`);
      return JSON.parse((await observer.next()).slice("431".length))[0];
    };
    assert.equal(await eventually(ask, (answer) => answer !== null, "a reason"), reason);
  }
});

/** Writes bytes to the server and returns what comes back, until it ends or is enough. */
function rawExchange(bytes, enough = () => false) {
  const socket = net.connect(server.port, "127.0.0.1");
  const exchange = new Promise((resolve, reject) => {
    let received = "";
    socket.setEncoding("latin1");
    socket.on("data", (text) => {
      received += text;
      if (enough(received)) {
        resolve(received);
      }
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(received));
    socket.write(bytes);
  });
  return within(exchange, "an answer to raw bytes").finally(() => socket.destroy());
}
