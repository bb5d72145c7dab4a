// How the files are written: a line for each field of a row, so that a change shows where it is.

const ORDER = [
  "id", "title", "input", "frames", "packet", "expect",
  "canonical", "needs", "reference", "difference",
];

export function format({ rows, ...head }) {
  const field = ([name, value]) => `  ${JSON.stringify(name)}: ${spaced(value)},\n`;
  const fields = Object.entries(head).map(field);
  return `{\n${fields.join("")}  "rows": [\n${rows.map(formatRow).join(",\n")}\n  ]\n}\n`;
}

function formatRow(row) {
  const place = ([name]) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  const fields = Object.entries(row)
    .filter(([, value]) => value !== undefined)
    .sort((a, b) => place(a) - place(b))
    .map(([name, value]) => `      ${JSON.stringify(name)}: ${spaced(value)}`);
  return `    {\n${fields.join(",\n")}\n    }`;
}

function spaced(value) {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (value === null || typeof value !== "object") return escaped(JSON.stringify(value));
  const members = Object.entries(value).map(
    ([name, member]) => `${escaped(JSON.stringify(name))}: ${spaced(member)}`,
  );
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

// Characters that cannot be seen are escaped.
function escaped(json) {
  return json.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
