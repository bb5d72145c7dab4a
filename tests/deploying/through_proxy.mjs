// Runs the proxy configurations of docs/deploying.md in front of two instances of interop_server,
// with the official client: see README.md.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer, connect as openTcp } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const FOLDER = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(FOLDER, "../interop/package.json"));
const { io } = require("socket.io-client");

const PAGE = readFileSync(path.join(FOLDER, "../../docs/deploying.md"), "utf8");
const PROGRAM = path.resolve(process.argv[2] ?? "target/debug/examples/interop_server");
const TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]];
const CLIENTS = 24;
// interop_server pings every two seconds and waits as long for the answer.
const SEVERAL_HEARTBEATS_MS = 9_000;

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** The blocks of the page behind a comment such as `<!-- nginx: by address -->`. */
function blocks(title) {
  const [, behind] = PAGE.split(`<!-- ${title} -->`);
  const [part] = behind.split("<!--");
  return [...part.matchAll(/```\w+\n(.*?)```/gs)].map(([, code]) => code);
}

/** What is tried: how the proxy is started with which text, and whether its logs name sessions. */
const SETUPS = {
  "nginx, by address": (folder, ports) => {
    const [site] = blocks("nginx: by address");
    return nginx(folder, withPorts(site, ports));
  },
  "nginx, by cookie": (folder, ports) => {
    const [site] = blocks("nginx: by address");
    const [hash, cookie] = blocks("nginx: by cookie");
    const byCookie = site
      .replace(/^ *hash .*\n/m, hash)
      .replace(/^ *proxy_pass .*\n/m, (line) => line + cookie);
    return nginx(folder, withPorts(byCookie, ports));
  },
  "HAProxy, by cookie": (folder, ports) => {
    const [text] = blocks("haproxy: by cookie");
    const log = `    log stdout format raw local0\n    log-format "%[capture.req.uri] %ST %si:%sp"\n`;
    const logged = text.replace(/^    mode http\n/m, (line) => line + log);
    writeFileSync(path.join(folder, "haproxy.cfg"), withPorts(logged, ports));
    return run("haproxy", ["-db", "-f", path.join(folder, "haproxy.cfg")], folder);
  },
};

function withPorts(text, { proxy, one, two }) {
  const numbered = text.replaceAll(":8080", `:${proxy}`).replaceAll(":3001", `:${one}`);
  return numbered.replaceAll(":3002", `:${two}`);
}

function nginx(folder, site) {
  cpSync(path.join(FOLDER, "nginx.conf"), path.join(folder, "nginx.conf"));
  writeFileSync(path.join(folder, "site.conf"), site);
  const proxy = run("nginx", ["-p", folder, "-c", "nginx.conf"], folder);
  proxy.log = () => readFileSync(path.join(folder, "access.log"), "utf8");
  return proxy;
}

/** Starts a program; `log` is what it has printed. */
function run(program, args, cwd, env = {}) {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env } });
  let printed = "";
  child.stdout.on("data", (text) => (printed += text));
  child.stderr.on("data", (text) => process.stderr.write(text));
  child.log = () => printed;
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

async function stop(child, signal = "SIGTERM") {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal);
    await once(child, "exit");
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function accepting(port) {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const socket = openTcp(port, "127.0.0.1");
    const isOpen = await once(socket, "connect").then(() => true, () => false);
    socket.destroy();
    if (isOpen) return;
    await sleep(50);
  }
  throw new Error(`nobody listens on ${port}`);
}

/** A client that is connected. Its cookies are kept, as in a browser. */
async function client(url, transports) {
  const socket = io(url, { forceNew: true, transports, withCredentials: true });
  await once(socket, "welcome", { signal: AbortSignal.timeout(10_000) });
  if (transports.length === 2 && socket.io.engine.transport.name !== "websocket") {
    await new Promise((done) => socket.io.engine.once("upgrade", done));
  }
  return socket;
}

async function echo(socket, ...args) {
  const answer = await socket.timeout(10_000).emitWithAck("echo", ...args);
  assert.deepEqual(answer, args[0]);
}

/** The ports that requests with a session id went to, by session id. */
function instances(log) {
  const found = new Map();
  for (const line of log.split("\n")) {
    const sid = /(?:sid=|^)([\w-]{20})/.exec(line)?.[1];
    const port = Number(/127\.0\.0\.1:(\d+)$/.exec(line)?.[1]);
    if (sid !== undefined && port > 0) {
      found.set(sid, (found.get(sid) ?? new Set()).add(port));
    }
  }
  return found;
}

async function check(name, start) {
  const folder = mkdtempSync(path.join(tmpdir(), "deploying-"));
  const ports = { proxy: await freePort(), one: await freePort(), two: await freePort() };
  const servers = [ports.one, ports.two].map((port) => {
    const server = run(PROGRAM, ["app"], folder, { PORT: String(port) });
    return Object.assign(server, { port });
  });
  const proxy = start(folder, ports);
  await Promise.all(Object.values(ports).map(accepting));
  const url = `http://127.0.0.1:${ports.proxy}`;

  const sockets = [];
  for (let i = 0; i < CLIENTS; i += 1) {
    sockets.push(await client(url, TRANSPORTS[i % TRANSPORTS.length]));
  }
  const ids = sockets.map((socket) => socket.id);
  for (const socket of sockets) {
    await echo(socket, "a".repeat(900_000));
    await echo(socket, Buffer.alloc(600_000, 7));
  }
  await sleep(SEVERAL_HEARTBEATS_MS);
  assert.deepEqual(sockets.map((socket) => socket.id), ids, "nobody was disconnected meanwhile");
  const names = sockets.map((socket) => socket.io.engine.transport.name);
  assert.deepEqual(names, sockets.map((_, i) => TRANSPORTS[i % TRANSPORTS.length].at(-1)));
  const seen = instances(proxy.log());
  for (const [sid, ports] of seen) {
    assert.equal(ports.size, 1, `${sid} was at ${[...ports]}`);
  }
  // Each polls in one session: no handshake was in vain.
  const polling = sockets.filter((_, i) => TRANSPORTS[i % TRANSPORTS.length][0] === "polling");
  assert.equal(seen.size, polling.length);
  const used = [...new Set([...seen.values()].flatMap((ports) => [...ports]))];
  assert.equal(used.length, name.includes("by address") ? 1 : 2, "all have one address");
  const count = `${CLIENTS} clients, ${seen.size} sessions polled`;
  console.log(`${name}: ${count}, on ${used.length} of 2 instances`);

  const stopped = servers.find((server) => used[0] === server.port);
  await stop(stopped, "SIGKILL");
  await sleep(500);
  for (const socket of sockets) {
    if (!socket.connected) {
      await once(socket, "welcome", { signal: AbortSignal.timeout(15_000) });
    }
    await echo(socket, "after the stop");
  }
  const moved = sockets.filter((socket, i) => socket.id !== ids[i]).length;
  assert.ok(moved > 0, "somebody was there");
  console.log(`${name}: one instance stopped, ${moved} clients came back at the other`);
  sockets.forEach((socket) => socket.disconnect());

  await stop(proxy);
  await Promise.all(servers.map((server) => stop(server)));
  rmSync(folder, { recursive: true });
}

if (!existsSync(PROGRAM)) {
  throw new Error(`no such program: ${PROGRAM}`);
}
const wanted = process.argv[3] ?? "";
for (const [name, start] of Object.entries(SETUPS)) {
  if (name.includes(wanted)) {
    await check(name, start);
  }
}
process.exit(0);
