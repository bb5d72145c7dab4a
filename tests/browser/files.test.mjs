// The page of the file transfer example: its transfers on official clients that lose their
// connections, and the page itself in Chromium.
//
//   FILES_URL  the example with the official client library, which is running already
//   CHROMIUM   the browser, /usr/bin/chromium where it is not given
//
// A test whose address is missing is skipped.

import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { chromium } from "playwright-core";
import { io } from "socket.io-client";

import { Line, Refused, download, upload } from "../../runtimes/tokio/examples/files/page/transfer.js";

const { FILES_URL, CHROMIUM = "/usr/bin/chromium" } = process.env;
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const SKIP = { skip: !FILES_URL && "FILES_URL is not set", timeout: 60_000 };
const SIZE = 1_000_003;

const hashOf = (data) => createHash("sha1").update(data).digest("hex");

async function connect(t, options) {
  const socket = io(FILES_URL, { forceNew: true, reconnectionDelay: 1, ...options });
  t.after(() => socket.disconnect());
  const line = new Line(socket);
  await line.connected();
  return line;
}

for (const transports of [["polling"], ["websocket"]]) {
  test(`files go up and down over ${transports}, also when the connection is lost`, SKIP, async (t) => {
    const line = await connect(t, { transports });
    const data = randomBytes(SIZE);
    let connections = 0;
    line.socket.on("connect", () => (connections += 1));
    const steps = [];
    /** Loses the connection twice on the way. */
    const progress = (bytes) => {
      steps.push(bytes);
      if (steps.length === 2 || steps.length === 6) line.socket.io.engine.close();
    };

    const id = await upload(line, new Blob([data]), "noise", progress);
    assert.equal(connections, 2);
    // Two windows are sent again at the most.
    assert.ok(steps.length >= 16 - 8, `${steps}`);
    assert.equal(steps.at(-1), SIZE);

    steps.length = 0;
    const blob = await download(line, id, progress);
    assert.equal(connections, 4);
    assert.equal(hashOf(Buffer.from(await blob.arrayBuffer())), hashOf(data));
    assert.deepEqual(steps, [...steps].sort((a, b) => a - b), "nothing is received twice");
    assert.equal(steps.length, 16);
  });
}

test("a file that the server does not have is refused", SKIP, async (t) => {
  const line = await connect(t);
  const isRefused = (error) => error instanceof Refused && error.code === "unknown_file";
  await assert.rejects(download(line, 999_999, () => {}), isRefused);
  assert.equal(line.downloads.size, 0);
});

for (const client of ["official", "built-in"]) {
  test(`one tab sends a file and another one saves it, with the ${client} client`, SKIP, async (t) => {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 30_000 });
    t.after(() => browser.close());
    const context = await browser.newContext();
    context.setDefaultTimeout(10_000);
    await context.route("https://cdn.socket.io/**", (route) => route.abort());
    if (client === "built-in") await context.route("**/vendor/**", (route) => route.abort());
    const mistakes = [];
    const tabs = [await context.newPage(), await context.newPage()];
    for (const tab of tabs) {
      tab.on("pageerror", (error) => mistakes.push(error.message));
      await tab.goto(FILES_URL);
      await tab.waitForSelector("#status.connected");
    }
    const [ada, bob] = tabs;
    const [data, name] = [randomBytes(SIZE), `${randomUUID()}.bin`];
    await ada.setInputFiles("#choose", { name, mimeType: "application/octet-stream", buffer: data });
    const line = bob.locator("#files li", { hasText: name });
    const saving = bob.waitForEvent("download");
    await line.locator("button").click();
    const saved = await saving;
    assert.equal(saved.suggestedFilename(), name);
    assert.equal(hashOf(await readFile(await saved.path())), hashOf(data));
    await ada.locator("#transfers li").waitFor({ state: "detached" });
    assert.deepEqual(mistakes, []);
  });
}
