// The chat: its rooms, its connection and what happens between them. The events are described in
// PROTOCOL.md; the elements are in view.js and composer.js.

import { Composer } from "./composer.js";
import { loadLibrary } from "./library.js";
import { pictureUrl } from "./picture.js";
import { View } from "./view.js";

const LOBBY = "lobby";
const LOG_LIMIT = 500;
const PICTURE_LIMIT = { polling: 700_000, other: 900_000 };
const TYPING_LIMIT = 5000;
const ACK_LIMIT = 15_000;
/** How long a nickname that is still held by our own lost connection is asked for again. */
const RECLAIM_LIMIT = 60_000;
const RECLAIM_DELAY = 2000;

/** One room that we are in. */
class Room {
  /** The room that is shown again where this one cannot be joined. */
  cameFrom = LOBBY;
  draft = "";
  /** The entry that the line "New" stands over, while it is in the log. */
  firstUnread = null;
  /** Whether the past was merged into the log once. */
  hasPast = false;
  /** Whether the server has us in the room, on this connection. */
  isReady = false;
  log = [];
  members = new Set();
  /** Who types, with the timer that ends it. */
  typing = new Map();
  unread = 0;

  constructor(name, me) {
    this.name = name;
    this.me = me;
  }
}

const rooms = new Map();
const inFlight = new Set();
const library = loadLibrary();
let current = null;
let directory = [];
let nickname = "";
let isInside = false;
let reclaimUntil = 0;
let reclaimTimer = 0;
let transports = [];
let socket = null;

const view = new View({ select: enterRoom, retry: deliver });
const composer = new Composer({
  send: say,
  typing: (active) => current?.isReady && socket.emit("typing", current.name, active),
  pictureLimit: () => (transports.at(-1) === "polling" ? PICTURE_LIMIT.polling : PICTURE_LIMIT.other),
});

// Coming in and going out.

async function enter(name, patience = 0) {
  view.showEntry({ isBusy: true, hint: "Entering…" });
  const { io } = await library;
  socket ??= await connectable(io);
  nickname = name;
  reclaimUntil = Date.now() + patience;
  socket.auth = { nickname };
  socket.connect();
}

async function connectable(io) {
  const made = io({ autoConnect: false });
  globalThis.chat = { socket: made }; // for the console
  made.on("connect", entered);
  made.on("connect_error", (error) => (made.active ? unreachable() : refused(error)));
  made.on("disconnect", disconnected);
  made.io.on("reconnect_attempt", (attempt) => {
    if (isInside) view.showBanner(`Connection lost. Reconnecting, attempt ${attempt}…`);
  });
  made.io.on("open", () => watchTransport(made.io.engine));
  made.on("rooms", (list) => {
    directory = list;
    showRooms();
  });
  made.on("joined", (name, who) => withRoom(name, (room) => memberChanged(room, who, true)));
  made.on("left", (name, who) => withRoom(name, (room) => memberChanged(room, who, false)));
  made.on("message", (message) => withRoom(message.room, (room) => heard(room, message)));
  made.on("typing", (name, who, active) => withRoom(name, (room) => typed(room, who, active)));
  return made;
}

function entered() {
  localStorage.setItem("chat.nickname", nickname);
  sessionStorage.setItem("chat.inside", "yes");
  if (!isInside) {
    isInside = true;
    view.showApp(nickname);
    for (const name of new Set([LOBBY, nameFromAddress()])) rooms.set(name, new Room(name, nickname));
    show(rooms.get(nameFromAddress()));
  }
  view.showBanner("");
  for (const room of rooms.values()) join(room);
}

function refused({ message, data }) {
  if (data?.code === "nickname_taken" && Date.now() < reclaimUntil) {
    if (isInside) view.showBanner("Waiting for your nickname to be free again…");
    reclaimTimer = setTimeout(() => socket.connect(), isInside ? RECLAIM_DELAY : RECLAIM_DELAY / 4);
    return;
  }
  leaveChat();
  const reasons = {
    nickname_taken: `Somebody here is called “${nickname}” already. Pick another nickname.`,
    invalid_nickname: "A nickname has 1 to 24 characters.",
  };
  view.showEntry({ error: reasons[data?.code] ?? `The server refused: ${message}` });
}

function unreachable() {
  if (isInside) return;
  view.showEntry({ isBusy: true, hint: "Connecting…", error: "The server cannot be reached. Trying again…" });
}

function disconnected(reason) {
  transports = [];
  showStatus();
  for (const fail of inFlight) fail(new Error("the connection was lost"));
  for (const room of rooms.values()) {
    room.isReady = false;
    for (const timer of room.typing.values()) clearTimeout(timer);
    room.typing.clear();
  }
  if (!isInside) return;
  view.showTyping(current);
  view.showBanner("Connection lost. Reconnecting…");
  reclaimUntil = Date.now() + RECLAIM_LIMIT;
  // The library does not come back by itself where the server closed on purpose.
  if (reason === "io server disconnect") reclaimTimer = setTimeout(() => socket.connect(), RECLAIM_DELAY);
}

function leaveChat() {
  isInside = false;
  clearTimeout(reclaimTimer);
  sessionStorage.removeItem("chat.inside");
  socket.disconnect();
  for (const room of rooms.values()) forget(room.log);
  rooms.clear();
  current = null;
  composer.draft = "";
}

function watchTransport(engine) {
  transports = [engine.transport.name];
  engine.on("upgrade", ({ name }) => {
    transports.push(name);
    showStatus();
  });
  showStatus();
}

async function showStatus() {
  view.showStatus({ transports, library: await library });
}

// Rooms.

function withRoom(name, act) {
  const room = rooms.get(name);
  if (room) act(room);
}

function showRooms() {
  view.showRooms(directory, rooms, current);
}

function show(room) {
  if (current) {
    current.draft = composer.draft;
    current.firstUnread = null;
  }
  composer.draft = room.draft;
  composer.notify("");
  current = room;
  room.unread = 0;
  history.replaceState(null, "", room.name === LOBBY ? location.pathname : `#${encodeURIComponent(room.name)}`);
  view.showRoom(room, rooms.size === 1);
  showRooms();
  composer.focus();
}

/** Goes to a room, joining it first where we are not in it. */
function enterRoom(name) {
  let room = rooms.get(name);
  if (!room) {
    room = new Room(name, nickname);
    room.cameFrom = current.name;
    rooms.set(name, room);
    if (socket.connected) join(room);
  }
  show(room);
}

async function join(room) {
  try {
    const { members, history: past } = await request("join", room.name);
    room.members = new Set(members);
    room.isReady = true;
    merge(room, past);
    if (room === current) view.showRoom(room, rooms.size === 1);
    showRooms();
    for (const entry of room.log) if (entry.delivery === "queued") deliver(entry);
  } catch (error) {
    // After a lost connection the room is joined again anyway.
    if (!socket.connected || !rooms.delete(room.name)) return;
    if (rooms.size === 0) rooms.set(LOBBY, new Room(LOBBY, nickname));
    if (room === current) show(rooms.get(room.cameFrom) ?? rooms.values().next().value);
    composer.notify(`The room “${room.name}” cannot be joined: ${error.message}.`);
    showRooms();
  }
}

async function leaveRoom(room) {
  rooms.delete(room.name);
  forget(room.log);
  show(rooms.get(LOBBY) ?? rooms.values().next().value);
  await request("leave", room.name).catch(() => {});
}

/** Adds to the log what is in the room's past and not there yet: all of it, the first time. */
function merge(room, past) {
  const known = new Set(room.log.map((entry) => entry.id));
  for (const message of past) {
    if (known.has(message.id)) continue;
    // An own text that arrived although its ack was lost with the connection.
    const isLost = ({ delivery, text }) => delivery === "failed" && text !== undefined && text === message.text;
    const lost = message.nickname === nickname ? room.log.find(isLost) : undefined;
    if (lost) Object.assign(lost, { id: message.id, at: message.at, delivery: "sent" });
    else if (room.hasPast) record(room, entryOf(message));
    else room.log.push(entryOf(message));
  }
  room.hasPast = true;
  room.log.sort((a, b) => a.at - b.at);
}

function nameFromAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)).trim() || LOBBY;
  } catch {
    return LOBBY;
  }
}

// What is said in them.

function entryOf({ id, nickname: author, at, text, picture }) {
  const entry = { id, nickname: author, at, isMine: author === nickname };
  return picture ? { ...entry, pictureUrl: pictureUrl(picture) } : { ...entry, text };
}

/** Puts an entry at the end of a log and counts it where it is not seen. */
function record(room, entry) {
  room.log.push(entry);
  forget(room.log.splice(0, room.log.length - LOG_LIMIT));
  const isSeen = room === current && document.visibilityState === "visible";
  if (isSeen || entry.notice || entry.isMine) return;
  room.unread += 1;
  if (!room.log.includes(room.firstUnread)) room.firstUnread = entry;
}

function add(room, entry) {
  record(room, entry);
  if (room === current) view.append(room, entry);
}

function heard(room, message) {
  if (room.log.some(({ id }) => id === message.id)) return;
  typed(room, message.nickname, false);
  add(room, entryOf(message));
  showRooms();
}

function memberChanged(room, who, isThere) {
  if (isThere) room.members.add(who);
  else room.members.delete(who);
  typed(room, who, false);
  add(room, { nickname: who, at: Date.now(), notice: isThere ? "joined" : "left" });
  if (room === current) view.showMembers(room);
}

function typed(room, who, active) {
  const before = room.typing.get(who);
  clearTimeout(before);
  room.typing.delete(who);
  if (active) room.typing.set(who, setTimeout(() => typed(room, who, false), TYPING_LIMIT));
  if (room !== current || (before === undefined && !active)) return;
  view.showTyping(room);
  view.showMembers(room);
}

/** Says something in the room that is shown; it waits in the log while there is no connection. */
function say({ text, picture }) {
  const entry = { nickname, at: Date.now(), isMine: true, delivery: "queued", room: current, picture };
  if (picture) entry.pictureUrl = pictureUrl(picture);
  else entry.text = text;
  add(current, entry);
  deliver(entry);
}

async function deliver(entry) {
  entry.delivery = "queued";
  if (entry.room.isReady) {
    entry.delivery = "sending";
    view.showDelivery(entry);
    try {
      const { picture, room } = entry;
      const { id, at } = picture
        ? await request("picture", room.name, picture.type, picture.data)
        : await request("message", room.name, entry.text);
      Object.assign(entry, { id, at, delivery: "sent", picture: undefined });
    } catch (error) {
      Object.assign(entry, { delivery: "failed", failure: error.message });
    }
  }
  view.showDelivery(entry);
}

function forget(entries) {
  for (const { pictureUrl: url } of entries) if (url) URL.revokeObjectURL(url);
}

/** Emits an event and resolves to its ack; rejects where it is refused or does not come. */
function request(event, ...args) {
  return new Promise((resolve, reject) => {
    const fail = (error) => finish(reject, error);
    const timer = setTimeout(() => fail(new Error("the server does not answer")), ACK_LIMIT);
    const finish = (settle, value) => {
      clearTimeout(timer);
      inFlight.delete(fail);
      settle(value);
    };
    inFlight.add(fail);
    socket.emit(event, ...args, (reply) => {
      if (reply?.ok) finish(resolve, reply);
      else fail(new Error(reply?.message ?? "refused"));
    });
  });
}

// The page.

const byId = (id) => document.getElementById(id);

byId("entry-form").onsubmit = (event) => {
  event.preventDefault();
  const name = byId("nickname").value.trim();
  if (name === "") view.showEntry({ error: "A nickname has 1 to 24 characters." });
  else enter(name);
};
byId("nickname").oninput = () => view.showEntryAvatar();
byId("new-room").onsubmit = (event) => {
  event.preventDefault();
  const name = byId("room-name").value.trim().replace(/\s+/gu, " ");
  byId("room-name").value = "";
  view.closeDrawers();
  if (name) enterRoom(name);
};
byId("leave-room").onclick = () => leaveRoom(current);
byId("exit").onclick = () => {
  leaveChat();
  view.showEntry({});
};
addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible" || !current?.unread) return;
  current.unread = 0;
  showRooms();
});
addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!event.altKey || !step || !isInside) return;
  event.preventDefault();
  const names = [...rooms.keys()].sort();
  enterRoom(names.at((names.indexOf(current.name) + step) % names.length));
});

const remembered = localStorage.getItem("chat.nickname") ?? "";
view.showEntry({ nickname: remembered });
// Loading the page again does not ask again; the nickname may be held for a moment by the old page.
if (remembered && sessionStorage.getItem("chat.inside")) enter(remembered, 5000);
showStatus();
