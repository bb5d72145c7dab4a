// The page of the chat example in Chromium, against a server that is already running:
//
//   CHAT_URL           the example with a vendor folder (the official client library)
//   CHAT_FALLBACK_URL  the example without one
//   CHROMIUM           the browser, /usr/bin/chromium where it is not given
//   SCREENSHOT         optional, a path such as chat.png: also writes chat-dark.png,
//                      chat-phone.png and chat-phone-dark.png next to it
//
// A test whose address is missing is skipped. The public CDN is never asked.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { landscape, noise } from "./png.mjs";

const { CHAT_URL, CHAT_FALLBACK_URL, CHROMIUM = "/usr/bin/chromium", SCREENSHOT } = process.env;
const STEP_LIMIT = 10_000;
const TEST_LIMIT = 90_000;
const PICTURE_LIMIT = 900_000;

// Tells what this run says in the lobby from what an earlier one said there.
const RUN = randomUUID().slice(0, 8);

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let browser;

before(async () => {
  if (CHAT_URL || CHAT_FALLBACK_URL) browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 30_000 });
}, { timeout: 40_000 });

after(() => browser?.close(), { timeout: 20_000 });

/** Two tabs of one browser profile, and the mistakes that their consoles report. */
async function twoTabs(t, url, cdn) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB" });
  t.after(() => context.close());
  context.setDefaultTimeout(STEP_LIMIT);
  await context.route("https://cdn.socket.io/**", cdn);
  const mistakes = [];
  const tabs = [await context.newPage(), await context.newPage()];
  for (const tab of tabs) {
    tab.on("pageerror", (error) => mistakes.push(error.message));
    tab.on("console", (message) => {
      // A missing script is how the page learns that there is no vendor folder.
      const isExpected = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !isExpected) mistakes.push(message.text());
    });
    await tab.goto(url);
  }
  return { tabs, mistakes };
}

async function enter(tab, nickname) {
  await tab.fill("#nickname", nickname);
  await tab.click("#enter");
}

async function enterAndWait(tab, nickname) {
  await enter(tab, nickname);
  await tab.waitForSelector("#app:not([hidden])");
  await tab.waitForFunction(() => /^\d+ members?$/.test(document.querySelector("#room-subtitle").textContent));
}

async function say(tab, text) {
  await tab.fill("#text", text);
  await tab.press("#text", "Enter");
}

const message = (tab, text) => tab.locator("#log .entry", { hasText: text });
const title = (tab, name) => tab.waitForFunction((name) => document.querySelector("#room-title").textContent === `# ${name}`, name);
const settled = (tab, text) => tab.waitForFunction(
  (text) => [...document.querySelectorAll("#log .entry.mine")].some((entry) => entry.textContent.includes(text) && entry.dataset.delivery === "sent"),
  text,
);

/**
 * Closes the connection under the page, waits for the banner, and sends what is in the composer
 * while the banner is there; resolves to how far that message has come. All of it within the page:
 * the connection may be back before the next command arrives.
 */
function loseConnection(tab) {
  return tab.evaluate(() => new Promise((resolve) => {
    const banner = document.querySelector("#banner");
    const observer = new MutationObserver(() => {
      if (banner.hidden) return;
      observer.disconnect();
      document.querySelector("#composer").requestSubmit();
      resolve([...document.querySelectorAll("#log .entry.mine")].at(-1).dataset.delivery);
    });
    observer.observe(banner, { attributes: true });
    chat.socket.io.engine.close();
  }));
}

/** Waits until the newest picture in the log is decoded; resolves to what it is. */
async function lastPicture(tab) {
  const handle = await tab.waitForFunction(() => {
    const image = [...document.querySelectorAll("#log .picture img")].at(-1);
    return image?.complete && image.naturalWidth > 0 ? image : null;
  });
  return handle.evaluate(({ naturalWidth, naturalHeight, src }) => {
    return { width: naturalWidth, height: naturalHeight, isBlob: src.startsWith("blob:") };
  });
}

test("two tabs chat through the official client", { skip: !CHAT_URL && "CHAT_URL is not set", timeout: TEST_LIMIT }, async (t) => {
  const { tabs: [ada, bob], mistakes } = await twoTabs(t, CHAT_URL, (route) => route.abort());
  const binaryFrames = [];
  ada.on("websocket", (socket) => socket.on("framesent", ({ payload }) => {
    if (typeof payload !== "string") binaryFrames.push(payload.length);
  }));
  await enterAndWait(ada, "Ada Lovelace");

  await t.test("the second tab remembers the nickname, and is refused with it", async () => {
    await bob.reload();
    assert.equal(await bob.inputValue("#nickname"), "Ada Lovelace");
    await enter(bob, "ada lovelace");
    await bob.locator("#entry-error", { hasText: "already" }).waitFor();
    await enterAndWait(bob, "Bob");
  });

  await t.test("both see both, and each other's messages", async () => {
    await ada.locator("#member-list li", { hasText: "Bob" }).waitFor();
    await ada.locator("#log .event", { hasText: "Bob joined" }).waitFor();
    await say(ada, `Good morning, Bob. ${RUN}`);
    await message(bob, `Good morning, Bob. ${RUN}`).waitFor();
    await say(bob, `Morning! <b>Not bold</b> ${RUN}`);
    await message(ada, `Morning! <b>Not bold</b> ${RUN}`).waitFor();
    assert.equal(await ada.locator("#log b").count(), 0);
    await settled(ada, `Good morning, Bob. ${RUN}`);
    const isMine = (tab) => message(tab, `Good morning, Bob. ${RUN}`).evaluate((entry) => entry.classList.contains("mine"));
    assert.deepEqual([await isMine(ada), await isMine(bob)], [true, false]);
  });

  await t.test("the transport ends as websocket after polling", async () => {
    for (const tab of [ada, bob]) {
      await tab.waitForSelector('#status[data-transport="websocket"]');
      assert.equal(await tab.textContent("#status .transport"), "polling → websocket");
      assert.equal(await tab.getAttribute("#status", "data-library"), "local");
    }
  });

  await t.test("the typing notice comes and goes", async () => {
    await bob.locator("#text").pressSequentially("I am writ");
    await ada.locator("#typing.shown", { hasText: "Bob is typing" }).waitFor();
    await bob.fill("#text", "");
    await ada.waitForSelector("#typing:not(.shown)", { state: "attached" });
  });

  await t.test("rooms are made, found, joined and switched, and count what is unread", async () => {
    await ada.fill("#room-name", "engines");
    await ada.press("#room-name", "Enter");
    await title(ada, "engines");
    await say(ada, "The analytical engine weaves algebraic patterns.");
    await settled(ada, "algebraic patterns");
    await say(bob, "Where did you go?");
    await ada.locator('[data-room="lobby"] .badge', { hasText: "1" }).waitFor();
    await bob.click('[data-room="engines"]');
    await title(bob, "engines");
    await ada.locator("#log .event", { hasText: "Bob joined" }).waitFor();
  });

  await t.test("who comes late finds the history", async () => {
    await message(bob, "algebraic patterns").waitFor();
  });

  await t.test("a picture travels as binary and is shown", async () => {
    await ada.setInputFiles("#file", { name: "hills.png", mimeType: "image/png", buffer: landscape(640, 400) });
    await ada.waitForSelector("#tray img[src]");
    await ada.press("#text", "Enter");
    const picture = await lastPicture(bob);
    assert.deepEqual(picture, { width: 640, height: 400, isBlob: true });
    assert.equal(binaryFrames.length, 1);
  });

  await t.test("a picture that is too large is made smaller", async () => {
    const buffer = noise(800, 600);
    assert.ok(buffer.length > PICTURE_LIMIT);
    const before = await bob.locator("#log .picture").count();
    await ada.setInputFiles("#file", { name: "noise.png", mimeType: "image/png", buffer });
    await ada.waitForSelector("#tray img[src]");
    await ada.click("#send");
    await bob.locator("#log .picture").nth(before).waitFor();
    assert.ok((await lastPicture(bob)).width > 0);
    assert.equal(binaryFrames.length, 2);
    assert.ok(binaryFrames[1] <= PICTURE_LIMIT, `${binaryFrames[1]} bytes`);
  });

  await t.test("a lost connection is shown, and what was written meanwhile is sent", async () => {
    await ada.fill("#text", "Written while offline.");
    assert.equal(await loseConnection(ada), "queued");
    await ada.waitForSelector("#banner", { state: "hidden" });
    await message(bob, "Written while offline.").waitFor();
    await settled(ada, "Written while offline.");
    assert.equal(await message(ada, "Written while offline.").count(), 1);
  });

  if (SCREENSHOT) {
    await t.test("screenshots", async () => {
      const katherine = await ada.context().newPage();
      await katherine.goto(CHAT_URL);
      await screenshots({ ada, bob, katherine });
    });
  }

  assert.deepEqual(mistakes, []);
});

test("two tabs chat through the built-in client", { skip: !CHAT_FALLBACK_URL && "CHAT_FALLBACK_URL is not set", timeout: TEST_LIMIT }, async (t) => {
  // The CDN refuses the first request; the second one hangs, which must not hang the page.
  let requests = 0;
  const cdn = (route) => (requests++ === 0 ? route.abort() : undefined);
  const { tabs: [carla, dan], mistakes } = await twoTabs(t, CHAT_FALLBACK_URL, cdn);
  await enterAndWait(carla, "Carla");

  await t.test("it says which client it uses", async () => {
    assert.equal(await carla.getAttribute("#status", "data-library"), "fallback");
    assert.equal(await carla.getAttribute("#status", "data-transport"), "websocket");
  });

  await t.test("a nickname that is taken is refused", async () => {
    await enter(dan, "Carla");
    await dan.locator("#entry-error", { hasText: "already" }).waitFor();
    await enterAndWait(dan, "Dan");
  });

  await t.test("messages, pictures, acks and histories work", async () => {
    await say(carla, `Without the library. ${RUN}`);
    await message(dan, `Without the library. ${RUN}`).waitFor();
    await settled(carla, `Without the library. ${RUN}`);
    const before = await carla.locator("#log .picture").count();
    await dan.setInputFiles("#file", { name: "hills.png", mimeType: "image/png", buffer: landscape(320, 200) });
    await dan.waitForSelector("#tray img[src]");
    await dan.click("#send");
    await carla.locator("#log .picture").nth(before).waitFor();
    assert.equal((await lastPicture(carla)).width, 320);
    await dan.reload();
    await message(dan, `Without the library. ${RUN}`).waitFor();
    assert.equal((await lastPicture(dan)).width, 320);
  });

  await t.test("it comes back after the connection was lost", async () => {
    await carla.fill("#text", `Back again. ${RUN}`);
    assert.equal(await loseConnection(carla), "queued");
    await carla.waitForSelector("#banner", { state: "hidden" });
    await message(dan, `Back again. ${RUN}`).waitFor();
  });

  assert.deepEqual(mistakes, []);
});

/** A conversation worth looking at, from the eyes of Ada. */
async function screenshots({ ada, bob, katherine }) {
  for (const tab of [ada, bob]) {
    await tab.fill("#room-name", "garden");
    await tab.press("#room-name", "Enter");
    await title(tab, "garden");
  }
  await enterAndWait(katherine, "Katherine");
  await katherine.click('[data-room="garden"]');
  await title(katherine, "garden");
  const lines = [
    [bob, "Has anybody been up to the hills this week?"],
    [bob, "They say the broom is in flower."],
    [katherine, "Yesterday evening, just before the sun went down. I took a picture, wait a moment…"],
  ];
  for (const [tab, text] of lines) await sayAndSettle(tab, text, ada);
  await katherine.setInputFiles("#file", { name: "hills.png", mimeType: "image/png", buffer: landscape(760, 428) });
  await katherine.waitForSelector("#tray img[src]");
  await katherine.click("#send");
  await lastPicture(ada);
  await sayAndSettle(ada, "Oh, that is lovely!", bob);
  await sayAndSettle(ada, "Shall we go together on Sunday? I can bring tea, and the first chapters of my notes.", bob);
  await sayAndSettle(bob, "Count me in. Half past nine at the bridge?", ada);
  for (const tab of [bob, katherine]) {
    await tab.click('[data-room="lobby"]');
    await title(tab, "lobby");
  }
  await sayAndSettle(bob, "Anybody still here?");
  await ada.locator('[data-room="lobby"] .badge').waitFor();
  await katherine.click('[data-room="garden"]');
  await title(katherine, "garden");
  await katherine.locator("#text").pressSequentially("Nine");
  await ada.locator("#typing.shown").waitFor();

  const path = (suffix) => SCREENSHOT.replace(/(\.png)?$/, `${suffix}.png`);
  for (const [shape, viewport] of [["", { width: 1280, height: 800 }], ["-phone", { width: 390, height: 844 }]]) {
    await ada.setViewportSize(viewport);
    for (const [suffix, colorScheme] of [["", "light"], ["-dark", "dark"]]) {
      await ada.emulateMedia({ colorScheme });
      await katherine.locator("#text").press("i");
      await ada.locator("#typing.shown").waitFor();
      await ada.screenshot({ path: path(shape + suffix), animations: "disabled" });
    }
  }
}

async function sayAndSettle(tab, text, other) {
  await say(tab, text);
  await settled(tab, text);
  if (other) await message(other, text).waitFor();
}
