// The editor's page: between the text area, the client and the connection.

import { Client } from "./client.js";
import { loadLibrary } from "./library.js";
import { difference, move } from "./operation.js";

const REASONS = {
  full: "Too many people are here already.",
  outdated: "Too much has happened meanwhile: your last change is lost.",
  too_long: "The text is too long: your last change is lost.",
};

const area = document.querySelector("#text");
const status = document.querySelector("#status");
const notice = document.querySelector("#notice");
const client = new Client();
const { io } = await loadLibrary();
const socket = io({ auth: { author: crypto.getRandomValues(new Uint32Array(4)).join("-") } });

globalThis.editor = { client, socket }; // for the console
/** Whether the server has said where this page is, on this connection. */
let isOpen = false;
/** What came while an input method composed, since the text area must not change then. */
let held = null;

socket.on("connect", open);
socket.on("operation", (revision, operation) => receive(() => show(client.follow(operation))));
socket.on("pages", (count) => showStatus(count === 1 ? "Only you are here" : `${count} are here`, true));
socket.on("disconnect", () => {
  isOpen = false;
  showStatus("Connection lost; go on writing", false);
});
area.addEventListener("input", () => !held && edited());
area.addEventListener("compositionstart", () => (held = []));
area.addEventListener("compositionend", release);

/** Asks for what is missing: everything, or what happened while there was no connection. */
function open() {
  release();
  isOpen = false;
  socket.emit("open", client.revision, (answer) => {
    if (answer.ok === false) return fail(answer.code);
    isOpen = true;
    if (answer.operations) catchUp(answer.operations);
    else reset(answer.revision, answer.text);
  });
}

function catchUp(operations) {
  for (const { own, operation } of operations) {
    if (own) client.accepted();
    else show(client.follow(operation));
  }
  if (client.inFlight) send();
}

function reset(revision, text) {
  client.reset(revision, text);
  area.value = text;
  area.disabled = false;
}

/** The text area was changed by its user. */
function edited() {
  const text = area.value.toWellFormed?.() ?? area.value;
  const operation = difference(client.text, text);
  if (operation.length === 0) return;
  notice.textContent = "";
  if (client.edit(operation) && isOpen) send();
}

function send() {
  socket.emit("operation", client.revision, client.inFlight, ({ ok, code }) => {
    receive(() => (ok ? client.accepted() && isOpen && send() : fail(code)));
  });
}

/** Does what a message of the server asks for, or keeps it for later. */
function receive(act) {
  // What came before the answer to `open` is a part of that.
  if (!isOpen) return;
  if (held) held.push(act);
  else act();
}

/** Composing has ended: what it wrote is an edit, and what was held comes after it. */
function release() {
  if (!held) return;
  const messages = held;
  held = null;
  edited();
  for (const act of messages) act();
}

/** Shows a change by somebody else; the cursor stays where it is in the text. */
function show(operation) {
  const { selectionStart, selectionEnd, selectionDirection, scrollTop } = area;
  area.value = client.text;
  area.setSelectionRange(move(selectionStart, operation), move(selectionEnd, operation), selectionDirection);
  area.scrollTop = scrollTop;
}

function fail(code) {
  notice.textContent = REASONS[code] ?? "Something went wrong: your last change is lost.";
  if (code === "full") return;
  client.revision = null;
  open();
}

function showStatus(text, isConnected) {
  status.textContent = text;
  status.classList.toggle("connected", isConnected);
}
