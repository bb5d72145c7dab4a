// The page of private messages. All text from people goes through `textContent`.

import { loadLibrary } from "./library.js";

const LOG_LIMIT = 200;
const KEY = "private-token";

const find = (selector) => document.querySelector(selector);
const { io } = await loadLibrary();
const socket = io({ autoConnect: false });
/** Name to `{ online, unread }`. */
const people = new Map();
/** The conversation that is shown: with whom, its messages, and up to which the other one has read. */
let shown = null;
let me = "";

globalThis.messages = { socket }; // for the console

socket.on("welcome", welcome);
socket.on("presence", (name, online) => change(name, { online }));
socket.on("message", receive);
socket.on("read", (reader, other, number) => {
  if (reader === me) return change(other, { unread: 0 });
  if (shown?.name === reader) shown.seen = Math.max(shown.seen, number);
  showMessages();
});
socket.on("connect", () => me && showStatus(`You are ${me}`, true));
socket.on("disconnect", (reason) => {
  showStatus("Connection lost; reconnecting…", false);
  // The server wants that: it is not tried again by itself.
  if (reason === "io server disconnect") leave("You are logged in too often.");
});
socket.on("connect_error", (error) => {
  if (!socket.active) leave(error.message);
});

find("#entry").addEventListener("submit", (event) => {
  event.preventDefault();
  const [name, token] = [find("#name").value.trim(), find("#token").value.trim()];
  logIn(token ? { token } : { name });
});
find("#say").addEventListener("submit", (event) => {
  event.preventDefault();
  const [{ name }, text] = [shown, find("#text").value];
  if (!socket.connected || !text.trim()) return;
  find("#text").value = "";
  socket.emit("send", name, text, ({ number, error }) => {
    showNotice(error ?? "");
    if (error) find("#text").value ||= text;
    else receive({ number, from: me, to: name, text });
  });
});
find("#out").addEventListener("click", () => leave(""));
addEventListener("focus", confirmRead);

const kept = localStorage.getItem(KEY);
if (kept) logIn({ token: kept });
else find("#entry").hidden = false;

function logIn(auth) {
  socket.auth = auth;
  socket.connect();
}

function welcome({ name, token, people: others }) {
  me = name;
  // From now on the name is not new any more.
  socket.auth = { token };
  localStorage.setItem(KEY, token);
  find("#own").textContent = token;
  find("#entry").hidden = true;
  find("#desk").hidden = false;
  showNotice("");
  showStatus(`You are ${me}`, true);
  people.clear();
  for (const { name: other, online, unread } of others) people.set(other, { online, unread });
  showPeople();
  if (shown) open(shown.name);
}

function leave(reason) {
  socket.disconnect();
  localStorage.removeItem(KEY);
  [me, shown] = ["", null];
  find("#own").textContent = find("#token").value = "";
  find("#entry").hidden = false;
  find("#desk").hidden = find("#conversation").hidden = true;
  find("#log").replaceChildren();
  showStatus("You are not logged in", false);
  showNotice(reason);
}

function open(name) {
  shown = { name, messages: [], seen: 0 };
  socket.emit("open", name, ({ messages, seen }) => {
    if (shown?.name !== name) return;
    shown = { name, messages, seen };
    find("#conversation").hidden = false;
    find("#text").placeholder = `To ${name}`;
    find("#text").focus();
    showMessages();
    confirmRead();
  });
}

function receive(message) {
  const other = message.from === me ? message.to : message.from;
  if (other !== shown?.name) {
    if (message.from !== me) change(other, { unread: (people.get(other)?.unread ?? 0) + 1 });
    return;
  }
  const last = shown.messages.at(-1)?.number ?? 0;
  // One is missing, or the server has forgotten the rest: what it has now, it tells.
  if (message.number !== last + 1) return open(other);
  shown.messages = [...shown.messages, message].slice(-LOG_LIMIT);
  showMessages();
  confirmRead();
}

/** Tells the server what has been read, if somebody looks at it. */
function confirmRead() {
  const last = shown?.messages.findLast(({ from }) => from === shown.name);
  if (!last || !document.hasFocus() || !socket.connected) return;
  const { name } = shown;
  socket.emit("read", name, last.number, () => change(name, { unread: 0 }));
}

function change(name, changes) {
  people.set(name, { online: false, unread: 0, ...people.get(name), ...changes });
  people.delete(me);
  showPeople();
}

function showPeople() {
  const names = [...people.keys()].sort();
  find("#people").replaceChildren(...names.map(personElement));
}

function personElement(name) {
  const { online, unread } = people.get(name);
  const button = element("button", name, { type: "button" });
  button.addEventListener("click", () => open(name));
  const item = element("li", "");
  item.append(button, element("span", online ? "online" : "away", { className: "quiet" }));
  if (unread > 0) item.append(element("strong", `${unread} new`));
  return item;
}

function showMessages() {
  if (!shown) return;
  find("#log").replaceChildren(...shown.messages.map(messageElement));
  find("#log").lastChild?.scrollIntoView({ block: "end" });
}

function messageElement({ number, from, text }) {
  const words = element("span", text);
  words.prepend(element("strong", `${from}: `));
  const item = element("li", "");
  item.append(words);
  if (from === me) item.append(element("span", number <= shown.seen ? "read" : "sent", { className: "quiet" }));
  return item;
}

function element(tag, textContent, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent, ...properties });
}

function showNotice(text) {
  find("#notice").textContent = text;
}

function showStatus(text, isConnected) {
  find("#status").textContent = text;
  find("#status").classList.toggle("connected", isConnected);
}
