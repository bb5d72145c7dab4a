// A bare WebSocket peer: one Engine.IO packet per message, nothing is interpreted.

import WebSocket from "ws";
import { within } from "./wait.mjs";

export class Peer {
  #queue = [];
  #waiting = [];
  #status;
  #body = "";

  /** With `heartbeat`, pings are answered and not shown. */
  constructor(url, { heartbeat = false, ...options } = {}) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.accepted = false;
    this.headers = undefined;
    this.ended = new Promise((resolve) => {
      this.socket.on("close", (code) => {
        this.#waiting.splice(0).forEach(({ reject }) => reject(new Error(`closed (${code})`)));
        resolve({ accepted: this.accepted, body: this.#body, code, status: this.#status });
      });
    });
    this.socket.on("error", () => {}); // always followed by "close"
    this.socket.on("open", () => {
      this.accepted = true;
    });
    this.socket.on("upgrade", (response) => {
      this.headers = response.headers;
    });
    this.socket.on("unexpected-response", (request, response) => {
      this.#status = response.statusCode;
      this.headers = response.headers;
      response.setEncoding("utf8");
      response.on("data", (text) => {
        this.#body += text;
      });
      response.on("close", () => this.socket.terminate());
    });
    this.socket.on("message", (data, isBinary) => {
      const message = isBinary ? data : data.toString("utf8");
      if (heartbeat && message === "2") {
        this.socket.send("3");
        return;
      }
      const waiter = this.#waiting.shift();
      if (waiter) {
        waiter.resolve(message);
      } else {
        this.#queue.push(message);
      }
    });
  }

  /** The next message: a string, or a buffer if it was binary. */
  next(what = "a WebSocket message") {
    if (this.#queue.length > 0) {
      return Promise.resolve(this.#queue.shift());
    }
    const message = new Promise((resolve, reject) => {
      // A closed socket never gets another message.
      if (this.socket.readyState === WebSocket.CLOSED) {
        reject(new Error("closed"));
        return;
      }
      this.#waiting.push({ reject, resolve });
    });
    return within(message, what);
  }

  /** Resolves once the handshake was accepted. */
  async opened() {
    if (this.socket.readyState === WebSocket.OPEN) {
      return this;
    }
    const opened = new Promise((resolve) => this.socket.once("open", resolve));
    const ended = this.ended.then((end) => {
      throw new Error(`the WebSocket was refused: ${JSON.stringify(end)}`);
    });
    await within(Promise.race([opened, ended]), "an accepted WebSocket");
    return this;
  }

  /** How the connection ended: refused with a status and body, or closed with a code. */
  end(what = "the end of the WebSocket") {
    return within(this.ended, what);
  }

  send(...args) {
    this.socket.send(...args);
  }

  /** Drops everything at once. */
  async discard() {
    this.socket.terminate();
    await this.end();
  }
}
