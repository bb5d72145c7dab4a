// A minimal Socket.IO client over one WebSocket (Engine.IO protocol v4, Socket.IO protocol v5), for
// when the official library cannot be loaded. It has the part of its interface that chat.js uses:
// the main namespace, events, acks, binary data and reconnection; no polling, no buffering. Answers to
// the server's own questions hold no binary data.

const DELAY = 1000;
const DELAY_LIMIT = 5000;
const CONNECT_LIMIT = 20000;

class Emitter {
  #handlers = new Map();

  on(event, handler) {
    this.#handlers.set(event, [...(this.#handlers.get(event) ?? []), handler]);
    return this;
  }

  fire(event, ...args) {
    for (const handler of this.#handlers.get(event) ?? []) handler(...args);
  }
}

class Socket extends Emitter {
  auth = {};
  connected = false;
  active = false;
  id = undefined;
  io = Object.assign(new Emitter(), { engine: null });
  #acks = new Map();
  #attempt = 0;
  #nextAck = 0;
  #partial = null;
  #timer = 0;
  #ws = null;

  connect() {
    if (this.active) return this;
    this.active = true;
    this.#attempt = 0;
    this.#open();
    return this;
  }

  disconnect() {
    this.active = false;
    if (this.connected) this.#ws.send("41");
    this.#lose("io client disconnect");
    return this;
  }

  /** Sends an event; a function in last place is called with the ack. Not while disconnected. */
  emit(event, ...args) {
    if (!this.connected) return this;
    const ack = typeof args.at(-1) === "function" ? args.pop() : null;
    const buffers = [];
    const json = JSON.stringify(detach([event, ...args], buffers));
    const id = ack ? this.#nextAck++ : "";
    if (ack) this.#acks.set(id, ack);
    this.#ws.send(buffers.length ? `45${buffers.length}-${id}${json}` : `42${id}${json}`);
    for (const buffer of buffers) this.#ws.send(buffer);
    return this;
  }

  #open() {
    const url = new URL("/socket.io/?EIO=4&transport=websocket", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const ws = new WebSocket(url);
    ws.binaryType = "arraybuffer";
    this.#ws = ws;
    this.io.engine = Object.assign(new Emitter(), {
      transport: { name: "websocket" },
      close: () => this.#ws === ws && this.#lose("forced close"),
    });
    this.#expect(CONNECT_LIMIT);
    ws.onmessage = ({ data }) => this.#ws === ws && this.#receive(data);
    ws.onclose = () => this.#ws === ws && this.#lose("transport close");
  }

  /** Gives the connection up unless something arrives in time. */
  #expect(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lose("ping timeout"), milliseconds);
  }

  #lose(reason) {
    clearTimeout(this.#timer);
    const [ws, wasConnected] = [this.#ws, this.connected];
    this.#ws = this.#partial = null;
    this.connected = false;
    this.#acks.clear();
    ws?.close();
    if (wasConnected) this.fire("disconnect", reason);
    else if (this.active) this.fire("connect_error", new Error("websocket error"));
    if (this.active) this.#retryLater();
  }

  #retryLater() {
    const delay = Math.min(DELAY * 2 ** this.#attempt++, DELAY_LIMIT) * (0.5 + Math.random());
    this.#timer = setTimeout(() => {
      this.io.fire("reconnect_attempt", this.#attempt);
      this.#open();
    }, delay);
  }

  #receive(data) {
    if (typeof data !== "string") return this.#attach(data);
    if (data[0] === "0") {
      const { pingInterval, pingTimeout } = JSON.parse(data.slice(1));
      this.io.patience = pingInterval + pingTimeout;
      this.#ws.send("40" + JSON.stringify(this.auth));
      this.io.fire("open");
    } else if (data[0] === "2") {
      this.#ws.send("3");
    } else if (data[0] === "4") {
      this.#packet(data.slice(1));
    }
    if (this.#ws) this.#expect(this.io.patience);
  }

  #packet(text) {
    const [, type, count, id, json] = /^(\d)(?:(\d+)-)?(\d*)(.*)$/s.exec(text);
    const packet = { type, id, data: json ? JSON.parse(json) : undefined, missing: +count, buffers: [] };
    if (packet.missing > 0) this.#partial = packet;
    else this.#deliver(packet);
  }

  #attach(buffer) {
    const packet = this.#partial;
    if (!packet || packet.buffers.push(buffer) < packet.missing) return;
    this.#partial = null;
    this.#deliver({ ...packet, data: reattach(packet.data, packet.buffers) });
  }

  #deliver({ type, id, data }) {
    if (type === "0") {
      Object.assign(this, { id: data.sid, connected: true });
      this.#attempt = 0;
      this.fire("connect");
    } else if (type === "1") {
      this.active = false;
      this.#lose("io server disconnect");
    } else if (type === "2" || type === "5") {
      if (id) data.push((...args) => this.connected && this.#ws.send(`43${id}${JSON.stringify(args)}`));
      this.fire(...data);
    } else if (type === "3" || type === "6") {
      const ack = this.#acks.get(Number(id));
      this.#acks.delete(Number(id));
      ack?.(...data);
    } else if (type === "4") {
      this.active = false;
      this.#lose("refused");
      this.fire("connect_error", Object.assign(new Error(data.message), { data: data.data }));
    }
  }
}

/** Moves binary values out of `value` into `buffers`, leaving placeholders. */
function detach(value, buffers) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return { _placeholder: true, num: buffers.push(value) - 1 };
  }
  return mapEntries(value, (entry) => detach(entry, buffers));
}

/** Puts the buffers back in the place of their placeholders. */
function reattach(value, buffers) {
  if (value?._placeholder === true) return buffers[value.num];
  return mapEntries(value, (entry) => reattach(entry, buffers));
}

function mapEntries(value, change) {
  if (Array.isArray(value)) return value.map(change);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, change(entry)]));
}

export function io({ autoConnect = true, auth = {} } = {}) {
  const socket = Object.assign(new Socket(), { auth });
  return autoConnect ? socket.connect() : socket;
}
