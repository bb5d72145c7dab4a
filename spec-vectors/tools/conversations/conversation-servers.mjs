// The official servers below the applications that CONVERSATIONS.md describes. They use the
// packages' options only; nothing here corrects or works around what they do.

import { createServer } from "node:http";
import { Server as EngineServer } from "engine.io";
import { Server as SocketServer } from "socket.io";

const HOST = "127.0.0.1";
/** Names of the events that clients send. */
const EVENTS = ["message", "message-with-ack", "a", "b", "late", "up", "x"];

/** Settings by the names of the official packages. */
function options(config) {
  const names = {
    connect_timeout: "connectTimeout",
    max_payload: "maxHttpBufferSize",
    ping_interval: "pingInterval",
    ping_timeout: "pingTimeout",
    upgrade_timeout: "upgradeTimeout",
  };
  const known = Object.entries(config).filter(([name]) => name in names);
  return Object.fromEntries(known.map(([name, value]) => [names[name], value]));
}

const plain = (data) =>
  typeof data === "string" ? { text: data } : { hex: Buffer.from(data).toString("hex") };

/** Replaces binary values by placeholders, as they stand on the wire. */
function detach(value, attachments) {
  if (Buffer.isBuffer(value)) {
    attachments.push(value.toString("hex"));
    return { _placeholder: true, num: attachments.length - 1 };
  }
  if (Array.isArray(value)) {
    return value.map((item) => detach(item, attachments));
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, detach(item, attachments)]),
    );
  }
  return value;
}

function withArgs(shown, values) {
  const attachments = [];
  const args = detach(values, attachments);
  return { ...shown, args, ...(attachments.length > 0 ? { attachments } : {}) };
}

/** Engine.IO: `echo` or `quiet`; both close at the message `close`. */
export class EngineApplication {
  constructor(httpServer, { config, app = "echo", path, tell }) {
    this.engine = new EngineServer(options(config));
    this.engine.attach(httpServer, { path, destroyUpgrade: true, destroyUpgradeTimeout: 20 });
    this.engine.on("connection", (session) => {
      this.session = session;
      tell({ event: "opened" });
      session.on("upgrade", () => tell({ event: "upgraded" }));
      session.on("close", (reason) => tell({ event: "closed", reason }));
      session.on("message", (data) => {
        tell({ event: "message", ...(data === undefined ? {} : plain(data)) });
        if (data === "close") {
          session.close();
        } else if (app === "echo") {
          session.send(data);
        }
      });
    });
  }

  act(step) {
    const actions = {
      app_close: () => this.session.close(),
      app_send: () => this.session.send(step.text ?? Buffer.from(step.hex, "hex")),
      app_shutdown: () => this.engine.close(),
    };
    actions[step.do]();
  }

  stop() {
    this.engine.close();
  }
}

/** Socket.IO: `/` and `/custom` of the official suite, `/no` refuses, `/late` waits for steps. */
export class SocketApplication {
  #undecided = new Map();
  #sockets = new Map();

  constructor(httpServer, { config, path, tell }) {
    this.io = new SocketServer(httpServer, {
      serveClient: false,
      path,
      destroyUpgradeTimeout: 20,
      ...options(config),
    });
    this.io.engine.on("connection", (session) => {
      tell({ event: "opened" });
      session.on("upgrade", () => tell({ event: "upgraded" }));
      session.on("close", (reason) => tell({ event: "closed", reason }));
    });
    for (const namespace of ["/", "/custom", "/no", "/late"]) {
      this.#serve(namespace, tell);
    }
    this.tell = tell;
  }

  #serve(namespace, tell) {
    const space = this.io.of(namespace);
    space.use((socket, next) => {
      tell({ event: "connecting", namespace, auth: socket.handshake.auth });
      if (namespace === "/no") {
        next(Object.assign(new Error("forbidden"), { data: { code: 403 } }));
      } else if (namespace === "/late") {
        this.#undecided.set(namespace, next);
      } else {
        next();
      }
    });
    space.on("connection", (socket) => {
      this.#sockets.set(namespace, socket);
      socket.emit("auth", socket.handshake.auth);
      socket.on("disconnect", (reason) => tell({ event: "disconnected", namespace, reason }));
      const told = (name, ...all) => {
        const ack = typeof all.at(-1) === "function" ? all.at(-1) : undefined;
        const values = ack ? all.slice(0, -1) : all;
        tell(withArgs({ event: "packet", namespace, name }, values));
        if (name === "message") {
          socket.emit("message-back", ...values);
        } else if (name === "message-with-ack") {
          ack?.(...values);
        }
      };
      // Not `onAny`, which hears what listeners do not.
      for (const name of [...EVENTS, undefined]) {
        socket.on(name, (...all) => told(name, ...all));
      }
    });
  }

  act(step) {
    const socket = () => this.#sockets.get(step.namespace);
    const decide = (error) => this.#undecided.get(step.namespace)(error);
    const { data, message } = step;
    const refusal = () => Object.assign(new Error(message), data === undefined ? {} : { data });
    const actions = {
      app_accept: () => decide(),
      app_disconnect: () => socket().disconnect(step.close === true),
      app_emit: () => this.#emit(socket(), step),
      app_refuse: () => decide(refusal()),
      app_shutdown: () => void this.io.close(),
    };
    actions[step.do]();
  }

  #emit(socket, { event, args, volatile, ack, timeout }) {
    const emitter = volatile ? socket.volatile : socket;
    if (timeout !== undefined) {
      emitter.timeout(timeout).emit(event, ...args, (error, ...reply) => {
        this.tell(error ? { event: "unanswered" } : withArgs({ event: "answered" }, reply));
      });
    } else if (ack) {
      emitter.emit(event, ...args, (...reply) => this.tell(withArgs({ event: "answered" }, reply)));
    } else {
      emitter.emit(event, ...args);
    }
  }

  stop() {
    void this.io.close();
  }
}

/** A server on a free port, and how many requests have reached it. */
export async function startServer(Application, settings) {
  const server = createServer((_, response) => response.writeHead(404).end());
  const application = new Application(server, settings);
  const arrived = { count: 0 };
  server.prependListener("request", () => (arrived.count += 1));
  server.prependListener("upgrade", () => (arrived.count += 1));
  await new Promise((resolve) => server.listen(0, HOST, resolve));
  return {
    application,
    arrived,
    host: HOST,
    port: server.address().port,
    stop() {
      application.stop();
      server.close();
      server.closeAllConnections();
    },
  };
}
