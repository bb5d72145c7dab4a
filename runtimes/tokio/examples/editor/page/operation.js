// Operations on a text, as operation.rs has them: a list of steps, `5` keeps 5 code units, "abc"
// inserts, `-2` deletes 2; what lies behind the last step is kept. Lengths are in UTF-16 code units,
// those of JavaScript's strings. Nothing here knows a page or a connection.

/** Adds a step at the end of a list. */
function push(steps, step) {
  if (step === 0 || step === "") return;
  const last = steps.at(-1);
  const isSame = typeof last === typeof step && (typeof step === "string" || last > 0 === step > 0);
  if (isSame) steps[steps.length - 1] = last + step;
  else steps.push(step);
}

/** Takes the last step away if it keeps something. */
function trimmed(steps) {
  if (steps.at(-1) > 0) steps.pop();
  return steps;
}

/** The steps of an operation, in parts of the size that is asked for; then it keeps for ever. */
class Walk {
  #steps;
  #next = 0;
  #rest;

  constructor(steps) {
    this.#steps = steps;
    this.#rest = steps[0] ?? Infinity;
  }

  /** The step that is next, or what is left of it. */
  get step() {
    return this.#rest;
  }

  /** How much text before the operation it concerns. */
  get length() {
    return typeof this.#rest === "string" ? 0 : Math.abs(this.#rest);
  }

  /** Takes all of an insert, or so many code units of another step; gives that part. */
  take(length) {
    const step = this.#rest;
    const part = typeof step === "string" ? step : Math.sign(step) * length;
    const isDone = typeof step === "string" || Math.abs(step) === length;
    if (isDone) this.#rest = this.#steps[(this.#next += 1)] ?? Infinity;
    else this.#rest = step - part;
    return part;
  }

  /** Takes so many code units of an insert; gives them. */
  takeText(length) {
    const text = this.#rest;
    if (length === text.length) return this.take();
    this.#rest = text.slice(length);
    return text.slice(0, length);
  }
}

/** The text after an operation. */
export function apply(steps, text) {
  let [changed, at] = ["", 0];
  for (const step of steps) {
    if (typeof step === "string") changed += step;
    else if (step > 0) changed += text.slice(at, (at += step));
    else at -= step;
  }
  return changed + text.slice(at);
}

/**
 * Makes of two operations on one text two that can follow each other: `[first, second]` so that the
 * old first and then the new second gives the same text as the old second and then the new first.
 * Where both insert at one place, the text of the first comes first.
 */
export function transform(first, second) {
  const [newFirst, newSecond] = [[], []];
  const [one, other] = [new Walk(first), new Walk(second)];
  while (one.step !== Infinity || other.step !== Infinity) {
    if (typeof one.step === "string") {
      push(newSecond, one.step.length);
      push(newFirst, one.take());
    } else if (typeof other.step === "string") {
      push(newFirst, other.step.length);
      push(newSecond, other.take());
    } else {
      const length = Math.min(one.length, other.length);
      const [a, b] = [one.take(length), other.take(length)];
      if (b > 0) push(newFirst, a);
      if (a > 0) push(newSecond, b);
    }
  }
  return [trimmed(newFirst), trimmed(newSecond)];
}

/** One operation that does what `first` and then `second` do. */
export function compose(first, second) {
  const steps = [];
  const [one, other] = [new Walk(first), new Walk(second)];
  while (one.step !== Infinity || other.step !== Infinity) {
    if (typeof other.step === "string") {
      push(steps, other.take());
    } else if (one.step < 0) {
      push(steps, one.take(one.length));
    } else if (typeof one.step === "string") {
      const length = Math.min(one.step.length, other.length);
      const text = one.takeText(length);
      if (other.take(length) > 0) push(steps, text);
    } else {
      const length = Math.min(one.length, other.length);
      one.take(length);
      push(steps, other.take(length));
    }
  }
  return trimmed(steps);
}

/** The operation that makes one text of another: one place where something changed. */
export function difference(before, after) {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  if (isInside(before, start) || isInside(after, start)) start -= 1;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  if (isInside(before, before.length - end) || isInside(after, after.length - end)) end -= 1;
  const steps = [];
  push(steps, start);
  push(steps, start + end - before.length);
  push(steps, after.slice(start, after.length - end));
  return steps;
}

/** Whether a place is between the two halves of a surrogate pair. */
function isInside(text, at) {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(Math.max(0, at - 1), at + 1));
}

/** Where a place in the text, such as the cursor, is after an operation. */
export function move(place, steps) {
  let [moved, at] = [place, 0];
  for (const step of steps) {
    if (at > place) break;
    if (typeof step === "string") {
      moved += step.length;
    } else if (step > 0) {
      at += step;
    } else {
      moved -= Math.min(-step, Math.max(0, place - at));
      at -= step;
    }
  }
  return moved;
}
