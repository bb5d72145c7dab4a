// Sending and receiving files over a Socket.IO connection that may be lost and come back. It knows
// no elements of a page.

/** The server does not do what it was asked for. */
export class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** The connection was lost before an answer came. */
class Interrupted extends Error {}

/** Questions to the server, and the downloads that it sends. */
export class Line {
  /** By the id of the file, what takes a chunk: `(offset, data)`, and says whether it wants more. */
  downloads = new Map();
  #interruptions = new Set();
  #waiting = [];

  constructor(socket) {
    this.socket = socket;
    socket.on("connect", () => this.#waiting.splice(0).forEach((resolve) => resolve()));
    socket.on("disconnect", () => this.#interruptions.forEach((interrupt) => interrupt()));
    socket.on("chunk", (id, offset, data, acknowledge) => {
      acknowledge(this.downloads.get(id)?.(offset, data) ?? false);
    });
  }

  /** Resolves to what the server answers. */
  ask(event, ...args) {
    return this.interruptible((resolve, reject) => {
      this.socket.emit(event, ...args, (answer) => (answer.ok ? resolve(answer) : reject(new Refused(answer.code))));
    });
  }

  /** Resolves when there is a connection. */
  connected() {
    if (this.socket.connected) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Promises something that a lost connection ends with an `Interrupted`. */
  interruptible(start) {
    let interrupt;
    const promise = new Promise((resolve, reject) => {
      interrupt = () => reject(new Interrupted());
      if (!this.socket.connected) return interrupt();
      this.#interruptions.add(interrupt);
      start(resolve, reject);
    });
    return promise.finally(() => this.#interruptions.delete(interrupt));
  }
}

/** Does something, again and again while the connection is lost before it is done. */
async function persist(line, act) {
  for (;;) {
    await line.connected();
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
    }
  }
}

async function hashOf(blob) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", await blob.arrayBuffer()));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sends a file; calls `progress` with the bytes that have arrived. Resolves to the file's id. */
export async function upload(line, blob, name, progress) {
  const label = { name, size: blob.size, hash: await hashOf(blob) };
  const terms = await persist(line, () => line.ask("upload", label));
  let isFirst = true;
  return persist(line, async () => {
    const { offset, file } = isFirst ? { offset: 0 } : await line.ask("resume", terms.token);
    isFirst = false;
    return file ?? sendFrom(line, blob, offset, terms, progress);
  });
}

async function sendFrom(line, blob, offset, { token, chunk, window }, progress) {
  const answers = [];
  let last;
  while (offset < blob.size || answers.length > 0) {
    if (offset < blob.size && answers.length < window) {
      const data = await blob.slice(offset, offset + chunk).arrayBuffer();
      const answer = line.ask("chunk", token, offset, data);
      answer.catch(() => {}); // An earlier one may fail first.
      answers.push(answer);
      offset += data.byteLength;
    } else {
      last = await answers.shift();
      progress(last.offset);
    }
  }
  return last.file;
}

/** Receives a file; calls `progress` with the bytes that are here. Resolves to a blob. */
export async function download(line, id, progress) {
  const parts = [];
  let received = 0;
  const hash = await persist(line, async () => {
    let [size, finish] = [Infinity, null];
    const all = line.interruptible((resolve) => (finish = resolve));
    all.catch(() => {}); // The question may fail first.
    line.downloads.set(id, (offset, data) => {
      if (offset !== received) return false;
      parts.push(data);
      received += data.byteLength;
      progress(received);
      if (received === size) finish();
      return true;
    });
    try {
      const { file } = await line.ask("download", id, received);
      size = file.size;
      if (received < size) await all;
      return file.hash;
    } finally {
      line.downloads.delete(id);
      finish?.();
    }
  });
  const blob = new Blob(parts);
  if ((await hashOf(blob)) !== hash) throw new Refused("damaged");
  return blob;
}
