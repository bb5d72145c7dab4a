// What the two official suites have in common: their first sixteen rows test Engine.IO only.

import assert from "node:assert/strict";
import { Peer } from "./websocket.mjs";

export const KEYS = ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"];
export const PING_INTERVAL_MS = 300;
export const PING_TIMEOUT_MS = 200;

export function assertHandshake(packet, upgrades) {
  assert.equal(packet[0], "0");
  const handshake = JSON.parse(packet.slice(1));
  assert.deepEqual(Object.keys(handshake).sort(), [...KEYS].sort());
  assert.equal(typeof handshake.sid, "string");
  assert.deepEqual(handshake.upgrades, upgrades);
  assert.equal(handshake.pingInterval, PING_INTERVAL_MS);
  assert.equal(handshake.pingTimeout, PING_TIMEOUT_MS);
  assert.equal(handshake.maxPayload, 1_000_000);
  return handshake.sid;
}

/** The requests that the rows of a suite are made of, for one server and path. */
export class Suite {
  constructor(server, path) {
    this.url = `${server.origin}${path}`;
  }

  async request(query, options) {
    const response = await fetch(`${this.url}${query}`, options);
    return { status: response.status, text: await response.text() };
  }

  /** Opens a long-polling session and returns its id. */
  async open() {
    const { status, text } = await this.request("?EIO=4&transport=polling");
    assert.equal(status, 200);
    return JSON.parse(text.slice(1)).sid;
  }

  get(sid, options) {
    return this.request(`?EIO=4&transport=polling&sid=${sid}`, options);
  }

  post(sid, body) {
    return this.get(sid, { body, method: "POST" });
  }

  connect(query, options) {
    return new Peer(`${this.url.replace("http:", "ws:")}${query}`, options);
  }

  /** A WebSocket session whose handshake has been read. */
  async connectOpen(options) {
    const peer = this.connect("?EIO=4&transport=websocket", options);
    assert.equal((await peer.next())[0], "0");
    return peer;
  }

  /** The WebSocket of an upgrade: probed, but not committed. */
  async probe(sid) {
    const peer = await this.connect(`?EIO=4&transport=websocket&sid=${sid}`).opened();
    peer.send("2probe");
    assert.equal(await peer.next(), "3probe");
    return peer;
  }

  async assertStatus(expected, query, options) {
    const { status } = await this.request(query, options);
    assert.equal(status, expected, `${options?.method ?? "GET"} ${query}`);
  }

  async assertRefused(query) {
    await this.connect(query).end(`the end of ${query}`);
  }
}
