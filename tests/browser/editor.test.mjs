// The page of the editor example: its operations and its client by themselves, official clients on
// the running example, and two tabs in Chromium.
//
//   EDITOR_URL  the example with the official client library, which is running already
//   CHROMIUM    the browser, /usr/bin/chromium where it is not given
//
// A test whose address is missing is skipped. The order of events comes from a seed, which a failure
// names.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { chromium } from "playwright-core";
import { io } from "socket.io-client";

import { Client } from "../../runtimes/tokio/examples/editor/page/client.js";
import { apply, compose, difference, move, transform } from "../../runtimes/tokio/examples/editor/page/operation.js";

const { EDITOR_URL, CHROMIUM = "/usr/bin/chromium" } = process.env;
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const SKIP = { skip: !EDITOR_URL && "EDITOR_URL is not set", timeout: 60_000 };

let browser;
after(() => browser?.close(), { timeout: 20_000 });

/** Random numbers below a bound, which the same seed repeats. */
function randomOf(seed) {
  let state = seed;
  return (end) => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) % end;
  };
}

const CHARACTERS = ["a", "b", "\n", "ß", "漢", "😀", "😁", "🎈"];

function randomText(random, longest) {
  return Array.from({ length: random(longest + 1) }, () => CHARACTERS[random(CHARACTERS.length)]).join("");
}

/** A text after a random change in one place, as somebody types it. */
function typed(random, text) {
  const characters = [...text];
  const removed = random(2) * random(4);
  characters.splice(random(characters.length + 1), removed, randomText(random, 3));
  return characters.join("");
}

/** An operation of several places. */
function randomOperation(random, text) {
  let [operation, changed] = [[], text];
  for (let count = random(4); count >= 0; count -= 1) {
    const next = typed(random, changed);
    operation = compose(operation, difference(changed, next));
    changed = next;
  }
  assert.equal(apply(operation, text), changed);
  return operation;
}

test("two operations in either order give one text, and two in a row are one", () => {
  for (let seed = 0; seed < 5000; seed += 1) {
    const random = randomOf(seed);
    const text = randomText(random, 20);
    const [one, other] = [randomOperation(random, text), randomOperation(random, text)];
    const [lateOne, lateOther] = transform(one, other);
    const here = apply(lateOther, apply(one, text));
    assert.equal(apply(lateOne, apply(other, text)), here, `seed ${seed}`);
    assert.equal(apply(compose(one, lateOther), text), here, `seed ${seed}`);
    assert.equal(apply(compose(other, lateOne), text), here, `seed ${seed}`);
    assert.ok(here.isWellFormed?.() ?? true, `seed ${seed}`);
  }
});

test("a difference cuts no character in two", () => {
  for (const [before, after, steps] of [
    ["", "", []],
    ["😀", "😁", [-2, "😁"]],
    ["a😀b", "a🎈b", [1, -2, "🎈"]],
    ["😀😀", "😀", [2, -2]],
    ["\u{1f600}", "\u{1fa00}", [-2, "\u{1fa00}"]],
    ["aa", "aaa", [2, "a"]],
    ["abc", "", [-3]],
  ]) {
    assert.deepEqual(difference(before, after), steps, `${before} to ${after}`);
  }
});

test("the cursor stays where it is in the text", () => {
  for (const [place, steps, moved] of [
    [3, ["ab"], 5],
    [3, [3, "ab"], 5],
    [3, [4, "ab"], 3],
    [3, [-2], 1],
    [3, [1, -5], 1],
    [3, [3, -2], 3],
    [3, [1, -1, "xyz", 5, "q"], 5],
  ]) {
    assert.equal(move(place, steps), moved, JSON.stringify(steps));
  }
});

/** A page without elements, on an official client. */
class Page extends Client {
  isOpen = false;
  onOpen = [];

  constructor(name) {
    super();
    this.socket = io(EDITOR_URL, { auth: { author: name }, forceNew: true, reconnectionDelay: 1 });
    this.socket.on("connect", () => this.open());
    this.socket.on("disconnect", () => (this.isOpen = false));
    this.socket.on("operation", (revision, operation) => this.isOpen && this.follow(operation));
  }

  open() {
    this.isOpen = false;
    this.socket.emit("open", this.revision, (answer) => {
      this.isOpen = true;
      if (answer.operations) {
        for (const { own, operation } of answer.operations) own ? this.accepted() : this.follow(operation);
        if (this.inFlight) this.send();
      } else {
        this.reset(answer.revision, answer.text);
      }
      for (const resolve of this.onOpen.splice(0)) resolve();
      if (!this.inFlight) this.settled?.();
    });
  }

  /** Resolves when the next answer to `open` has come. */
  opened() {
    return new Promise((resolve) => this.onOpen.push(resolve));
  }

  type(text) {
    if (this.edit(difference(this.text, text)) && this.isOpen) this.send();
  }

  send() {
    this.socket.emit("operation", this.revision, this.inFlight, (answer) => {
      assert.ok(answer.ok, answer.code);
      if (this.accepted()) this.send();
      if (!this.inFlight) this.settled?.();
    });
  }

  /** Resolves once the server has everything, whatever the connection does meanwhile. */
  settle() {
    return new Promise((resolve) => {
      this.settled = resolve;
      if (!this.inFlight && this.isOpen) resolve();
    });
  }
}

test("official clients that type and lose their connections end with the server's text", SKIP, async (t) => {
  const seed = Date.now() % 1_000_000;
  const random = randomOf(seed);
  const pages = Array.from({ length: 4 }, (_, index) => new Page(`${seed}-${index}`));
  t.after(() => pages.forEach(({ socket }) => socket.disconnect()));
  await Promise.all(pages.map((page) => page.opened()));
  for (let step = 0; step < 400; step += 1) {
    const page = pages[random(pages.length)];
    page.type(typed(random, page.text));
    if (page.socket.connected && random(100) === 0) page.socket.io.engine.close();
    // Lets messages come in between.
    if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  // A round trip after the last edit of all: then nothing is on its way.
  await Promise.all(pages.map((page) => page.settle()));
  await Promise.all(pages.map((page) => (page.open(), page.opened())));
  const fresh = new Page(`${seed}-fresh`);
  t.after(() => fresh.socket.disconnect());
  await fresh.opened();
  for (const page of pages) assert.deepEqual([page.revision, page.text], [fresh.revision, fresh.text], `seed ${seed}`);
});

test("two tabs edit one text", SKIP, async (t) => {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 30_000 });
  const context = await browser.newContext();
  t.after(() => context.close());
  context.setDefaultTimeout(10_000);
  await context.route("https://cdn.socket.io/**", (route) => route.abort());
  const mistakes = [];
  const tabs = [await context.newPage(), await context.newPage()];
  for (const tab of tabs) {
    tab.on("pageerror", (error) => mistakes.push(error.message));
    await tab.goto(EDITOR_URL);
    await tab.waitForSelector("#text:enabled");
  }
  const [one, other] = tabs;
  await one.fill("#text", "");
  await other.waitForFunction(() => editor.client.text === "");

  // Both type at the same time, one at the start and the other at the end.
  await one.fill("#text", "|");
  await other.waitForFunction(() => document.querySelector("#text").value === "|");
  await one.locator("#text").evaluate((area) => (area.focus(), area.setSelectionRange(0, 0)));
  await other.locator("#text").evaluate((area) => (area.focus(), area.setSelectionRange(1, 1)));
  await Promise.all([one.keyboard.type("left 😀 side ", { delay: 3 }), other.keyboard.type(" right 🎈 side", { delay: 2 })]);
  const expected = "left 😀 side | right 🎈 side";
  for (const tab of tabs) await tab.waitForFunction((text) => document.querySelector("#text").value === text, expected);

  // One loses its connection, both go on, and they come together again.
  await one.evaluate(() => editor.socket.io.engine.close());
  await one.keyboard.type("(offline)");
  await other.keyboard.type("!");
  const after = "left 😀 side (offline)| right 🎈 side!";
  for (const tab of tabs) await tab.waitForFunction((text) => document.querySelector("#text").value === text, after);
  assert.equal(await one.locator("#status").textContent(), "2 are here");
  assert.deepEqual(mistakes, []);
});
