// The elements that stand for people and for what they say. All text from people goes through
// `textContent`; nothing here parses HTML.

const GROUP_GAP = 5 * 60 * 1000;
const LINK = /https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}]/gu;

/** `h("p.lead", { title: "…" }, "text", child)` makes an element. */
export function h(selector, properties, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  element.className = classes.join(" ");
  Object.assign(element, properties);
  element.append(...children);
  return element;
}

/** Gives an element the hue of a nickname, for the style sheet to make colours from. */
export function tint(element, nickname) {
  let hash = 0x811c9dc5;
  for (const character of nickname.toLowerCase()) {
    hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  }
  // Twenty hues, none near the colour of one's own messages.
  element.style.setProperty("--hue", String((215 + ((hash >>> 8) % 20) * 15.5) % 360));
  return element;
}

export function fillAvatar(element, nickname) {
  const words = nickname.trim().split(/[\s_.-]+/u).filter(Boolean);
  const initials = words.length > 1 ? [words[0], words.at(-1)] : words;
  element.textContent = initials.map(firstCharacter).join("").toLocaleUpperCase();
  return tint(element, nickname);
}

/** What a reader takes for one character, for instance an emoji of several code points. */
function firstCharacter(word) {
  if (!Intl.Segmenter) return [...word][0];
  return new Intl.Segmenter().segment(word)[Symbol.iterator]().next().value.segment;
}

/** Whether `entry` carries on where `previous` stopped, without a name of its own. */
export function continues(previous, entry) {
  return Boolean(previous)
    && !previous.notice && !entry.notice
    && previous.nickname === entry.nickname
    && entry.at - previous.at < GROUP_GAP
    && sameDay(previous.at, entry.at);
}

export function sameDay(one, other) {
  return new Date(one).toDateString() === new Date(other).toDateString();
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

function timeOf(at) {
  return h("time", { dateTime: new Date(at).toISOString(), title: exact.format(at) }, clock.format(at));
}

export function dayDivider(at) {
  const day = 24 * 3600 * 1000;
  const label = sameDay(at, Date.now()) ? "Today" : sameDay(at, Date.now() - day) ? "Yesterday" : calendar.format(at);
  return h("li.divider", {}, h("span", {}, label));
}

export function unreadDivider() {
  return h("li.divider.unread", {}, h("span", {}, "New"));
}

/** The line of an entry in the log; `actions` are `open(url)` and `retry(entry)`. */
export function entryElement(entry, previous, actions) {
  if (entry.notice) {
    const who = tint(h("bdi.who", {}, entry.nickname), entry.nickname);
    return h("li.event", {}, h("span", {}, who, ` ${entry.notice} `, timeOf(entry.at)));
  }
  const item = tint(h("li.entry"), entry.nickname);
  item.classList.toggle("mine", entry.isMine);
  if (continues(previous, entry)) {
    item.classList.add("continued");
  } else {
    if (!entry.isMine) item.append(fillAvatar(h("span.avatar", { ariaHidden: "true" }), entry.nickname));
    const name = h("bdi.author", {}, entry.isMine ? "You" : entry.nickname);
    item.append(h("header", {}, name, " ", timeOf(entry.at)));
  }
  const bubble = h("div.bubble", { title: exact.format(entry.at) }, contentOf(entry, actions));
  bubble.classList.toggle("framed", "pictureUrl" in entry && entry.pictureUrl !== null);
  item.append(bubble);
  showDelivery(item, entry, actions);
  return item;
}

/** Shows on an own entry how far it has come. */
export function showDelivery(item, entry, actions) {
  item.querySelector(".delivery")?.remove();
  item.dataset.delivery = entry.delivery ?? "sent";
  if (entry.delivery === "queued") {
    item.append(h("p.delivery", {}, "Will be sent when the connection is back"));
  } else if (entry.delivery === "failed") {
    const retry = h("button", { type: "button", onclick: () => actions.retry(entry) }, "Try again");
    item.append(h("p.delivery", { role: "alert" }, `Not delivered: ${entry.failure}. `, retry));
  }
}

function contentOf(entry, actions) {
  if (!("pictureUrl" in entry)) return textElement(entry.text);
  if (entry.pictureUrl === null) return unreadable();
  const image = h("img", { alt: `Picture from ${entry.nickname}`, src: entry.pictureUrl, decoding: "async" });
  const button = h("button.picture", { type: "button", onclick: () => actions.open(image) }, image);
  image.onerror = () => button.replaceWith(unreadable());
  return button;
}

function unreadable() {
  return h("p.unreadable", {}, "A picture that cannot be shown");
}

function textElement(text) {
  const paragraph = h("p.text", { dir: "auto" });
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const link = h("a", { href: match[0], target: "_blank", rel: "noopener noreferrer" }, match[0]);
    paragraph.append(text.slice(end, match.index), link);
    end = match.index + match[0].length;
  }
  paragraph.append(text.slice(end));
  const isEmoji = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f|\s){1,12}$/u.test(text);
  paragraph.classList.toggle("large", isEmoji);
  return paragraph;
}
