// Shows the state of the chat; knows nothing of the connection. The style sheet and this file agree
// on the ids in index.html.

import { dayDivider, entryElement, fillAvatar, h, sameDay, showDelivery, tint, unreadDivider } from "./message.js";

const $ = (id) => document.getElementById(id);
const NEAR = 80;

export class View {
  /** `actions`: `select(roomName)`, `retry(entry)`. */
  constructor(actions) {
    this.actions = { ...actions, open: (image) => this.#openViewer(image) };
    this.elements = new WeakMap();
    this.isAtEnd = true;
    this.last = null;
    this.opener = null;
    this.shown = null;
    const scroller = $("scroller");
    scroller.addEventListener("scroll", () => {
      this.isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
      if (this.isAtEnd) $("jump").hidden = true;
    }, { passive: true });
    // Pictures arrive at their height late, and keyboards take height away.
    const observer = new ResizeObserver(() => this.isAtEnd && this.scrollToEnd());
    for (const element of [scroller, $("log")]) observer.observe(element);
    $("jump").onclick = () => this.scrollToEnd();
    this.#prepareDrawers();
    $("viewer").onclick = () => $("viewer").close();
  }

  // Coming in.

  showEntry({ nickname, error = "", isBusy = false, hint = "Enter" }) {
    $("entry").hidden = false;
    $("app").hidden = true;
    if (nickname !== undefined) $("nickname").value = nickname;
    $("entry-error").textContent = error;
    $("nickname").setAttribute("aria-invalid", String(error !== ""));
    $("enter").disabled = isBusy;
    $("enter").textContent = hint;
    this.showEntryAvatar();
    if (!isBusy) $("nickname").focus();
  }

  showEntryAvatar() {
    const nickname = $("nickname").value.trim();
    fillAvatar($("entry-avatar"), nickname || "?");
    $("entry-avatar").classList.toggle("blank", nickname === "");
  }

  showApp(nickname) {
    $("entry").hidden = true;
    $("app").hidden = false;
    $("my-nickname").textContent = nickname;
    fillAvatar($("my-avatar"), nickname);
  }

  // Around the conversation.

  /** The banner over the conversation; an empty text takes it away. */
  showBanner(text) {
    $("banner").hidden = text === "";
    $("banner").lastElementChild.textContent = text;
    $("my-state").textContent = text === "" ? "online" : "reconnecting";
    $("app").classList.toggle("offline", text !== "");
  }

  showStatus({ transports, library }) {
    const status = $("status");
    status.dataset.transport = transports.at(-1) ?? "none";
    status.dataset.library = library?.kind ?? "none";
    status.querySelector(".transport").textContent = transports.join(" → ") || "not connected";
    status.querySelector(".library").textContent = library?.label ?? "";
  }

  showRooms(directory, rooms, current) {
    const focused = document.activeElement?.dataset?.room;
    const counts = new Map(directory.map(({ name, members }) => [name, members]));
    const others = directory.filter(({ name }) => !rooms.has(name)).map(({ name }) => name);
    const list = (title, names) => [
      h("h2", {}, title),
      h("ul", {}, ...names.map((name) => this.#roomItem(name, rooms.get(name), counts.get(name), current))),
    ];
    $("rooms").replaceChildren(
      ...list("Your rooms", [...rooms.keys()].sort()),
      ...(others.length > 0 ? list("Other rooms", others) : []),
    );
    if (focused !== undefined) $("rooms").querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();

    const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
    $("open-sidebar").querySelector(".dot").hidden = unread === 0;
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${current ? `#${current.name} · ` : ""}Chat`;
  }

  #roomItem(name, room, count, current) {
    const button = h("button.room", { type: "button", onclick: () => this.#select(name) },
      h("span.hash", { ariaHidden: "true" }, "#"),
      h("bdi.name", { title: name }, name));
    button.dataset.room = name;
    if (current?.name === name) button.setAttribute("aria-current", "true");
    const unread = room?.unread ?? 0;
    if (unread > 0) {
      button.classList.add("has-unread");
      button.append(h("span.badge", { ariaLabel: `${unread} unread`, role: "img" }, unread > 99 ? "99+" : String(unread)));
    } else if (count !== undefined) {
      button.append(h("span.count", { ariaLabel: `${count} members`, role: "img" }, String(count)));
    }
    return h("li", {}, button);
  }

  #select(name) {
    this.closeDrawers();
    this.actions.select(name);
  }

  // The conversation.

  /** Shows a room from its log; showing the same room again keeps the place that is read. */
  showRoom(room, isOnly) {
    const place = this.shown === room && !this.isAtEnd ? $("scroller").scrollTop : null;
    this.shown = room;
    $("room-title").textContent = `# ${room.name}`;
    $("leave-room").hidden = isOnly;
    this.showMembers(room);
    this.showTyping(room);
    $("log").replaceChildren();
    $("jump").hidden = true;
    this.last = null;
    for (const entry of room.log) this.#append(room, entry);
    if (room.log.length === 0) {
      const hint = h("span", {}, "Say hello, or drop a picture.");
      $("log").append(h("li.empty", {}, h("strong", {}, "Nothing here yet"), hint));
    }
    if (place === null) this.scrollToEnd();
    else $("scroller").scrollTop = place;
  }

  showMembers(room) {
    const names = [...room.members].sort((a, b) => a.localeCompare(b));
    const noun = names.length === 1 ? "member" : "members";
    $("room-subtitle").textContent = room.isReady ? `${names.length} ${noun}` : "joining…";
    for (const count of document.querySelectorAll("#members .count, #open-members .count")) {
      count.textContent = String(names.length);
    }
    $("member-list").replaceChildren(...names.map((name) => {
      const isMe = name === room.me;
      const typing = room.typing.has(name) ? h("small", {}, "typing…") : isMe ? h("small", {}, "you") : "";
      return h("li", {}, fillAvatar(h("span.avatar", { ariaHidden: "true" }), name), h("bdi", { title: name }, name), typing);
    }));
  }

  showTyping(room) {
    const names = [...room.typing.keys()];
    const who = $("typing").querySelector(".who");
    who.replaceChildren();
    if (names.length > 3) who.append("Several people are typing");
    else if (names.length > 0) {
      for (const [i, name] of names.entries()) {
        const joint = i === 0 ? "" : i === names.length - 1 ? " and " : ", ";
        who.append(joint, tint(h("bdi", {}, name), name));
      }
      who.append(names.length > 1 ? " are typing" : " is typing");
    }
    $("typing").classList.toggle("shown", names.length > 0);
  }

  /** Adds one entry to the room that is shown. */
  append(room, entry) {
    const follow = this.isAtEnd || entry.isMine;
    $("log").querySelector(".empty")?.remove();
    this.#append(room, entry);
    if (follow) this.scrollToEnd();
    else $("jump").hidden = Boolean(entry.notice) && $("jump").hidden;
  }

  #append(room, entry) {
    if (!this.last || !sameDay(this.last.at, entry.at)) $("log").append(dayDivider(entry.at));
    const isFirstUnread = room.firstUnread === entry;
    if (isFirstUnread) $("log").append(unreadDivider());
    const element = entryElement(entry, isFirstUnread ? null : this.last, this.actions);
    this.elements.set(entry, element);
    this.last = entry;
    $("log").append(element);
  }

  /** An own entry was delivered, or was not. */
  showDelivery(entry) {
    const element = this.elements.get(entry);
    if (element) showDelivery(element, entry, this.actions);
  }

  scrollToEnd() {
    this.isAtEnd = true;
    $("jump").hidden = true;
    $("scroller").scrollTop = $("scroller").scrollHeight;
  }

  // The drawers of a narrow window.

  #prepareDrawers() {
    for (const [button, drawer] of [["open-sidebar", "sidebar"], ["open-members", "members"]]) {
      $(button).onclick = () => this.#openDrawer($(button), $(drawer));
    }
    $("shade").onclick = () => this.closeDrawers();
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.closeDrawers();
    });
  }

  #openDrawer(button, drawer) {
    drawer.classList.add("open");
    button.setAttribute("aria-expanded", "true");
    $("shade").hidden = false;
    $("conversation").inert = true;
    this.opener = button;
    drawer.focus();
  }

  closeDrawers() {
    if (!this.opener) return;
    for (const drawer of [$("sidebar"), $("members")]) drawer.classList.remove("open");
    $("shade").hidden = true;
    $("conversation").inert = false;
    this.opener.setAttribute("aria-expanded", "false");
    this.opener.focus();
    this.opener = null;
  }

  #openViewer(image) {
    const viewer = $("viewer");
    Object.assign(viewer.firstElementChild, { src: image.src, alt: image.alt });
    viewer.showModal();
  }
}
