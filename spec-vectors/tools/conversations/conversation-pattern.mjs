// Ids that are random: `$name` stands for one, and for the same one from then on. Different names
// stand for different ids.

const PLACEHOLDER = /\$([a-z0-9]+)/;

export class Ids {
  #known = new Map();

  /** Puts ids in the place of their placeholders. */
  fill(pattern) {
    return pattern.replace(new RegExp(PLACEHOLDER, "g"), (_, name) => {
      if (!this.#known.has(name)) {
        throw new Error(`$${name} is not bound`);
      }
      return this.#known.get(name);
    });
  }

  bind(name, id) {
    this.#known.set(name, id);
  }

  /** Whether an output is the one expected; binds placeholders that were not bound before. */
  matches(expected, seen) {
    if (typeof expected === "string" && typeof seen === "string") {
      return this.#reads(expected, seen);
    }
    if (Array.isArray(expected) && Array.isArray(seen)) {
      return (
        expected.length === seen.length && expected.every((item, i) => this.matches(item, seen[i]))
      );
    }
    if (isObject(expected) && isObject(seen)) {
      const names = Object.keys(expected);
      return (
        names.length === Object.keys(seen).length &&
        names.every((name) => Object.hasOwn(seen, name) && this.matches(expected[name], seen[name]))
      );
    }
    return expected === seen;
  }

  #reads(pattern, text) {
    const found = PLACEHOLDER.exec(pattern);
    if (found === null) {
      return pattern === text;
    }
    const head = pattern.slice(0, found.index);
    if (!text.startsWith(head)) {
      return false;
    }
    const rest = text.slice(head.length);
    const id = /^[A-Za-z0-9_-]*/.exec(rest)[0];
    const [placeholder, name] = found;
    const isFree = ![...this.#known.values()].includes(id);
    const agrees = this.#known.has(name) ? this.#known.get(name) === id : isFree;
    if (id === "" || !agrees) {
      return false;
    }
    this.#known.set(name, id);
    return this.#reads(pattern.slice(head.length + placeholder.length), rest.slice(id.length));
  }
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
