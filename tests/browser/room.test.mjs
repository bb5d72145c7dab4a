// The page of the public room in Chromium:
//
//   ROOM_URL         the example with the official client library, which is running already
//   MODERATOR_TOKEN  its moderators' token
//   CHROMIUM         the browser, /usr/bin/chromium where it is not given
//
// Without an address it is skipped.

import assert from "node:assert/strict";
import { test } from "node:test";

import { chromium } from "playwright-core";

const { ROOM_URL, MODERATOR_TOKEN, CHROMIUM = "/usr/bin/chromium" } = process.env;
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];

async function enter(tab, nickname, token = "") {
  await tab.fill("#nickname", nickname);
  await tab.fill("#token", token);
  await tab.click("#entry button");
}

async function say(tab, text) {
  await tab.fill("#text", text);
  await tab.press("#text", "Enter");
}

for (const client of ["official", "built-in"]) {
  test(`people talk, and a moderator keeps order, with the ${client} client`, { skip: !ROOM_URL && "ROOM_URL is not set", timeout: 60_000 }, async (t) => {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 30_000 });
    t.after(() => browser.close());
    const context = await browser.newContext();
    context.setDefaultTimeout(10_000);
    await context.route("https://cdn.socket.io/**", (route) => route.abort());
    if (client === "built-in") await context.route("**/vendor/**", (route) => route.abort());
    const mistakes = [];
    const [mod, eve] = [await context.newPage(), await context.newPage()];
    for (const tab of [mod, eve]) {
      tab.on("pageerror", (error) => mistakes.push(error.message));
      await tab.goto(ROOM_URL);
    }
    const nickname = `Eve ${client}`;
    const notice = (text) => eve.locator("#notice", { hasText: text }).waitFor();

    await enter(mod, `Mod ${client}`, "guessed");
    await mod.locator("#notice", { hasText: "not the moderators' token" }).waitFor();
    await enter(mod, `Mod ${client}`, MODERATOR_TOKEN);
    await mod.waitForSelector("#text");
    await enter(eve, nickname);
    await eve.locator("#status", { hasText: "2 are here" }).waitFor();

    await say(eve, "<b>hello</b>");
    await mod.locator("#log li", { hasText: `${nickname}: <b>hello</b>` }).waitFor();
    for (let number = 0; number < 6; number += 1) await say(eve, `${number}`);
    await notice("Not so fast.");
    assert.equal(await eve.locator("#members button").count(), 0);

    const subject = mod.locator("#members li", { hasText: nickname });
    await subject.getByText("mute").click();
    await eve.locator("#log li", { hasText: `mute ${nickname} for 60 s` }).waitFor();
    await say(eve, "again");
    await notice("You are muted.");
    await subject.getByText("ban").click();
    await notice("You were sent out.");
    await mod.locator("#status", { hasText: "Only you are here" }).waitFor();
    await enter(eve, nickname.toLowerCase());
    await notice("You are banned.");
    assert.deepEqual(mistakes, []);
  });
}
