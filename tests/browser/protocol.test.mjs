// What PROTOCOL.md of the chat example says, asked by the official client without a browser.
//
//   CHAT_URL  the example, running already; without it the tests are skipped
//
// They stay out of the lobby and leave nothing behind, so that they disturb nobody on that server.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { io } from "socket.io-client";

const { CHAT_URL } = process.env;
const OPTIONS = { skip: !CHAT_URL && "CHAT_URL is not set", timeout: 30_000 };
const STEP_LIMIT = 10_000;

/** A name that nobody else uses. */
const fresh = (name) => `${name} ${randomUUID().slice(0, 8)}`;

/** Somebody in the chat. */
class Guest {
  /** Every event that came, as `[name, ...args]`. */
  heard = [];
  #taken = 0;

  constructor(nickname, options) {
    this.nickname = nickname;
    this.socket = io(CHAT_URL, { auth: { nickname }, forceNew: true, reconnection: false, transports: ["websocket"], ...options });
    this.socket.onAny((...event) => this.heard.push(event));
  }

  static async enter(t, nickname = fresh("guest"), options = {}) {
    const guest = new Guest(nickname, options);
    t.after(() => guest.socket.disconnect());
    await new Promise((resolve, reject) => {
      guest.socket.on("connect", resolve);
      guest.socket.on("connect_error", reject);
    });
    return guest;
  }

  ask(...event) {
    return this.socket.timeout(STEP_LIMIT).emitWithAck(...event);
  }

  /** The next event of this name that was not asked for yet; what stands between is skipped. */
  async next(name) {
    for (const end = Date.now() + STEP_LIMIT; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 5))) {
      const index = this.heard.findIndex((event, index) => index >= this.#taken && event[0] === name);
      if (index < 0) continue;
      this.#taken = index + 1;
      return this.heard[index].slice(1);
    }
    throw new Error(`${this.nickname} heard no ${name}, but ${JSON.stringify(this.heard.slice(this.#taken))}`);
  }

  /** Everything but the list of rooms, which others change at any time. */
  get told() {
    return this.heard.filter(([name]) => name !== "rooms");
  }
}

const refusalOf = (auth) => new Promise((resolve, reject) => {
  const socket = io(CHAT_URL, { auth, forceNew: true, reconnection: false, transports: ["websocket"] });
  socket.on("connect", () => reject(new Error("it was let in")));
  socket.on("connect_error", ({ message, data }) => resolve([message, data]));
  socket.on("connect_error", () => socket.disconnect());
}).then(([message, data]) => ({ message, ...data }));

test("who has no proper nickname stays out", OPTIONS, async () => {
  const expected = { message: "invalid nickname", code: "invalid_nickname" };
  for (const auth of [undefined, {}, { nickname: null }, { nickname: 5 }, { nickname: ["Ada"] }]) {
    assert.deepEqual(await refusalOf(auth), expected);
  }
  for (const nickname of ["", " ", " Ada", "Ada ", "A\tda", "x".repeat(25), "🙂".repeat(25)]) {
    assert.deepEqual(await refusalOf({ nickname }), expected, JSON.stringify(nickname));
  }
});

test("a nickname is taken in any case until its client is gone", OPTIONS, async (t) => {
  const ada = await Guest.enter(t, fresh("Ärä"));
  const taken = { message: "nickname taken", code: "nickname_taken" };
  assert.deepEqual(await refusalOf({ nickname: ada.nickname.toUpperCase() }), taken);

  const witness = await Guest.enter(t);
  const room = fresh("room");
  await ada.ask("join", room);
  await witness.ask("join", room);
  ada.socket.disconnect();
  assert.deepEqual(await witness.next("left"), [room, ada.nickname]);
  const again = await Guest.enter(t, ada.nickname);
  assert.ok(again.socket.connected);
});

test("the nicknames of clients that go away while they enter are free again", OPTIONS, async (t) => {
  // More of them than the chat takes at a time: one that stayed taken would be noticed below.
  const nicknames = Array.from({ length: 300 }, (_, index) => fresh(`${index}`));
  for (const nickname of nicknames) {
    const url = `${CHAT_URL}/socket.io/?EIO=4&transport=polling`;
    const opened = await (await fetch(url)).text();
    const { sid } = JSON.parse(opened.slice(1));
    const body = `40${JSON.stringify({ nickname })}\x1e1`;
    await fetch(`${url}&sid=${sid}`, { method: "POST", body });
  }
  for (const nickname of [nicknames[0], nicknames.at(-1), fresh("other")]) await Guest.enter(t, nickname);
});

test("the list of rooms comes at once, sorted and with the lobby", OPTIONS, async (t) => {
  const ada = await Guest.enter(t);
  const [list] = await ada.next("rooms");
  assert.equal(ada.heard[0][0], "rooms");
  const names = list.map(({ name }) => name);
  assert.ok(names.includes("lobby"));
  assert.deepEqual(names, [...names].sort());
  assert.ok(list.every(({ members }) => Number.isInteger(members)));
});

test("a join is answered before the list of rooms, and told once", OPTIONS, async (t) => {
  const room = fresh("room");
  const ada = await Guest.enter(t);
  const bob = await Guest.enter(t);
  assert.deepEqual(await ada.ask("join", room), { ok: true, members: [ada.nickname], history: [] });
  await bob.next("rooms");

  const order = [];
  bob.socket.on("rooms", (list) => list.some(({ name, members }) => name === room && members === 2) && order.push("rooms"));
  // A promise would settle after both.
  const { ok, members } = await new Promise((resolve) => bob.socket.emit("join", room, (answer) => {
    order.push("ack");
    resolve(answer);
  }));
  assert.deepEqual([ok, members.sort()], [true, [ada.nickname, bob.nickname].sort()]);
  assert.deepEqual(await ada.next("joined"), [room, bob.nickname]);
  await bob.next("rooms");
  assert.equal(order[0], "ack");

  const again = await bob.ask("join", room);
  assert.deepEqual(again.members.sort(), members);
  await bob.ask("leave", room);
  await ada.next("left");
  assert.deepEqual(ada.told, [["joined", room, bob.nickname], ["left", room, bob.nickname]]);
  assert.deepEqual(bob.told, []);
});

test("what breaks a rule is refused with its code", OPTIONS, async (t) => {
  const room = fresh("room");
  const ada = await Guest.enter(t);
  await ada.ask("join", room);
  const bytes = Buffer.from([1, 2, 3]);
  const cases = [
    ["invalid_room", "join"],
    ["invalid_room", "join", 5],
    ["invalid_room", "join", ""],
    ["invalid_room", "join", " x"],
    ["invalid_room", "join", "x".repeat(33)],
    ["invalid_text", "message"],
    ["invalid_text", "message", room],
    ["invalid_text", "message", room, 5],
    ["invalid_text", "message", room, " \n "],
    ["invalid_text", "message", room, "x".repeat(2001)],
    ["invalid_text", "message", room, bytes],
    ["not_in_room", "message", `${room}?`, "hello"],
    ["invalid_picture", "picture", room, "image/png"],
    ["invalid_picture", "picture", room, "image/png", "bytes"],
    ["invalid_picture", "picture", room, "image/svg+xml", bytes],
    ["invalid_picture", "picture", room, "image/png", Buffer.alloc(0)],
    ["invalid_picture", "picture", room, "image/png", Buffer.alloc(900_001)],
    ["not_in_room", "picture", `${room}?`, "image/png", bytes],
  ];
  for (const [code, ...event] of cases) {
    const { message, ...rest } = await ada.ask(...event);
    assert.deepEqual(rest, { ok: false, code }, `${event.slice(0, 2)}`);
    assert.match(message, /^[a-z].*[^.]$/);
  }
  for (const event of [["leave"], ["leave", 5], ["leave", "nowhere"]]) {
    assert.deepEqual(await ada.ask(...event), { ok: true });
  }
});

test("a message goes to the others and into the history", OPTIONS, async (t) => {
  const room = fresh("room");
  const ada = await Guest.enter(t);
  const bob = await Guest.enter(t);
  for (const guest of [ada, bob]) await guest.ask("join", room);
  const text = "x".repeat(1998) + "🙂\n";
  const { ok, id, at } = await ada.ask("message", room, text, "surplus");
  assert.ok(ok && typeof id === "string" && Math.abs(Date.now() - at) < 60_000);
  const message = { id, room, nickname: ada.nickname, at, text };
  assert.deepEqual(await bob.next("message"), [message]);
  assert.deepEqual((await bob.ask("join", room)).history, [message]);
  assert.deepEqual(ada.told, [["joined", room, bob.nickname]]);
});

test("pictures travel over either transport, and four stay", OPTIONS, async (t) => {
  const room = fresh("room");
  const ada = await Guest.enter(t);
  const bob = await Guest.enter(t, fresh("bob"), { transports: ["polling"] });
  for (const guest of [ada, bob]) await guest.ask("join", room);
  const sent = [];
  for (let index = 0; index < 5; index += 1) {
    const [guest, other, size] = index % 2 ? [ada, bob, 900_000] : [bob, ada, 700_000];
    const data = Buffer.alloc(size, index + 1);
    const { ok, id, at } = await guest.ask("picture", room, "image/webp", data);
    assert.ok(ok);
    const message = { id, room, nickname: guest.nickname, at, picture: { type: "image/webp", data } };
    assert.deepEqual(await other.next("message"), [message]);
    sent.push(message);
  }
  for (const guest of [ada, bob]) {
    assert.deepEqual((await guest.ask("join", room)).history, sent.slice(1));
  }
});

test("typing is passed on as it came, from members only", OPTIONS, async (t) => {
  const room = fresh("room");
  const [ada, bob, eve] = [await Guest.enter(t), await Guest.enter(t), await Guest.enter(t)];
  for (const guest of [ada, bob]) await guest.ask("join", room);
  eve.socket.emit("typing", room, true);
  for (const event of [[], [room], [room, 1], [5, true]]) bob.socket.emit("typing", ...event);
  await eve.ask("leave", room);
  bob.socket.emit("typing", room, true);
  bob.socket.emit("typing", room, false);
  assert.deepEqual(await ada.next("typing"), [room, bob.nickname, true]);
  assert.deepEqual(await ada.next("typing"), [room, bob.nickname, false]);
  assert.equal(ada.told.length, 3);
});

test("who disconnects has left, and an empty room is gone with its history", OPTIONS, async (t) => {
  const room = fresh("room");
  const [ada, bob] = [await Guest.enter(t), await Guest.enter(t)];
  for (const guest of [ada, bob]) await guest.ask("join", room);
  await ada.ask("message", room, "Nobody will remember.");
  bob.socket.io.engine.close();
  assert.deepEqual(await ada.next("left"), [room, bob.nickname]);
  const [list] = await ada.next("rooms");
  assert.equal(list.find(({ name }) => name === room).members, 1);
  await ada.ask("leave", room);
  assert.deepEqual((await ada.ask("join", room)).history, []);
});

test("nobody joins the private room of another client", OPTIONS, async (t) => {
  const [ada, eve] = [await Guest.enter(t), await Guest.enter(t)];
  const room = ada.socket.id;
  assert.ok((await eve.ask("join", room)).ok);
  assert.ok((await eve.ask("message", room, "Boo!")).ok);
  await ada.ask("leave", room);
  assert.deepEqual(ada.told, []);
});
