// One request against the official server, byte for byte as written.

import net from "node:net";
import WebSocket from "ws";
import { Ids } from "./conversation-pattern.mjs";
import { EngineApplication, startServer } from "./conversation-servers.mjs";

/** How long an answer is waited for; a poll that is not answered by then is pending. */
const WAIT_MS = 150;
const WEBSOCKET_HEADERS = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
  "sec-websocket-version": "13",
};

export async function replayRequest(row, { config, path }) {
  const server = await startServer(EngineApplication, {
    app: "quiet",
    config,
    path,
    tell: () => {},
  });
  const { engine } = server.application;
  const ids = new Ids();
  let session;
  try {
    if (row.session !== undefined) {
      session = await openSession(row.session, server, path);
      ids.bind("sid", session.sid);
    }
    const before = engine.clientsCount;
    const answer = await ask(row, ids.fill(targetOf(row.target)), server);
    const seen = describe(row, answer, engine.clientsCount - before, session);
    if (session !== undefined) {
      seen.after = engine.clients[session.sid] === undefined ? "closed" : "open";
    }
    const ours = { ...row.answer, ...(row.after === undefined ? {} : { after: row.after }) };
    const expected = row.reference === "same" ? ours : row.reference.answer;
    compare(ids, expected, seen, row.method === "HEAD");
  } finally {
    session?.websocket?.terminate();
    server.stop();
  }
}

function compare(ids, expected, seen, isHead) {
  const { code, message, ...visible } = expected;
  if (isHead) {
    visible.body = "";
  }
  if (!ids.matches(visible, seen)) {
    throw new Error(`expected ${JSON.stringify(visible)}, but came ${JSON.stringify(seen)}`);
  }
}

/** A text, or parts of which some are repeated. */
export function targetOf(target) {
  const parts = typeof target === "string" ? [target] : target;
  return parts.map((part) => (typeof part === "string" ? part : part[0].repeat(part[1]))).join("");
}

async function openSession(transport, { host, port }, path) {
  const url = `//${host}:${port}${path}?EIO=4&transport=${transport}`;
  if (transport === "polling") {
    const answer = await (await fetch(`http:${url}`)).text();
    return { sid: JSON.parse(answer.slice(1)).sid };
  }
  const websocket = new WebSocket(`ws:${url}`);
  websocket.on("error", () => {});
  const open = await new Promise((resolve) => websocket.once("message", resolve));
  return { sid: JSON.parse(open.toString().slice(1)).sid, websocket };
}

/** Sends the request and collects what comes back until the connection ends, or for a while. */
function ask({ carrier, method, headers = {}, body }, target, { host, port }) {
  const all = {
    host: "localhost",
    ...(carrier === "websocket" ? WEBSOCKET_HEADERS : { connection: "close" }),
    ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const bytes = (value) =>
    typeof value === "string" ? Buffer.from(value) : Buffer.from(value.hex, "hex");
  const lines = Object.entries(all).flatMap(([name, value]) => [
    Buffer.from(`${name}: `),
    bytes(value),
    Buffer.from("\r\n"),
  ]);
  return new Promise((resolve) => {
    const socket = net.connect(port, host);
    const chunks = [];
    const finish = (isClosed) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ...parse(Buffer.concat(chunks)), isClosed });
    };
    const timer = setTimeout(() => finish(false), WAIT_MS);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.on("close", () => finish(true));
    socket.write(
      Buffer.concat([
        Buffer.from(`${method} ${target} HTTP/1.1\r\n`),
        ...lines,
        Buffer.from(`\r\n${body ?? ""}`),
      ]),
    );
  });
}

function parse(bytes) {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) {
    return { status: undefined, rest: bytes };
  }
  const head = bytes.subarray(0, end).toString("latin1");
  const rest = bytes.subarray(end + 4);
  const status = Number(head.split(" ")[1]);
  const isChunked = /^transfer-encoding: chunked/im.test(head);
  return { status, rest, body: isChunked ? unchunk(rest) : rest.toString("utf8") };
}

function unchunk(bytes) {
  const parts = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf("\r\n", at);
    const length = end < 0 ? 0 : Number.parseInt(bytes.subarray(at, end).toString(), 16);
    if (!(length > 0)) {
      return Buffer.concat(parts).toString("utf8");
    }
    parts.push(bytes.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

/** In the terms of the rows. */
function describe(row, { status, body, rest, isClosed }, opened, session) {
  if (status === undefined) {
    return isClosed ? { status: "cut" } : { accepted: pendingOrNever(session, row) };
  }
  if (status === 101) {
    // A close frame, or the text of an HTTP answer.
    if (isClosed || rest[0] === 0x88) {
      return { status: 101, then: "closed" };
    }
    return { accepted: opened > 0 ? "session" : "upgrade" };
  }
  if (status === 200 && opened > 0) {
    return { accepted: "session" };
  }
  if (status === 200 && body === "ok") {
    return { accepted: "data" };
  }
  if (status === 404) {
    return { accepted: "elsewhere" };
  }
  return { status, body };
}

/** Nothing came: the request waits as a poll, or nobody will ever answer it. */
function pendingOrNever(session, { method, target }) {
  const isPoll = method === "GET" && !targetOf(target).includes("transport=websocket");
  return session !== undefined && isPoll ? "poll" : "never answered";
}
