// Replays the requests and conversations of spec-vectors against the official server packages, and
// checks that each row says what they do.
//
// Usage: node conversations.mjs [id ...]

import { readFile } from "node:fs/promises";
import Ajv from "ajv/dist/2020.js";
import { EngineApplication, SocketApplication } from "./conversation-servers.mjs";
import { expectedOf, replay } from "./conversation-replay.mjs";
import { replayRequest } from "./conversation-requests.mjs";

const ROOT = new URL("../../", import.meta.url);
/** Rows that run at the same time: few enough that timers stay exact. */
const AT_ONCE = 12;
/** Times are real: a row that fails is tried again alone, this often. */
const RETRIES = 3;

const FILES = [
  ["engine.io/v4/requests.json", "requests", (row, settings) => replayRequest(row, settings)],
  [
    "engine.io/v4/conversations.json",
    "conversations",
    (row, settings) => replay(row, { Application: EngineApplication, ...settings }),
  ],
  [
    "socket.io/v5/conversations.json",
    "conversations",
    (row, settings) => replay(row, { Application: SocketApplication, ...settings }),
  ],
];

const read = async (file) => JSON.parse(await readFile(new URL(file, ROOT), "utf8"));

async function readRows(file, schema) {
  const document = await read(file);
  const validate = new Ajv({ strict: false }).compile(await read(`schema/${schema}.schema.json`));
  if (!validate(document)) {
    const [{ instancePath, message }] = validate.errors;
    throw new Error(`${file}${instancePath} ${message}`);
  }
  for (const [name, version] of Object.entries(document.made_with)) {
    const installed = await read(`tools/conversations/node_modules/${name}/package.json`);
    if (installed.version !== version) {
      throw new Error(`${file} is about ${name} ${version}, not ${installed.version}`);
    }
  }
  return document;
}

/** A row says either that the reference does the same, or where and why it does not. */
function checkClaim(row) {
  const differs = row.reference !== "same";
  const shown = row.steps ? row.steps.some(({ reference }) => reference !== undefined) : differs;
  if (differs !== shown) {
    throw new Error("`reference` of the row and of its steps contradict each other");
  }
  const answer = JSON.stringify({ ...row.answer, after: row.after });
  if (row.answer && differs && JSON.stringify(row.reference.answer) === answer) {
    throw new Error("the `answer` of the reference is no difference");
  }
  for (const step of row.steps ?? []) {
    const expected = JSON.stringify(expectedOf(step));
    if (step.reference !== undefined && expected === JSON.stringify(step.then)) {
      throw new Error("the `reference` of a step is no difference");
    }
  }
}

async function attempt({ row, run }) {
  try {
    checkClaim(row);
    await run();
    return undefined;
  } catch (error) {
    return error;
  }
}

async function runAll(tasks) {
  const failed = [];
  const queue = [...tasks];
  const work = async () => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
      if ((await attempt(task)) !== undefined) {
        failed.push(task);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const failures = [];
  for (const task of failed) {
    let error;
    for (let tries = 0; tries < RETRIES; tries += 1) {
      error = await attempt(task);
      if (error === undefined) {
        break;
      }
    }
    if (error !== undefined) {
      failures.push(`${task.file} ${task.row.id}: ${error.message}`);
    }
  }
  return { failures, retried: failed.length };
}

const wanted = new Set(process.argv.slice(2));
const begin = performance.now();
const tasks = [];
for (const [file, schema, run] of FILES) {
  const { config, path, rows } = await readRows(file, schema);
  const chosen = rows.filter(({ id }) => wanted.size === 0 || wanted.has(id));
  tasks.push(
    ...chosen.map((row) => ({ file, row, run: () => run(row, { config, path }) })),
  );
}
const { failures, retried } = await runAll(tasks);
for (const failure of failures) {
  console.error(failure);
}
const differing = tasks.filter(({ row }) => row.reference !== "same").length;
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
console.log(
  `${tasks.length} rows, ${differing} of them where the reference differs: ` +
    `${failures.length} failed, ${retried} tried again, ${seconds} s`,
);
process.exit(failures.length === 0 && tasks.length > 0 ? 0 : 1);
