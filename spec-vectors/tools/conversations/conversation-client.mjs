// A client over real HTTP and WebSocket connections that does what steps say and notes what comes
// back, each with its time.

import http from "node:http";
import WebSocket from "ws";

export class Client {
  #base;
  #note;
  #requests = new Map();
  #websockets = new Map();

  /** `note` is called with each output. */
  constructor({ host, port }, path, note) {
    this.#base = `//${host}:${port}${path}`;
    this.#note = note;
  }

  request({ name, method, query, headers, body, hex }) {
    const request = http.request(`http:${this.#base}?${query}`, {
      agent: false,
      headers,
      method,
    });
    const state = { request, given_up: false };
    this.#requests.set(name, state);
    let ended = false;
    const end = (output) => {
      if (!ended && !state.given_up) {
        ended = true;
        this.#note({ ...output, name });
      }
    };
    request.on("error", () => end({ see: "cut" }));
    request.on("response", (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", () => end({ see: "cut" }));
      response.on("end", () =>
        end({
          see: "answer",
          status: response.statusCode,
          body: Buffer.concat(chunks).toString("utf8"),
        }),
      );
    });
    if (hex !== undefined) {
      request.end(Buffer.from(hex, "hex"));
    } else if (body !== undefined || method === "GET" || method === "HEAD") {
      request.end(body);
    } else {
      request.flushHeaders();
    }
  }

  body({ name, body }) {
    this.#requests.get(name).request.end(body);
  }

  websocket({ name, query }) {
    const socket = new WebSocket(`ws:${this.#base}?${query}`, { perMessageDeflate: false });
    const state = { socket, given_up: false, answered: false };
    this.#websockets.set(name, state);
    socket.on("error", () => {}); // always followed by "close"
    socket.on("open", () => this.#note({ see: "accepted", name }));
    socket.on("message", (data, isBinary) =>
      this.#note({
        see: "message",
        name,
        ...(isBinary ? { hex: data.toString("hex") } : { text: data.toString("utf8") }),
      }),
    );
    socket.on("unexpected-response", (_, response) => {
      state.answered = true;
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text) => (body += text));
      response.on("close", () => {
        this.#note({ see: "answer", name, status: response.statusCode, body });
        socket.terminate();
      });
    });
    socket.on("close", () => {
      if (!state.given_up && !state.answered) {
        this.#note({ see: "closed", name });
      }
    });
  }

  send({ name, text, hex }) {
    this.#websockets.get(name).socket.send(text ?? Buffer.from(hex, "hex"));
  }

  close({ name }) {
    const state = this.#websockets.get(name);
    state.given_up = true;
    state.socket.close();
  }

  lose({ name }) {
    const state = this.#websockets.get(name) ?? this.#requests.get(name);
    state.given_up = true;
    state.socket?.terminate();
    state.request?.destroy();
  }

  stop() {
    for (const state of [...this.#websockets.values(), ...this.#requests.values()]) {
      state.given_up = true;
      state.socket?.terminate();
      state.request?.destroy();
    }
  }
}
