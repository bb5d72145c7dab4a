// A TCP proxy that makes a bad network: it holds answers back, cuts connections, or forgets them.

import { connect, createServer } from "node:net";

const HOST = "127.0.0.1";

export class Proxy {
  #listener = createServer((client) => this.#accept(client));
  #pairs = new Set();
  #port;
  /** `open`, `hold` or `block`. */
  #mode = "open";
  /** Sessions that are seen in requests, and those whose requests do not pass any more. */
  #sessions = new Set();
  #lost = new Set();

  /**
   * A proxy in front of a server. With the test it becomes a good one, so that clients can say
   * good-bye; it does not keep the process alive.
   */
  static async start(t, server) {
    const proxy = new Proxy();
    proxy.#port = server.port;
    await new Promise((resolve) => proxy.#listener.listen(0, HOST, resolve));
    proxy.#listener.unref();
    t.after(() => proxy.release());
    return proxy;
  }

  get origin() {
    return `http://${HOST}:${this.#listener.address().port}`;
  }

  /** What the server sends is kept here from now on, but answers to POST requests pass. */
  hold() {
    this.#enter("hold");
  }

  /** The server is not even read any more, so that its socket fills; answers to POST pass. */
  block() {
    this.#enter("block");
  }

  /** Ends `hold` and `block`: whatever waits goes to the clients. */
  release() {
    this.#enter("open");
  }

  /** What is held, as text. */
  get held() {
    return [...this.#pairs].map((pair) => pair.held()).join("\n");
  }

  /** Whether a poll, or the handshake of a WebSocket, waits for its answer. */
  get isPolled() {
    return [...this.#pairs].some((pair) => pair.polls);
  }

  /** Both sides see the end of all connections, and the sessions are cut off. */
  cut() {
    this.#lost = new Set(this.#sessions);
    this.#pairs.forEach((pair) => pair.cut());
    this.release();
  }

  /** Clients see the end of their connections, but the server does not. */
  abandon() {
    this.#lost = new Set(this.#sessions);
    this.#pairs.forEach((pair) => pair.abandon());
    this.release();
  }

  #enter(mode) {
    this.#mode = mode;
    this.#pairs.forEach((pair) => pair.follow(mode));
  }

  #accept(client) {
    const pair = new Pair(client, connect(this.#port, HOST), (head) => {
      const session = /^\S+ \S+[?&]sid=([^&\s]+)/.exec(head)?.[1];
      if (session !== undefined) {
        this.#sessions.add(session);
      }
      return this.#lost.has(session) ? undefined : this.#mode;
    });
    this.#pairs.add(pair);
    pair.closed.then(() => this.#pairs.delete(pair));
  }
}

/** One connection of a client, and the one to the server that belongs to it. */
class Pair {
  #client;
  #server;
  #modeOf;
  #mode = "open";
  #held = [];
  #ended = false;
  #abandoned = false;
  /** Whether the last request was a POST. */
  #posts = false;
  /** Whether a GET has not been answered. */
  polls = false;

  /** `modeOf` says how the answer to a request is treated, if the request is to pass at all. */
  constructor(client, server, modeOf) {
    this.#client = client;
    this.#server = server;
    this.#modeOf = modeOf;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", () => {}); // always followed by "close"
    }
    client.on("data", (bytes) => this.#onRequest(bytes));
    client.on("close", () => this.#abandoned || server.destroy());
    server.on("data", (bytes) => this.#onAnswer(bytes));
    server.on("close", () => this.#onEnd());
    const closed = (socket) => new Promise((resolve) => socket.on("close", resolve));
    this.closed = Promise.all([closed(client), closed(server)]);
  }

  /** The head of a request comes at once, and requests are not pipelined. */
  #onRequest(bytes) {
    const head = bytes.toString("latin1", 0, 1024);
    if (/^(GET|POST) /.test(head)) {
      const mode = this.#modeOf(head);
      if (mode === undefined) {
        this.cut();
        return;
      }
      this.#posts = head.startsWith("POST");
      this.polls = !this.#posts;
      this.follow(mode);
    }
    this.#server.write(bytes);
  }

  #onAnswer(bytes) {
    this.polls = false;
    if (this.#abandoned) {
      return;
    }
    if (this.#mode === "open") {
      this.#client.write(bytes);
    } else {
      this.#held.push(bytes);
    }
  }

  #onEnd() {
    this.#ended = true;
    if (this.#held.length === 0) {
      this.#client.end();
    }
  }

  follow(mode) {
    this.#mode = this.#posts || this.#abandoned ? "open" : mode;
    if (this.#mode === "block") {
      this.#server.pause();
      return;
    }
    this.#server.resume();
    if (this.#mode === "open") {
      this.#held.splice(0).forEach((bytes) => this.#client.write(bytes));
      if (this.#ended) {
        this.#client.end();
      }
    }
  }

  held() {
    return Buffer.concat(this.#held).toString("latin1");
  }

  cut() {
    this.#client.destroy();
    this.#server.destroy();
  }

  abandon() {
    this.#abandoned = true;
    this.#held.length = 0;
    this.#client.destroy();
  }
}
