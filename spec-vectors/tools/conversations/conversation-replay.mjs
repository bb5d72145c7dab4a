// One conversation against the official server, in real time.

import { Client } from "./conversation-client.mjs";
import { Ids } from "./conversation-pattern.mjs";
import { startServer } from "./conversation-servers.mjs";

/** How far an output's time may be from the one written down. */
const TOLERANCE_MS = 75;
/** How long a conversation is listened to after its last step. */
const LINGER_MS = 100;
const MAX_WAIT_MS = 2_000;

/** How long this process, in which client and server run, has been held up so far. */
const heldUp = { ms: 0 };
{
  const PERIOD_MS = 5;
  let last = performance.now();
  const ticker = setInterval(() => {
    const now = performance.now();
    heldUp.ms += Math.max(0, now - last - PERIOD_MS);
    last = now;
  }, PERIOD_MS);
  ticker.unref();
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** What the official server has to do at a step: `undefined` if it is left out there. */
export function expectedOf(step) {
  if (step.reference === "skip") {
    return undefined;
  }
  // It never takes a CONNECT back by itself, and so has no word for it.
  return (step.reference ?? step.then).filter(({ event }) => event !== "withdrawn");
}

export async function replay(conversation, { Application, config, path }) {
  const clock = { start: performance.now() };
  const channels = new Map();
  const note = (raw) => {
    // Members that are undefined do not show.
    const output = JSON.parse(JSON.stringify(raw));
    const at = performance.now() - clock.start;
    const channel = output.name ?? "the application";
    if (!channels.has(channel)) {
      channels.set(channel, []);
    }
    channels.get(channel).push({ at, output });
  };
  const server = await startServer(Application, {
    app: conversation.app,
    config: { ...config, ...conversation.config },
    path,
    tell: (event) => note(normal({ see: "app", ...event })),
  });
  const client = new Client(server, path, note);
  clock.start = performance.now();
  try {
    await play(conversation, { client, clock, channels, server });
  } finally {
    client.stop();
    server.stop();
  }
}

/** The two names of the server's own doing depend on the state of its transport. */
function normal(output) {
  const reason = output.reason?.replace("forced server close", "forced close");
  return reason === undefined ? output : { ...output, reason };
}

async function play({ steps }, { client, clock, channels, server }) {
  const ids = new Ids();
  for (const [index, step] of steps.entries()) {
    const expected = expectedOf(step);
    if (expected === undefined) {
      continue;
    }
    const where = `step ${index} (${step.at} ms)`;
    await sleep(clock.start + step.at - performance.now());
    const began = Math.max(step.at, performance.now() - clock.start);
    const before = heldUp.ms;
    await act(step, ids, client, server);
    const times = {
      early: step.at - TOLERANCE_MS,
      late: () => began + (step.within ?? 0) + TOLERANCE_MS + heldUp.ms - before,
    };
    for (const output of expected) {
      await take(normal(output), { where, channels, ids, times });
    }
    // What was sent together may not arrive together: it is read before the next step.
    await sleep(3);
  }
  await sleep(LINGER_MS);
  const left = [...channels.values()].flat().map(({ output }) => JSON.stringify(output));
  if (left.length > 0) {
    throw new Error(`nobody expected ${left.join(", ")}`);
  }
}

async function act(step, ids, client, server) {
  const filled = { ...step };
  for (const name of ["query", "body", "text"]) {
    if (step[name] !== undefined) {
      filled[name] = ids.fill(step[name]);
    }
  }
  if (step.do === "wait") {
    return;
  }
  if (step.do.startsWith("app_")) {
    server.application.act(filled);
    return;
  }
  const before = server.arrived.count;
  client[step.do](filled);
  if (step.do === "request" || step.do === "websocket") {
    const until = performance.now() + MAX_WAIT_MS;
    while (server.arrived.count === before && performance.now() < until) {
      await sleep(1);
    }
  }
}

/** Waits for the next output of a name, which has to be the one expected. */
async function take(expected, { where, channels, ids, times }) {
  const channel = expected.name ?? "the application";
  const until = performance.now() + MAX_WAIT_MS;
  while (!(channels.get(channel)?.length > 0)) {
    if (performance.now() > until) {
      throw new Error(`${where}: ${JSON.stringify(expected)} did not come`);
    }
    await sleep(1);
  }
  const { at, output } = channels.get(channel).shift();
  if (!ids.matches(expected, output)) {
    throw new Error(
      `${where}: expected ${JSON.stringify(expected)}, but came ${JSON.stringify(output)}`,
    );
  }
  if (at < times.early || at > times.late()) {
    throw new Error(`${where}: ${JSON.stringify(output)} came at ${Math.round(at)} ms`);
  }
}
