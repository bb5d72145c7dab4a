// Two hundred clients that come and go, in every way, and what the server keeps of them: nothing.
//
// It takes ten seconds, or as many as `INTEROP_CHURN_SECONDS` says.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Client, normalized, SETUPS } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { isReference, startServer } from "./lib/server.mjs";
import { eventually, within } from "./lib/wait.mjs";

const SECONDS = Number(process.env.INTEROP_CHURN_SECONDS ?? 10);
const CLIENTS = 200;
/** What a visit may leave behind: the application itself keeps the reason of each disconnection. */
const BYTES_PER_VISIT = 512;
const SLACK_BYTES = 8 * 1024 * 1024;

const NAMESPACES = ["/", "/admin", "/"];
if (process.env.INTEROP_DYNAMIC === "1") {
  NAMESPACES.push("/chat-1", "/chat-22");
}

let app;
let observer;
before(async () => {
  app = await startServer("app");
  observer = await Client.observer(app);
});
after(async () => {
  observer?.socket.disconnect();
  await app?.stop();
});

/** The ways to leave; the last ones without a word. */
const LEAVE = [
  ({ client }) => client.socket.disconnect(),
  ({ client }) => client.engine.close(),
  ({ client }) => client.emit("kick", false),
  ({ client }) => client.emit("kick", true),
  ({ proxy }) => proxy.cut(),
  // The last of this connection leaves before its answer, and while large things are on their way.
  ({ client }) => {
    client.emit("ask", 60_000, "never answered");
    client.emit("burst", 100);
    client.emit("echo", Buffer.alloc(100_000));
    client.emit("room_ask", "lobby", 1, "?");
    client.engine.close();
  },
];

/** One visit: connects, does what clients do, and leaves. */
async function visit(t, number, proxy) {
  const setup = SETUPS[number % SETUPS.length];
  const namespace = NAMESPACES[Math.floor(number / SETUPS.length) % NAMESPACES.length];
  const leave = LEAVE[Math.floor(number / SETUPS.length / NAMESPACES.length) % LEAVE.length];
  const url = `${proxy.origin}${namespace === "/" ? "" : namespace}`;
  const refused = number % 50 === 49 && namespace === "/";
  const auth = { token: refused ? "bad" : "secret" };
  const client = new Client(setup.connect(url, { ...setup.options, auth }));
  if (refused) {
    assert.equal((await client.refusal()).message, "unauthorized");
    client.socket.disconnect();
    return;
  }
  await client.event("welcome");
  const room = `room ${number % 40}`;
  await Promise.all([client.call("join", room), client.call("join", "lobby")]);
  client.emit("room_emit", room, null, number, Buffer.from([number % 256]));
  const args = [number, { bytes: Buffer.alloc(number % 3000, number) }];
  assert.deepEqual(normalized(await client.call("echo", ...args)), args);
  const { engine } = client;
  const closed = new Promise((resolve) => engine.once("close", resolve));
  leave({ client, proxy });
  if (engine.readyState !== "closed") {
    await client.event("disconnect");
    client.socket.disconnect();
    await within(closed, "the end of a connection");
  }
}

/** All clients visit again and again for some time; says how many visits that were. */
async function crowd(t, seconds, first) {
  const deadline = Date.now() + seconds * 1000;
  let number = first;
  const one = async () => {
    const proxy = await Proxy.start(t, app);
    while (Date.now() < deadline) {
      await visit(t, (number += 1), proxy);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, one));
  return number;
}

const onLinux = process.platform === "linux";
const kilobytes = (name) =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${app.pid}/status`))[1]);

/** What the server holds, once nobody but the observer and another one is left. */
async function holding(admin) {
  await Promise.all([observer.counts(1), admin.counts(1)]);
  const children = async () => (await observer.call("children"))[0];
  await eventually(children, ({ length }) => length === 0, "no dynamic namespace");
  const ask = async () => ({
    files: onLinux ? readdirSync(`/proc/${app.pid}/fd`).length : 0,
    inside: (await observer.call("stats"))[0].inside ?? {},
  });
  return { bytes: onLinux ? kilobytes("VmRSS") * 1024 : 0, ...(await atRest(ask)) };
}

/** The answer that stays the same for a second: clients that left without a word end later. */
async function atRest(ask) {
  let answer;
  let since;
  const same = async () => {
    const next = await ask();
    if (!isDeepStrictEqual(answer, next)) {
      answer = next;
      since = Date.now();
    }
    return Date.now() - since;
  };
  await eventually(same, (time) => time > 1000, "a server at rest");
  return answer;
}

test("two hundred clients come and go, and nothing of them is kept", {
  timeout: (SECONDS + 60) * 1000,
}, async (t) => {
  const admin = Client.open(t, SETUPS[2], `${app.origin}/admin`, { auth: { token: "secret" } });
  await admin.event("welcome");
  const first = await crowd(t, SECONDS / 2, 0);
  const before = await holding(admin);
  const last = await crowd(t, SECONDS / 2, first);
  const now = await holding(admin);
  t.diagnostic(`${last} visits; ${JSON.stringify(before)}, then ${JSON.stringify(now)}`);
  assert.ok(last - first > CLIENTS, `${last - first} visits`);
  assert.equal(now.files, before.files);
  assert.deepEqual(now.inside, before.inside);
  // Both that are left are on WebSockets.
  assert.ok(now.inside.sessions === undefined || now.inside.sessions === 2);
  // Garbage collection decides about the reference's memory.
  if (onLinux && !isReference) {
    const grown = now.bytes - before.bytes;
    const visits = last - first;
    assert.ok(grown < SLACK_BYTES + visits * BYTES_PER_VISIT, `${grown} bytes in ${visits} visits`);
  }
});
