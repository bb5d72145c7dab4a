// The page of the shelf: a line for each file and each transfer.

import { loadLibrary } from "./library.js";
import { Line, download, upload } from "./transfer.js";

const REASONS = {
  damaged: "It was damaged on the way.",
  full: "There is no room now.",
  too_large: "It is larger than 16 MiB.",
  too_many_downloads: "Two downloads at a time are enough.",
  too_many_uploads: "Four uploads at a time are enough.",
  unknown_file: "It is not there any more.",
  unknown_upload: "The server has forgotten it.",
};

const status = document.querySelector("#status");
const { io } = await loadLibrary();
const socket = io();
const line = new Line(socket);

globalThis.files = { line, socket }; // for the console

socket.on("connect", () => showStatus("Connected", true));
socket.on("disconnect", () => showStatus("Connection lost; transfers go on when it is back", false));
socket.on("files", (list) => document.querySelector("#files").replaceChildren(...list.map(fileElement)));
document.querySelector("#choose").addEventListener("change", ({ target }) => {
  for (const file of target.files) send(file);
  target.value = "";
});

function send(file) {
  const name = file.name.slice(0, 100);
  transfer(`Sending ${name}`, file.size, (progress) => upload(line, file, name, progress));
}

async function fetchFile({ id, name, size }) {
  const blob = await transfer(`Receiving ${name}`, size, (progress) => download(line, id, progress));
  if (!blob) return;
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Shows a transfer while it lasts; resolves to what came of it. */
async function transfer(label, size, run) {
  const bar = Object.assign(document.createElement("progress"), { max: size, value: 0, ariaLabel: label });
  const item = document.createElement("li");
  const text = Object.assign(document.createElement("span"), { textContent: label });
  item.append(text, bar);
  document.querySelector("#transfers").append(item);
  try {
    const result = await run((bytes) => (bar.value = bytes));
    item.remove();
    return result;
  } catch ({ code, message }) {
    text.textContent = `${label}: ${REASONS[code] ?? message}`;
    text.className = "error";
    bar.remove();
    return undefined;
  }
}

function fileElement(file) {
  const item = document.createElement("li");
  const name = Object.assign(document.createElement("span"), { textContent: file.name });
  const size = Object.assign(document.createElement("span"), { className: "quiet", textContent: sizeOf(file.size) });
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Download" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    await fetchFile(file);
    button.disabled = false;
  });
  item.append(name, size, button);
  return item;
}

function sizeOf(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function showStatus(text, isConnected) {
  status.textContent = text;
  status.classList.toggle("connected", isConnected);
}
