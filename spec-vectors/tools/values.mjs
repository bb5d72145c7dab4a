// The forms in which the files write values, and their equality.

// A text or a buffer from one of the forms in which the files write them.
export function writtenOut(form) {
  if (typeof form === "string") return form;
  if (form.base64 !== undefined) return Buffer.from(form.base64, "base64");
  return form.pieces
    .map((piece) => (typeof piece === "string" ? piece : piece.repeat.repeat(piece.times)))
    .join("");
}

// The shortest form of a text or a buffer: long runs of one character are not written out.
export function form(value) {
  if (typeof value !== "string") return { base64: Buffer.from(value).toString("base64") };
  const pieces = value
    .split(/((.)\2{39,})/su)
    .filter((_, i) => i % 3 !== 2)
    .map((piece, i) => (i % 2 === 0 ? piece : run(piece)))
    .filter((piece) => piece !== "");
  return pieces.every((piece) => typeof piece === "string") ? value : { pieces };
}

function run(text) {
  const [character] = text;
  return { repeat: character, times: text.length / character.length };
}

// A list in which equal neighbours are written once.
export function folded(list) {
  const groups = [];
  for (const item of list) {
    const last = groups.at(-1);
    if (last && isEqual(last.repeat, item)) last.times += 1;
    else groups.push({ repeat: item, times: 1 });
  }
  return groups.flatMap((group) =>
    group.times > 2 ? [group] : Array(group.times).fill(group.repeat),
  );
}

// The reverse of `folded`.
export function unfolded(list) {
  return list.flatMap((item) =>
    item.times === undefined ? [item] : Array(item.times).fill(item.repeat),
  );
}

// The value of a `data_json`: numbers are doubles, `{"$binary": …}` is a buffer.
export function parseData(json) {
  return revive(JSON.parse(writtenOut(json)));
}

// A value as a `data_json`. What only JavaScript has is spelled out; only references need that.
export function dataJson(value) {
  return form(JSON.stringify(spell(value)));
}

// A number, spelled out if JSON has no form for it.
export function spell(value) {
  if (value === undefined) return { $undefined: true };
  if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
  if (Buffer.isBuffer(value)) return { $binary: value.toString("base64") };
  return mapped(value, spell);
}

function revive(value) {
  if (typeof value?.$binary === "string") return Buffer.from(value.$binary, "base64");
  if (typeof value?.$number === "string") return Number(value.$number);
  return mapped(value, revive);
}

function mapped(value, transform) {
  if (Array.isArray(value)) return value.map(transform);
  if (value === null || typeof value !== "object" || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, transform(member)]));
}

// JSON equality: the order of members is nothing, 0 and -0 are equal, absent is undefined.
export function isEqual(a, b) {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Buffer.isBuffer(a) || Buffer.isBuffer(b)) {
    return Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b);
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a).filter((key) => a[key] !== undefined);
  const others = Object.keys(b).filter((key) => b[key] !== undefined);
  return (
    keys.length === others.length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]))
  );
}
