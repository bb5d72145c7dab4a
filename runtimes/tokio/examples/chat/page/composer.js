// The form under a conversation: text, the picture to send, and the notice that somebody types.

import { firstPicture, preparePicture } from "./picture.js";

const TEXT_LIMIT = 2000;
const TYPING_REPEAT = 2000;
const TYPING_END = 4000;

const $ = (id) => document.getElementById(id);

export class Composer {
  #picture = null;
  #typingSince = 0;
  #typingTimer = 0;

  /** `actions`: `send({ text } | { picture })`, `typing(active)`, `pictureLimit()`. */
  constructor(actions) {
    this.actions = actions;
    const text = $("text");
    text.oninput = () => this.#changed();
    text.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    };
    $("composer").onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    $("tray").querySelector("button").onclick = () => this.#setPicture(null);
    this.#preparePictures();
    this.#changed();
  }

  /** The text that was not sent yet; rooms keep it while another is shown. */
  get draft() {
    return $("text").value;
  }

  set draft(value) {
    this.stopTyping();
    this.#setPicture(null);
    $("text").value = value;
    this.#resize();
  }

  focus() {
    // On a touch screen this would open the keyboard unasked.
    if (matchMedia("(hover: hover)").matches) $("text").focus();
  }

  notify(text) {
    $("notice").textContent = text;
    $("notice").hidden = text === "";
  }

  stopTyping() {
    clearTimeout(this.#typingTimer);
    if (this.#typingSince > 0) this.actions.typing(false);
    this.#typingSince = 0;
  }

  #changed() {
    this.notify("");
    this.#resize();
    if ($("text").value.trim() === "") return this.stopTyping();
    if (Date.now() - this.#typingSince > TYPING_REPEAT) {
      this.#typingSince = Date.now();
      this.actions.typing(true);
    }
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => this.stopTyping(), TYPING_END);
  }

  #resize() {
    const text = $("text");
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
    const remaining = TEXT_LIMIT - [...text.value].length;
    $("remaining").hidden = remaining > 200;
    $("remaining").textContent = String(remaining);
    $("remaining").classList.toggle("over", remaining < 0);
    $("send").disabled = remaining < 0 || (text.value.trim() === "" && this.#picture === null);
  }

  #submit() {
    if ($("send").disabled) return;
    const text = $("text").value.trim();
    const picture = this.#picture;
    this.draft = "";
    if (picture) this.actions.send({ picture });
    if (text) this.actions.send({ text });
    $("text").focus();
  }

  #preparePictures() {
    $("attach").onclick = () => $("file").click();
    $("file").onchange = () => {
      this.#choose(firstPicture($("file").files));
      $("file").value = "";
    };
    addEventListener("paste", (event) => {
      const file = firstPicture(event.clipboardData?.files);
      if (!file) return;
      event.preventDefault();
      this.#choose(file);
    });
    const app = $("app");
    app.ondragover = (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      app.classList.add("dropping");
    };
    app.ondragleave = (event) => {
      if (!app.contains(event.relatedTarget)) app.classList.remove("dropping");
    };
    app.ondrop = (event) => {
      event.preventDefault();
      app.classList.remove("dropping");
      this.#choose(firstPicture(event.dataTransfer.files), "Only pictures can be dropped here.");
    };
  }

  async #choose(file, otherwise = "") {
    if (!file) return this.notify(otherwise);
    this.notify("");
    try {
      this.#setPicture(await preparePicture(file, this.actions.pictureLimit()));
      $("text").focus();
    } catch (error) {
      this.notify(error.message);
    }
  }

  #setPicture(picture) {
    const image = $("tray").querySelector("img");
    if (this.#picture) URL.revokeObjectURL(image.src);
    this.#picture = picture;
    $("tray").hidden = picture === null;
    image.removeAttribute("src");
    if (picture) {
      image.src = URL.createObjectURL(new Blob([picture.data], { type: picture.type }));
      $("tray").querySelector(".about").textContent = `${Math.ceil(picture.data.byteLength / 1000)} kB`;
    }
    this.#resize();
  }
}
