// Plain HTTP requests without any interpretation, and a long-polling session made of them.

import http from "node:http";
import { Peer } from "./websocket.mjs";
import { within } from "./wait.mjs";

/** The separator between the packets of a revision 4 payload. */
export const RS = "\x1e";

/**
 * Starts a request whose body the caller may write piecemeal. `response` resolves with status,
 * headers and body, and is rejected when the connection ends without a response.
 */
export function startRequest(url, { agent, headers, method = "GET" } = {}) {
  const request = http.request(url, { agent, headers, method });
  const response = new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (incoming) => {
      const chunks = [];
      incoming.on("data", (chunk) => chunks.push(chunk));
      incoming.on("error", reject);
      incoming.on("end", () => {
        const { headers, statusCode } = incoming;
        resolve({ headers, status: statusCode, text: Buffer.concat(chunks).toString("utf8") });
      });
    });
  });
  const bounded = within(response, `a response to ${method} ${url}`);
  bounded.catch(() => {}); // the caller may not care about an aborted request
  return { request, response: bounded };
}

/** One complete request. */
export function fetchText(url, { body, ...options } = {}) {
  const { request, response } = startRequest(url, options);
  request.end(body);
  return response;
}

/** A revision 4 session over long-polling; heartbeats are the caller's business. */
export class PollingSession {
  static async open(server, path, agent) {
    const base = `${server.origin}${path}?EIO=4`;
    const response = await fetchText(`${base}&transport=polling`, { agent });
    if (response.status !== 200) {
      throw new Error(`the handshake was answered with ${response.status}`);
    }
    const handshake = JSON.parse(response.text.slice(1));
    return new PollingSession(base, handshake, response, agent);
  }

  constructor(base, handshake, response, agent) {
    this.agent = agent;
    this.handshake = handshake;
    this.response = response;
    this.sid = handshake.sid;
    this.url = `${base}&transport=polling&sid=${this.sid}`;
    this.websocketUrl = `${base.replace("http:", "ws:")}&transport=websocket&sid=${this.sid}`;
  }

  get(options) {
    return fetchText(this.url, { agent: this.agent, ...options });
  }

  post(body, options) {
    return fetchText(this.url, { agent: this.agent, body, method: "POST", ...options });
  }

  start(options) {
    return startRequest(this.url, { agent: this.agent, ...options });
  }

  /** A poll that has surely reached the server before the caller goes on. */
  async pendingPoll() {
    const agent = new http.Agent({ keepAlive: false });
    const poll = this.start({ agent });
    poll.request.end();
    await onceWritten(poll.request);
    // The server has read the poll when it has answered a request that came after it.
    await fetchText(this.url.replace(/sid=.*/, "sid=unknown"), { agent });
    return poll;
  }

  websocket(options) {
    return new Peer(this.websocketUrl, options);
  }
}

/** Resolves when the request has been handed to the network. */
function onceWritten(request) {
  return within(
    new Promise((resolve) => {
      request.once("socket", (socket) => {
        const check = () => (socket.bytesWritten > 0 ? resolve() : setImmediate(check));
        if (socket.connecting) {
          socket.once("connect", check);
        } else {
          check();
        }
      });
    }),
    "a written request",
  );
}
