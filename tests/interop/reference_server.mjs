// The reference implementation behind the same application as the server under test.
//
// Usage: PORT=3000 node reference_server.mjs app|load|engine|suite
//
// Every test of this folder is proven against this program first. It uses the official packages
// with their options only; nothing here corrects or works around what they do.

import { createServer } from "node:http";
import { Server as EngineServer } from "engine.io";
import { Server } from "socket.io";

const HOST = "127.0.0.1";
const enabled = (name) => process.env[name] === "1";

/** Options that the `engine` and `suite` modes share. */
const SUITE_ENGINE_OPTIONS = {
  pingInterval: 300,
  pingTimeout: 200,
  maxHttpBufferSize: 1_000_000,
  cors: { origin: "*" },
  allowEIO3: enabled("EIO3"),
};

async function parserOption() {
  if (!enabled("MSGPACK")) {
    return {};
  }
  // Not among the pinned dependencies: only needed for this mode.
  const { default: parser } = await import("socket.io-msgpack-parser");
  return { parser };
}

/** Splits the acknowledgement off the arguments of an event, if the client asked for one. */
function splitAck(args) {
  return typeof args.at(-1) === "function" ? [args.slice(0, -1), args.at(-1)] : [args, undefined];
}

function refusal(message, data) {
  return Object.assign(new Error(message), data === undefined ? {} : { data });
}

const tokenOf = (socket) => socket.handshake.auth.token ?? socket.handshake.query.token;

async function startApp(httpServer) {
  const io = new Server(httpServer, {
    path: "/socket.io/",
    serveClient: false,
    pingInterval: 2000,
    pingTimeout: 2000,
    maxHttpBufferSize: 1_000_000,
    allowEIO3: true,
    ...(enabled("RECOVERY")
      ? {
          connectionStateRecovery: {
            maxDisconnectionDuration: Number(process.env.RECOVERY_MS ?? 120_000),
            skipMiddlewares: process.env.SKIP_MIDDLEWARES !== "0",
          },
        }
      : {}),
    cleanupEmptyChildNamespaces: true,
    ...(await parserOption()),
  });
  const reasons = new Map();
  const children = () => [...io._nsps.keys()].filter((name) => name.startsWith("/chat-")).sort();

  io.use((socket, next) =>
    next(tokenOf(socket) === "bad" ? refusal("unauthorized", { code: 401 }) : undefined),
  );
  const admin = io.of("/admin");
  admin.use((socket, next) =>
    next(tokenOf(socket) === "secret" ? undefined : refusal("forbidden")),
  );
  for (const namespace of [io.of("/"), admin, io.of(/^\/chat-\d+$/)]) {
    namespace.on("connection", (socket) => serveApp(socket, reasons, children));
  }
}

function serveApp(socket, reasons, children) {
  const namespace = socket.nsp;
  const ups = [];

  socket.on("disconnect", (reason) => reasons.set(socket.id, reason));

  socket.on("echo", (...all) => {
    const [args, ack] = splitAck(all);
    if (ack) {
      ack(...args);
    } else {
      socket.emit("echo", ...args);
    }
  });
  socket.on("burst", (n) => {
    for (let i = 0; i < n; i += 1) {
      socket.emit("burst", i);
    }
  });
  socket.on("up", (i) => ups.push(i));
  socket.on("up_check", (ack) =>
    ack({ count: ups.length, ordered: ups.every((value, index) => value === index) }),
  );
  socket.on("silent", () => {});
  socket.on("ask", (timeoutMs, ...all) => {
    const [args] = splitAck(all);
    socket.timeout(timeoutMs).emit("question", ...args, (error, ...reply) => {
      if (error) {
        socket.emit("answer", false);
      } else {
        socket.emit("answer", true, ...reply);
      }
    });
  });

  socket.on("join", (room, ack) => {
    socket.join(room);
    ack?.();
  });
  socket.on("leave", (room, ack) => {
    socket.leave(room);
    ack?.();
  });
  socket.on("rooms", (ack) => ack([...socket.rooms]));
  socket.on("room_emit", (room, except, ...all) => {
    const [args, ack] = splitAck(all);
    const targets = except === null ? namespace.to(room) : namespace.to(room).except(except);
    targets.emit("room_msg", ...args);
    ack?.();
  });
  socket.on("room_broadcast", (room, ...all) => {
    const [args, ack] = splitAck(all);
    socket.to(room).emit("room_msg", ...args);
    ack?.();
  });
  socket.on("room_ask", (room, timeoutMs, ...all) => {
    const [args, ack] = splitAck(all);
    namespace
      .to(room)
      .timeout(timeoutMs)
      .emit("question", ...args, (error, replies) => ack?.(Boolean(error), replies));
  });

  socket.on("volatile", (n) => {
    for (let i = 0; i < n; i += 1) {
      socket.volatile.emit("vol", i);
    }
    socket.emit("vol_end", n);
  });
  socket.on("kick", (close) => socket.disconnect(close === true));
  socket.on("reason_of", (sid, ack) => ack(reasons.get(sid) ?? null));
  socket.on("stats", (ack) => ack({ sockets: namespace.sockets.size }));
  socket.on("children", (ack) => ack(children()));
  socket.on("remember", (value, ack) => {
    socket.data.value = value;
    ack();
  });
  socket.on("recall", (ack) => ack(socket.data.value ?? null));
  socket.on("later", (room, n, delayMs) => {
    setTimeout(() => {
      namespace.to(room).volatile.emit("late_vol");
      for (let i = 0; i < n; i += 1) {
        namespace.to(room).emit("late", i, Buffer.from([i]));
      }
    }, delayMs);
  });

  socket.emit("welcome", {
    id: socket.id,
    nsp: namespace.name,
    auth: socket.handshake.auth,
    recovered: socket.recovered,
  });
  for (let i = 0; i < (socket.handshake.auth.history ?? 0); i += 1) {
    socket.emit("history", Buffer.alloc(700_000, i));
  }
}

function startLoad(httpServer) {
  const io = new Server(httpServer, {
    path: "/socket.io/",
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
  });
  io.on("connection", (socket) => {
    socket.on("e", (x) => socket.emit("e", x));
    socket.on("join", () => {
      socket.join("r");
      socket.emit("joined", 1);
    });
    socket.on("b", (x) => io.to("r").emit("b", x));
  });
}

function startEngine(httpServer) {
  const engine = new EngineServer(SUITE_ENGINE_OPTIONS);
  engine.attach(httpServer, { path: "/engine.io/" });
  engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
}

async function startSuite(httpServer) {
  const io = new Server(httpServer, {
    path: "/socket.io/",
    serveClient: false,
    connectTimeout: 1000,
    ...SUITE_ENGINE_OPTIONS,
    ...(await parserOption()),
  });
  for (const namespace of [io.of("/"), io.of("/custom")]) {
    namespace.on("connection", (socket) => {
      socket.emit("auth", socket.handshake.auth);
      socket.on("message", (...args) => socket.emit("message-back", ...args));
      socket.on("message-with-ack", (...all) => {
        const [args, ack] = splitAck(all);
        ack(...args);
      });
      socket.on("emit-with-ack", (...args) =>
        socket.emit("emit-with-ack", ...args, (...reply) => socket.emit("emit-with-ack", ...reply)),
      );
    });
  }
}

const MODES = { app: startApp, load: startLoad, engine: startEngine, suite: startSuite };

const start = MODES[process.argv[2]];
const port = Number(process.env.PORT);
if (start === undefined || !Number.isInteger(port)) {
  console.error(`usage: PORT=<port> node reference_server.mjs ${Object.keys(MODES).join("|")}`);
  process.exit(2);
}
const httpServer = createServer();
await start(httpServer);
httpServer.listen(port, HOST);
