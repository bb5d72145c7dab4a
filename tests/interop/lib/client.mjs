// The official Socket.IO clients, with promises instead of callbacks.

import { io as io4, Manager as Manager4 } from "socket.io-client";
import { io as io3, Manager as Manager3 } from "socket.io-client-3";
import { eventually, within } from "./wait.mjs";

const VERSIONS = [
  { Manager: Manager4, connect: io4, version: "4.x" },
  { Manager: Manager3, connect: io3, version: "3.x" },
];
const TRANSPORTS = {
  polling: ["polling"],
  upgrade: ["polling", "websocket"],
  websocket: ["websocket"],
};

/** Every official client with every way to be connected. */
export const SETUPS = VERSIONS.flatMap(({ Manager, connect, version }) =>
  Object.entries(TRANSPORTS).map(([name, transports]) => ({
    Manager,
    connect,
    name: `client ${version}, ${name}`,
    options: { forceNew: true, reconnection: false, transports },
    transport: name,
    version,
  })),
);

/** A namespace of a connection, as one client sees it; every event is kept from the beginning. */
export class Client {
  #events = new Map();

  constructor(socket) {
    this.socket = socket;
    this.#keep("connect", "connect_error", "disconnect", "welcome", "echo", "burst", "question");
    this.#keep("answer", "room_msg", "vol", "vol_end", "late", "late_vol", "e", "joined", "b");
    this.#keep("history");
  }

  /** Connects to a namespace over a connection of its own, which ends with the test. */
  static open(t, { connect, options }, url, more = {}) {
    const client = new Client(connect(url, { ...options, ...more }));
    t.after(() => client.socket.disconnect());
    return client;
  }

  /** The same, and waits until the namespace is joined and has welcomed the client. */
  static async welcomed(t, setup, url, more = {}) {
    const client = Client.open(t, setup, url, more);
    await client.event("welcome");
    return client;
  }

  /** A client that asks for the server's view and sends to others; it outlives a test. */
  static async observer({ origin }) {
    const setup = SETUPS.find(({ transport }) => transport === "websocket");
    const client = new Client(setup.connect(origin, { ...setup.options, reconnection: true }));
    await client.event("welcome");
    return client;
  }

  #keep(...names) {
    for (const name of names) {
      const seen = [];
      this.#events.set(name, seen);
      this.socket.on(name, (...args) => seen.push(args));
    }
  }

  get id() {
    return this.socket.id;
  }

  get engine() {
    return this.socket.io.engine;
  }

  /** The argument lists of all events of that name until now. */
  seen(name) {
    return this.#events.get(name);
  }

  /** The arguments of the first (or n-th) event of that name, past or future. */
  async event(name, n = 1) {
    const seen = this.seen(name);
    if (seen.length < n) {
      const arrived = new Promise((resolve) => {
        const check = () => seen.length >= n && resolve();
        this.socket.on(name, check);
      });
      await within(arrived, `event ${n} of the name ${name}`);
    }
    return seen[n - 1];
  }

  emit(...args) {
    this.socket.emit(...args);
  }

  /** Emits with a request for an acknowledgement, and returns its arguments. */
  call(...args) {
    const reply = new Promise((resolve) => {
      this.socket.emit(...args, (...values) => resolve(values));
    });
    return within(reply, `an acknowledgement of ${args[0]}`);
  }

  /** Everything that the server sent to this namespace until now has arrived. */
  async settle() {
    await this.call("echo");
  }

  /** Why the server says that another socket was disconnected, once it knows. */
  async reasonOf(id) {
    const ask = async () => (await this.call("reason_of", id))[0];
    return eventually(ask, (reason) => reason !== null, `a reason for ${id}`);
  }

  /** Waits until the server counts that many sockets in this namespace. */
  async counts(sockets) {
    const ask = async () => (await this.call("stats"))[0].sockets;
    await eventually(ask, (answer) => answer === sockets, `${sockets} sockets`);
  }

  async reason() {
    return (await this.event("disconnect"))[0];
  }

  async refusal(n = 1) {
    const [error] = await this.event("connect_error", n);
    return { data: error.data, message: error.message };
  }

  async onTransport(name) {
    await eventually(
      () => this.engine.transport.name,
      (current) => current === name,
      `the transport ${name}`,
    );
  }

  /** Connects again by hand; returns what the server said in its welcome. */
  async back() {
    const n = this.seen("connect").length + 1;
    this.socket.connect();
    await this.event("connect", n);
    await this.settle();
    return this.seen("welcome").at(-1)[0];
  }

  /** Events are lost from now on, as if they had not come; the returned function ends that. */
  deafen() {
    this.socket.onevent = () => {};
    return () => delete this.socket.onevent;
  }

  /** Heartbeats (and all else) are received, but never answered from now on. */
  fallSilent() {
    // The name differs between the versions of engine.io-client.
    this.engine._sendPacket = () => {};
    this.engine.sendPacket = () => {};
  }
}

/** The value with every kind of binary as a Buffer, to compare what was sent and received. */
export function normalized(value) {
  if (value instanceof ArrayBuffer) {
    return Buffer.from(value);
  }
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  if (Array.isArray(value)) {
    return value.map(normalized);
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normalized(item)]));
  }
  return value;
}
