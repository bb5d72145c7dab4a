// What the official packages make of the codec vectors, and whether all vectors keep to their schemas.
//
//     node reference.mjs            compares; fails with the id of each row that is not as it says
//     node reference.mjs --write    fills in `made_with`, `canonical` and `reference`, and formats

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

import Ajv2020 from "ajv/dist/2020.js";

import { format } from "./format.mjs";
import { isEqual } from "./values.mjs";
import * as engine from "./engine.mjs";
import * as socket from "./socket.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

// For each file that the official packages can replay: the package, and its outcome for a row.
const REPLAYED = {
  "engine.io/v4/packets.json": { by: "engine.io-parser", ...engine.packets },
  "engine.io/v4/payloads.json": { by: "engine.io-parser", ...engine.payloads },
  "socket.io/v5/packets.json": { by: "socket.io-parser", ...socket.packets },
  "socket.io/v5/encode.json": { by: "socket.io-parser", ...socket.encode },
};

const problems = [];
const validators = new Map();

function problem(file, id, text) {
  problems.push(`${file}: ${id === undefined ? "" : `${id}: `}${text}`);
}

// Every file of vectors: <layer>.io/<dialect>/<name>.json.
function vectorFiles() {
  const files = [];
  for (const layer of ["engine.io", "socket.io"]) {
    for (const entry of readdirSync(join(ROOT, layer), { recursive: true })) {
      if (entry.endsWith(".json")) files.push(`${layer}/${entry.split(sep).join("/")}`);
    }
  }
  return files.sort();
}

// In every dialect, engine.io/…/packets.json keeps to engine-packets.schema.json, and a file that is
// alike in both layers to the schema of its own name.
function schemaOf(file) {
  const [layer, , name] = file.split("/");
  const own = name.replace(".json", ".schema.json");
  const ofLayer = `${layer.replace(".io", "")}-${own}`;
  return existsSync(join(ROOT, "schema", ofLayer)) ? ofLayer : own;
}

function checkSchema(file, content, ajv) {
  const name = schemaOf(file);
  try {
    if (!validators.has(name)) validators.set(name, ajv.compile(read(join(ROOT, "schema", name))));
  } catch (error) {
    problem(file, undefined, `no usable schema: ${error.message}`);
    return;
  }
  const validate = validators.get(name);
  if (validate(content)) return;
  for (const { instancePath, message } of validate.errors) {
    const row = content.rows?.[instancePath.split("/")[2]];
    problem(file, row?.id, `schema: ${instancePath} ${message}`);
  }
}

function checkIds(file, rows) {
  const seen = new Set();
  for (const { id } of rows) {
    if (seen.has(id)) problem(file, id, "the id is not unique");
    seen.add(id);
  }
}

function versionOf(name) {
  const require = createRequire(import.meta.url);
  for (let at = dirname(require.resolve(name)); ; at = dirname(at)) {
    try {
      const manifest = read(join(at, "package.json"));
      if (manifest.name === name && manifest.version) return manifest.version;
    } catch (error) {
      if (error.code !== "ENOENT" || at === dirname(at)) throw error;
    }
  }
}

function replay(file, content, { by, outcome, isSame, isCanonical }, write) {
  const made = { [by]: versionOf(by) };
  if (write) content.made_with = made;
  else if (!isEqual(content.made_with, made)) {
    problem(file, undefined, `made_with is not ${JSON.stringify(made)}`);
  }

  for (const row of content.rows) {
    const theirs = outcome(row);
    const reference = isSame(row, theirs) ? "same" : theirs;
    if (write) row.reference = reference;
    else if (!isEqual(row.reference, reference)) {
      problem(file, row.id, `the reference's outcome is ${JSON.stringify(reference)}`);
    }
    if ((reference === "same") !== (row.difference === undefined)) {
      const what = row.difference ? "given, and there is none" : "to be explained";
      problem(file, row.id, `a difference is ${what}`);
    }
    if (row.difference && row.difference.kind !== kindOf(row.expect, theirs)) {
      problem(file, row.id, `the difference is ${kindOf(row.expect, theirs)}`);
    }
    if (!isCanonical) continue;
    const canonical = row.expect.error ? undefined : isCanonical(row) || undefined;
    if (write) row.canonical = canonical;
    else if (row.canonical !== canonical) {
      problem(file, row.id, `canonical is ${canonical ? "to be set" : "not to be set"}`);
    }
  }
}

function kindOf(ours, theirs) {
  if (ours.error && !theirs.error) return "stricter";
  return theirs.error && !ours.error ? "laxer" : "other";
}

function read(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

const mode = process.argv[2] ?? "--check";
if (!["--check", "--write"].includes(mode)) {
  console.error("usage: node reference.mjs [--check | --write]");
  process.exit(2);
}
// Strict about unknown words, so that a slip in a schema does not check nothing.
const ajv = new Ajv2020({ strictSchema: true, strictTypes: false, strictTuples: false });
const files = vectorFiles();
for (const expected of Object.keys(REPLAYED)) {
  if (!files.includes(expected)) problem(expected, undefined, "the file is missing");
}
for (const file of files) {
  const path = join(ROOT, file);
  const content = read(path);
  const replayed = REPLAYED[file];
  if (replayed) {
    replay(file, content, replayed, mode === "--write");
    const text = format(content);
    if (mode === "--write") writeFileSync(path, text);
    else if (text !== readFileSync(path, "utf8")) problem(file, undefined, "not formatted; run --write");
  }
  checkSchema(file, content, ajv);
  checkIds(file, content.rows ?? []);
  const differing = (content.rows ?? []).filter((row) => row.difference).length;
  const compared = replayed ? `, ${differing} differ from the reference` : "";
  console.log(`${relative(".", path)}: ${content.rows?.length} rows${compared}`);
}
for (const text of problems) console.error(text);
console.log(`${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
