// The page of the room. All text from people goes through `textContent`.

import { loadLibrary } from "./library.js";

const LOG_LIMIT = 200;
const REASONS = {
  banned: "You are banned.",
  flooding: "You were too fast for too long.",
  invalid_nickname: "A nickname has 1 to 24 characters.",
  invalid_text: "A message has 1 to 500 characters.",
  muted: "You are muted.",
  nickname_taken: "Somebody has this nickname already.",
  not_allowed: "You cannot do that.",
  not_here: "Nobody here has this name.",
  room_full: "The room is full.",
  slow_mode: "The room is in slow mode.",
  too_fast: "Not so fast.",
  wrong_token: "This is not the moderators' token.",
};

const find = (selector) => document.querySelector(selector);
const { io } = await loadLibrary();
const socket = io({ autoConnect: false });
const members = new Set();
let isModerator = false;

globalThis.room = { socket }; // for the console

socket.on("welcome", welcome);
socket.on("message", ({ nickname, text }) => write(nickname, text));
socket.on("joined", (nickname) => changeMembers(() => members.add(nickname)));
socket.on("left", (nickname) => changeMembers(() => members.delete(nickname)));
socket.on("decided", decided);
socket.on("disconnect", (reason) => {
  showStatus("Connection lost; reconnecting…", false);
  // The server wants that: it is not tried again by itself.
  if (reason === "io server disconnect") leave("You were sent out.");
});
socket.on("connect_error", (error) => {
  if (!socket.active) leave(explain(error.data ?? {}));
});

find("#entry").addEventListener("submit", (event) => {
  event.preventDefault();
  const [nickname, token] = [find("#nickname").value.trim(), find("#token").value.trim()];
  socket.auth = token ? { nickname, token } : { nickname };
  socket.connect();
});
find("#say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!socket.connected) return;
  const text = find("#text").value;
  find("#text").value = "";
  socket.emit("say", text, (answer) => {
    showNotice(answer.ok ? "" : explain(answer));
    if (!answer.ok) find("#text").value ||= text;
  });
});
find("#slow").addEventListener("click", () => decide({ action: "slow", seconds: find("#slow").dataset.next }));

function welcome({ moderator, slow, members: names, history }) {
  isModerator = moderator;
  find("#entry").hidden = true;
  find("#room").hidden = false;
  find("#slow").hidden = !moderator;
  find("#log").replaceChildren();
  for (const { nickname, text } of history) write(nickname, text);
  changeMembers(() => {
    members.clear();
    for (const name of names) members.add(name);
  });
  showSlow(slow);
  showNotice("");
  find("#text").focus();
}

function leave(reason) {
  socket.disconnect();
  find("#entry").hidden = false;
  find("#room").hidden = true;
  showStatus("You are outside", false);
  showNotice(reason);
}

function decide(decision) {
  if ("seconds" in decision) decision.seconds = Number(decision.seconds);
  socket.emit("decide", decision, (answer) => showNotice(answer.ok ? "" : explain(answer)));
}

function decided({ action, nickname, seconds }, by) {
  if (action === "slow") showSlow(seconds);
  const span = seconds ? ` for ${seconds} s` : "";
  write("", action === "slow" ? `${by} set the slow mode${span || " off"}` : `${by}: ${action} ${nickname}${span}`);
}

function showSlow(seconds) {
  find("#slow").dataset.next = seconds > 0 ? 0 : 10;
  find("#slow").textContent = seconds > 0 ? "Slow mode off" : "Slow mode";
  find("#text").placeholder = seconds > 0 ? `One message in ${seconds} s` : "Say something";
}

function changeMembers(change) {
  change();
  showStatus(members.size === 1 ? "Only you are here" : `${members.size} are here`, true);
  find("#members").replaceChildren(...[...members].map(memberElement));
}

function memberElement(nickname) {
  const item = document.createElement("li");
  item.append(Object.assign(document.createElement("bdi"), { textContent: nickname }));
  for (const action of isModerator ? ["mute", "kick", "ban"] : []) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: action });
    button.addEventListener("click", () => decide(action === "kick" ? { action, nickname } : { action, nickname, seconds: 60 }));
    item.append(button);
  }
  return item;
}

/** Adds a line to the log; without a nickname it is a notice. */
function write(nickname, text) {
  const item = document.createElement("li");
  const words = Object.assign(document.createElement("span"), { textContent: text, className: nickname ? "" : "quiet" });
  if (nickname) words.prepend(Object.assign(document.createElement("strong"), { textContent: `${nickname}: ` }));
  item.append(words);
  const log = find("#log");
  log.append(item);
  if (log.children.length > LOG_LIMIT) log.firstChild.remove();
  item.scrollIntoView({ block: "end" });
}

function explain({ code, wait }) {
  const reason = REASONS[code] ?? "That did not work.";
  return wait ? `${reason} Try again in ${Math.ceil(wait / 1000)} s.` : reason;
}

function showNotice(text) {
  find("#notice").textContent = text;
}

function showStatus(text, isConnected) {
  find("#status").textContent = text;
  find("#status").classList.toggle("connected", isConnected);
}
