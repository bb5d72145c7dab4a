// A page of another origin in Chromium, which enforces CORS, with the official client:
//
//   OPEN_URL    the interop server in mode `suite`, which lets every origin read
//   CLOSED_URL  the same in mode `app`, which sends no CORS headers
//   CHROMIUM    the browser, /usr/bin/chromium where it is not given
//
// A test whose address is missing is skipped.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const { OPEN_URL, CLOSED_URL, CHROMIUM = "/usr/bin/chromium" } = process.env;
const LIMIT = 20_000;
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];

let browser;
let page;
let pages;

before(async () => {
  if (!OPEN_URL && !CLOSED_URL) return;
  const client = await readFile(new URL("node_modules/socket.io-client/dist/socket.io.min.js", import.meta.url));
  pages = createServer((request, response) => {
    const isClient = request.url === "/socket.io.min.js";
    response.setHeader("content-type", isClient ? "text/javascript" : "text/html");
    response.end(isClient ? client : "<!doctype html><script src=socket.io.min.js></script>");
  });
  await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 30_000 });
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
}, { timeout: 40_000 });

after(async () => {
  await browser?.close();
  pages?.close();
}, { timeout: 20_000 });

/** Connects from the page; what came of it. */
const connect = (url, transports) =>
  page.evaluate(
    ([url, transports, limit]) =>
      new Promise((resolve) => {
        const socket = io(url, { auth: { from: "elsewhere" }, forceNew: true, reconnection: false, transports });
        const end = (outcome) => {
          resolve({ ...outcome, transport: socket.io.engine?.transport.name });
          socket.disconnect();
        };
        socket.on("connect_error", (error) => end({ error: error.message }));
        socket.on("message-back", (bytes) => {
          // The upgrade, if there is one, has to have happened.
          const isThere = () => transports.length === 1 || socket.io.engine.transport.name === transports[1];
          const wait = () => (isThere() ? end({ bytes: [...new Uint8Array(bytes)] }) : setTimeout(wait, 10));
          wait();
        });
        socket.on("auth", () => socket.emit("message", new Uint8Array([1, 2, 3])));
        setTimeout(() => end({ error: "too late" }), limit);
      }),
    [url, transports, LIMIT],
  );

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  test(`a page of another origin may talk over ${transports.join(", then ")}`, { skip: !OPEN_URL, timeout: 2 * LIMIT }, async () => {
    assert.deepEqual(await connect(OPEN_URL, transports), { bytes: [1, 2, 3], transport: transports.at(-1) });
  });
}

test("without CORS headers the browser does not let it poll", { skip: !CLOSED_URL, timeout: 2 * LIMIT }, async () => {
  const { error } = await connect(CLOSED_URL, ["polling"]);
  assert.equal(error, "xhr poll error");
});
