// Starts the server under test, and makes sure that it ends.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { connect, createServer } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HOST = "127.0.0.1";
const FOLDER = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const REPOSITORY = path.resolve(FOLDER, "..", "..");
const START_TIMEOUT_MS = 20_000;
const START_ATTEMPTS = 5;
const KEPT_OUTPUT = 8_192;

const commandLine = (process.env.INTEROP_SERVER ?? "").trim();

/** Whether the reference server runs the tests, and not a program given by `INTEROP_SERVER`. */
export const isReference = commandLine === "";

/** What the server under test has to do: ours by the documented decision, or the reference. */
export const expected = ({ ours, reference }) => (isReference ? reference : ours);

/** Options of a test about something that a server may not have yet. */
export const switchedOn = (name) =>
  process.env[name] === "1" ? {} : { skip: `not asked for with ${name}=1` };

/** The command of the server under test, as a list of words. */
function command() {
  if (isReference) {
    return [process.execPath, path.join(FOLDER, "reference_server.mjs")];
  }
  const [program, ...rest] = commandLine.split(/\s+/);
  return [locate(program), ...rest];
}

/** A relative path is tried from where npm was called, from here, and from the repository. */
function locate(program) {
  if (!program.includes("/") || path.isAbsolute(program)) {
    return program;
  }
  const candidates = [process.env.INIT_CWD, process.cwd(), REPOSITORY]
    .filter(Boolean)
    .map((folder) => path.resolve(folder, program));
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found === undefined) {
    throw new Error(`INTEROP_SERVER: no such program: ${candidates.join(", ")}`);
  }
  return found;
}

const running = new Set();
const killAll = () => running.forEach((child) => child.kill("SIGKILL"));
process.on("exit", killAll);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => process.exit(1));
}

/**
 * Starts the server in one mode, on a free port of the loopback interface, and waits until it
 * accepts connections.
 */
export async function startServer(mode, env = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const server = new ServerProcess(mode, env, await freePort());
    try {
      await server.accepting();
      return server;
    } catch (error) {
      await server.kill();
      // The port may have been taken since it was chosen.
      if (attempt === START_ATTEMPTS) {
        throw error;
      }
    }
  }
}

class ServerProcess {
  #child;
  #exited;
  #output = "";
  #killed = false;

  constructor(mode, env, port) {
    const [program, ...args] = command();
    this.mode = mode;
    this.port = port;
    this.#child = spawn(program, [...args, mode], {
      env: { ...process.env, ...env, PORT: String(port) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        this.#output = (this.#output + text).slice(-KEPT_OUTPUT);
      });
    }
    this.#exited = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        this.#output += String(error);
        resolve();
      });
      this.#child.once("close", () => resolve());
    }).then(() => running.delete(this.#child));
  }

  /** `http://127.0.0.1:port` */
  get origin() {
    return `http://${HOST}:${this.port}`;
  }

  get pid() {
    return this.#child.pid;
  }

  get #hasExited() {
    return !running.has(this.#child);
  }

  async accepting() {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < deadline && !this.#hasExited) {
      if (await accepts(this.port)) {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`the server did not start in mode ${this.mode}: ${this.#output}`);
  }

  /** Ends the process; an error if it had ended by itself, because no test may bring it down. */
  async stop() {
    const crashed = this.#hasExited && !this.#killed;
    await this.kill();
    if (crashed) {
      throw new Error(`the server ended during the tests: ${this.#output}`);
    }
  }

  async kill() {
    this.#killed = true;
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, HOST, () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
