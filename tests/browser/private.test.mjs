// The page of private messages in Chromium:
//
//   PRIVATE_URL  the example with the official client library, which is running already
//   CHROMIUM     the browser, /usr/bin/chromium where it is not given
//
// Without an address it is skipped.

import assert from "node:assert/strict";
import { test } from "node:test";

import { chromium } from "playwright-core";

const { PRIVATE_URL, CHROMIUM = "/usr/bin/chromium" } = process.env;
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];

async function logIn(page, field, value) {
  await page.fill(field, value);
  await page.click("#entry button");
}

async function send(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

for (const client of ["official", "built-in"]) {
  test(`people write to each other, with the ${client} client`, { skip: !PRIVATE_URL && "PRIVATE_URL is not set", timeout: 60_000 }, async (t) => {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 30_000 });
    t.after(() => browser.close());
    const mistakes = [];
    // Browsers of their own: they share no storage.
    const open = async () => {
      const context = await browser.newContext();
      context.setDefaultTimeout(10_000);
      await context.route("https://cdn.socket.io/**", (route) => route.abort());
      if (client === "built-in") await context.route("**/vendor/**", (route) => route.abort());
      const page = await context.newPage();
      page.on("pageerror", (error) => mistakes.push(error.message));
      await page.goto(PRIVATE_URL);
      return page;
    };
    const [ada, elsewhere, bob] = [await open(), await open(), await open()];
    const [first, second] = [`ada-${client}`, `bob-${client}`];
    const person = (page, name, text) => page.locator("#people li", { hasText: name }).filter({ hasText: text });
    const line = (page, text) => page.locator("#log li", { hasText: text });

    await logIn(ada, "#name", first);
    await ada.locator("#status", { hasText: first }).waitFor();
    await logIn(bob, "#name", first);
    await bob.locator("#notice", { hasText: "Somebody has this name" }).waitFor();
    await logIn(bob, "#name", second);
    await person(ada, second, "online").waitFor();
    await logIn(elsewhere, "#token", await ada.locator("#own").textContent());

    await person(ada, second, "online").locator("button").click();
    await send(ada, "<b>hello</b>");
    await line(ada, `${first}: <b>hello</b>`).waitFor();
    await person(bob, first, "1 new").locator("button").click();
    await line(bob, `${first}: <b>hello</b>`).waitFor();
    await line(ada, "read").waitFor();
    await person(elsewhere, second, "online").locator("button").click();
    await line(elsewhere, "<b>hello</b>").waitFor();

    // A page that is loaded again knows who it is, and what was written while it was away.
    await bob.goto("about:blank");
    await person(ada, second, "away").waitFor();
    await send(ada, "are you there?");
    await line(elsewhere, "are you there?").waitFor();
    await bob.goto(PRIVATE_URL);
    await person(bob, first, "1 new").waitFor();

    // A connection that was lost comes back.
    await bob.evaluate(() => globalThis.messages.socket.io.engine.close());
    await person(ada, second, "away").waitFor();
    await send(ada, "again?");
    await person(bob, first, "2 new").waitFor();
    assert.equal(await bob.evaluate(() => globalThis.messages.socket.recovered ?? false), client === "official");

    await bob.click("#out");
    await person(ada, second, "away").waitFor();
    assert.deepEqual(mistakes, []);
  });
}
