// Connection state recovery: the official client loses its connection and comes back.
//
// Clients connect through a proxy that cuts or forgets their connections, and connect again when
// the test says so; an observer, connected directly, sends what they miss.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client, normalized, SETUPS } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { expected, startServer, switchedOn } from "./lib/server.mjs";
import { eventually, sleep } from "./lib/wait.mjs";

const RETENTION_MS = 1000;
/** Only these know what recovery is. */
const CLIENTS = SETUPS.filter(({ version }) => version === "4.x");

/** A server with an observer, and clients that reach it through a proxy. */
class Target {
  #env;

  constructor(env) {
    this.#env = env;
  }

  async start() {
    this.server = await startServer("app", { RECOVERY: "1", ...this.#env });
    this.observer = await Client.observer(this.server);
  }

  async stop() {
    this.observer?.socket.disconnect();
    await this.server?.stop();
  }

  /** A client whose transport is the last one that it will have. */
  async open(t, setup, { deaf = false, namespace = "", ...options } = {}) {
    const proxy = await Proxy.start(t, this.server);
    const client = Client.open(t, setup, `${proxy.origin}${namespace}`, options);
    const hear = deaf ? client.deafen() : () => {};
    await client.event("connect");
    if (setup.transport === "upgrade") {
      await client.onTransport("websocket");
    }
    await client.settle();
    return { client, hear, id: client.id, proxy };
  }

  /** Cuts the connection, and waits until nobody but the observer is left. */
  async lose({ client, proxy }) {
    await cut(client, proxy);
    await this.observer.counts(1);
  }

  /** Sends to everybody in a room; every client is in one of its own, named by its id. */
  async send(room, ...args) {
    await this.observer.call("room_emit", room, null, ...args);
  }

  /** Waits until the server has handled what a client sent before. */
  async handled(client) {
    const n = this.observer.seen("room_msg").length + 1;
    client.emit("room_emit", this.observer.id, null, "handled");
    await this.observer.event("room_msg", n);
  }
}

/** Cuts the connection of a client, whose poll is out if it has no WebSocket. */
async function cut(client, proxy) {
  if (client.engine.transport.name === "polling") {
    await eventually(() => proxy.isPolled, Boolean, "a poll");
  }
  const n = client.seen("disconnect").length + 1;
  proxy.cut();
  await client.event("disconnect", n);
}

/** What came of a name, without the offset, which is an argument of its own. */
function plain(client, name) {
  return client.seen(name).map((args) => {
    assert.equal(typeof args.at(-1), "string");
    return normalized(args.slice(0, -1));
  });
}

const messages = (client) => plain(client, "room_msg").map(([message]) => message);

function assertRecovered({ client, id }, welcome) {
  assert.equal(client.socket.recovered, true);
  assert.equal(client.id, id);
  assert.deepEqual([welcome.recovered, welcome.id], [true, id]);
}

function assertNew({ client, id }, welcome) {
  assert.ok(!client.socket.recovered);
  assert.notEqual(client.id, id);
  assert.deepEqual([welcome.recovered, welcome.id], [false, client.id]);
}

/** Ours recovers where the reference does not. */
const assertRecoveredByOurs = expected({ ours: assertRecovered, reference: assertNew });
const assertRecoveredByReference = expected({ ours: assertNew, reference: assertRecovered });

const NAME = "connection state recovery";
describe(NAME, switchedOn("INTEROP_RECOVERY"), () => {
  const target = new Target({});
  before(() => target.start());
  after(() => target.stop());

  for (const setup of CLIENTS) {
    describe(setup.name, () => {
      test("missed events are replayed once, in order", async (t) => {
        const lost = await target.open(t, setup);
        const { client, id } = lost;
        await Promise.all([client.call("join", "room"), client.call("join", "quiet")]);
        await target.send("room", "before");
        const all = ["before"];
        // A session outlives any number of losses.
        for (let round = 0; round < 3; round += 1) {
          await target.lose(lost);
          const bytes = { deep: [Buffer.alloc(2000, round), Buffer.from([round])] };
          await target.send(id, `own ${round}`);
          await target.send("room", bytes);
          await target.send("elsewhere", "never");
          await target.observer.call("room_broadcast", "room", `broadcast ${round}`);
          await target.observer.call("room_emit", "room", "quiet", "never");
          await target.send("room", round);
          all.push(`own ${round}`, bytes, `broadcast ${round}`, round);
          assertRecovered(lost, await client.back());
          assert.deepEqual(messages(client), all);
          await target.send("room", `after ${round}`);
          await client.settle();
          all.push(`after ${round}`);
          assert.deepEqual(messages(client), all);
        }
        assert.deepEqual(
          plain(client, "welcome").map(([{ recovered }]) => recovered),
          [false, true, true, true],
        );
        const offsets = client.seen("room_msg").map((args) => args.at(-1));
        assert.equal(new Set(offsets).size, offsets.length);
      });

      test("the client comes back by itself", async (t) => {
        const { client, id } = await target.open(t, setup, {
          randomizationFactor: 0,
          reconnection: true,
          reconnectionDelay: 600,
        });
        await client.call("join", "room");
        // The events are sent while the client is away: between the loss and the reconnection.
        client.emit("later", "room", 5, 200);
        await client.settle();
        client.engine.close();
        await client.event("connect", 2);
        assert.equal(client.socket.recovered, true);
        assert.equal(client.id, id);
        await client.settle();
        const late = Array.from({ length: 5 }, (_, i) => [i, Buffer.from([i])]);
        assert.deepEqual(plain(client, "late"), late);
        assert.deepEqual(client.seen("late_vol"), []);
      });

      // The client sends its private id alone, because only events bring an offset (socket.io.md,
      // 5.6). For ours that means from the beginning.
      test("a cut before any event", async (t) => {
        const lost = await target.open(t, setup, { deaf: true });
        const { client, hear, id } = lost;
        assert.equal(client.socket._lastOffset, undefined);
        await target.lose(lost);
        hear();
        await target.send(id, "missed");
        assertRecoveredByOurs(lost, await client.back());
        assert.deepEqual(messages(client), expected({ ours: ["missed"], reference: [] }));
        assert.deepEqual(
          plain(client, "welcome").map(([{ recovered }]) => recovered),
          expected({ ours: [false, true], reference: [false] }),
        );
      });

      // The client takes any string at the end of an event for an offset, be it the name of the
      // event (socket.io.md, 6.10). Ours puts the current one there.
      test("a volatile event that ends in a string", async (t) => {
        const lost = await target.open(t, setup);
        const { client, id } = lost;
        await client.call("join", "room");
        await target.send("room", "before");
        // Where nothing can take it, for instance between two polls, it is dropped.
        const arrives = async () => {
          target.observer.emit("later", "room", 0, 0);
          await Promise.all([target.observer.settle(), client.settle()]);
          return client.seen("late_vol");
        };
        const seen = await eventually(arrives, ({ length }) => length > 0, "a volatile event");
        const { length } = seen;
        const { _lastOffset } = client.socket;
        assert.deepEqual(seen[0], expected({ ours: [_lastOffset], reference: [] }));
        assert.equal(_lastOffset === "late_vol", expected({ ours: false, reference: true }));
        await target.lose(lost);
        target.observer.emit("later", id, 2, 0);
        await target.observer.settle();
        await target.send("room", "missed");
        assertRecoveredByOurs(lost, await client.back());
        const missed = expected({ ours: ["before", "missed"], reference: ["before"] });
        assert.deepEqual(messages(client), missed);
        assert.equal(client.seen("late_vol").length, length);
      });

      // For the server the client is still there (socket.io.md, 5.6). Ours closes the old
      // connection, and what waits for it comes from the log instead.
      test("a half-open connection is taken over", async (t) => {
        const lost = await target.open(t, setup);
        const { client, id, proxy } = lost;
        await Promise.all([client.call("join", "room"), client.call("remember", "data")]);
        proxy.hold();
        client.emit("burst", 5);
        await target.handled(client);
        await target.send("room", "meanwhile");
        proxy.abandon();
        await client.event("disconnect");
        await target.send("room", Buffer.from([1, 2, 3]));
        assert.deepEqual(await target.observer.call("reason_of", id), [null]);
        assertRecoveredByOurs(lost, await client.back());
        const [bursts, sent] = expected({
          ours: [[[0], [1], [2], [3], [4]], ["meanwhile", Buffer.from([1, 2, 3])]],
          reference: [[], []],
        });
        assert.deepEqual(plain(client, "burst"), bursts);
        assert.deepEqual(messages(client), sent);
        const reason = expected({ ours: "forced close", reference: "ping timeout" });
        assert.equal(await target.observer.reasonOf(id), reason);
        await target.observer.counts(2);
        const kept = expected({ ours: ["data"], reference: [null] });
        assert.deepEqual(await client.call("recall"), kept);
        await target.send(client.id, "afterwards");
        await client.settle();
        assert.deepEqual(messages(client), [...sent, "afterwards"]);
      });

      test("rooms and data are kept", async (t) => {
        const lost = await target.open(t, setup);
        const { client, id } = lost;
        for (const room of ["a", "b", "c"]) {
          await client.call("join", room);
        }
        await client.call("leave", "b");
        const data = { list: [1, null, "two"], text: "€" };
        await client.call("remember", data);
        await target.lose(lost);
        await target.send("b", "never");
        assertRecovered(lost, await client.back());
        assert.deepEqual((await client.call("rooms"))[0].sort(), [id, "a", "c"].sort());
        assert.deepEqual(await client.call("recall"), [data]);
        assert.deepEqual(messages(client), []);
      });

      test("what the client sends while it is away comes once", async (t) => {
        const lost = await target.open(t, setup);
        const { client } = lost;
        client.emit("up", -1);
        await client.settle();
        await target.lose(lost);
        for (let i = 0; i < 20; i += 1) {
          client.emit("up", i);
        }
        const checked = client.call("up_check");
        assertRecovered(lost, await client.back());
        assert.deepEqual(await checked, [{ count: 20, ordered: true }]);
      });

      test("middlewares are skipped", async (t) => {
        const lost = await target.open(t, setup, { auth: { token: "good" } });
        const { client } = lost;
        await target.lose(lost);
        client.socket.auth = { token: "bad" };
        assertRecovered(lost, await client.back());
        // But not for a client that is new.
        const other = Client.open(t, setup, target.server.origin, { auth: { token: "bad" } });
        assert.equal((await other.refusal()).message, "unauthorized");
      });

      test("namespaces are recovered each for itself", async (t) => {
        const proxy = await Proxy.start(t, target.server);
        const manager = new setup.Manager(proxy.origin, setup.options);
        const auth = { token: "secret" };
        const [main, admin] = ["/", "/admin"].map(
          (name) => new Client(manager.socket(name, { auth })),
        );
        const clients = [main, admin];
        t.after(() => clients.forEach(({ socket }) => socket.disconnect()));
        await Promise.all(clients.map((client) => client.event("welcome")));
        if (setup.transport === "upgrade") {
          await main.onTransport("websocket");
        }
        const other = Client.open(t, setup, `${target.server.origin}/admin`, { auth });
        await other.event("welcome");
        const lost = clients.map((client) => ({ client, id: client.id }));
        await Promise.all(clients.map((client) => client.call("join", "room")));
        await target.lose({ client: main, proxy });
        await target.send("room", "for /");
        await other.call("room_emit", "room", null, "for /admin");
        const welcomes = await Promise.all(clients.map((client) => client.back()));
        lost.forEach((each, i) => assertRecovered(each, welcomes[i]));
        assert.deepEqual(messages(main), ["for /"]);
        assert.deepEqual(messages(admin), ["for /admin"]);
      });

      // The reference forgets the namespace with its sockets, and what was sent in it. Ours keeps it as
      // long as a client of it may come back.
      const dynamic = switchedOn("INTEROP_DYNAMIC");
      test("a dynamic namespace whose only client is away", dynamic, async (t) => {
        const lost = await target.open(t, setup, { namespace: "/chat-1" });
        const { client } = lost;
        await client.call("join", "room");
        await target.lose(lost);
        const children = async () => (await target.observer.call("children"))[0];
        const left = expected({ ours: 1, reference: 0 });
        await eventually(children, ({ length }) => length === left, `${left} dynamic namespaces`);
        assertRecoveredByOurs(lost, await client.back());
        const rooms = [client.id, ...expected({ ours: ["room"], reference: [] })];
        assert.deepEqual((await client.call("rooms"))[0].sort(), rooms.sort());
      });

      for (const [how, leave] of [
        ["by the client", ({ socket }) => socket.disconnect()],
        ["by the server", (client) => client.emit("kick", false)],
        ["by the server with its connection", (client) => client.emit("kick", true)],
      ]) {
        test(`a namespace that was left is not recovered: ${how}`, async (t) => {
          const lost = await target.open(t, setup);
          const { client, id } = lost;
          await client.call("join", "room");
          leave(client);
          await client.event("disconnect");
          await target.observer.counts(1);
          await target.send(id, "never");
          await target.send("room", "never");
          assertNew(lost, await client.back());
          assert.deepEqual(messages(client), []);
          assert.deepEqual(await client.call("rooms"), [[client.id]]);
        });
      }

      // The reference calls it a forced close, which is recovered (socket.io.md, 5.3).
      test("a client that sent garbage is not recovered", async (t) => {
        const lost = await target.open(t, setup);
        const { client } = lost;
        client.engine.write("2[");
        await client.event("disconnect");
        await target.observer.counts(1);
        assertRecoveredByReference(lost, await client.back());
      });

      test("twenty megabytes that were missed", async (t) => {
        const lost = await target.open(t, setup);
        const { client, id } = lost;
        await target.lose(lost);
        // The reference answers a poll with all of it at once, and this client reads a long answer
        // slower than the heartbeat of this server allows.
        const polls = setup.transport !== "websocket";
        const count = expected({ ours: 30, reference: polls ? 10 : 30 });
        for (let i = 0; i < count; i += 1) {
          target.observer.emit("room_emit", id, null, Buffer.alloc(700_000, i));
        }
        await target.observer.settle();
        assertRecovered(lost, await client.back());
        const missed = messages(client);
        assert.equal(missed.length, count);
        assert.ok(missed.every((bytes, i) => bytes.length === 700_000 && bytes[0] === i));
      });

      describe("a private id that", () => {
        /** A client that says it were the one that was lost. */
        function twin(t, { client: { socket } }, { namespace = "", ...more } = {}) {
          const url = `${target.server.origin}${namespace}`;
          const client = Client.open(t, setup, url, { autoConnect: false, ...more });
          client.socket._pid = socket._pid;
          client.socket._lastOffset = socket._lastOffset;
          return client;
        }

        // The reference has as many sockets of one id then (socket.io.md, 5.6).
        test("comes five times at once is one socket", async (t) => {
          const lost = await target.open(t, setup);
          const { id } = lost;
          await target.lose(lost);
          await target.send(id, "missed");
          const twins = Array.from({ length: 5 }, () => twin(t, lost));
          twins.forEach(({ socket }) => socket.connect());
          const left = expected({ ours: 1, reference: 5 });
          const settled = () =>
            twins.filter(({ socket }) => socket.connected).length === left &&
            twins.filter(({ engine }) => engine.readyState === "open").length === left;
          await eventually(settled, Boolean, `${left} of the twins are left`);
          const rest = twins.filter(({ socket }) => socket.connected);
          await Promise.all(rest.map((client) => client.settle()));
          for (const client of rest) {
            assert.equal(client.id, id);
            assert.deepEqual(messages(client), ["missed"]);
          }
          await target.send(id, "afterwards");
          await Promise.all(rest.map((client) => client.settle()));
          const received = twins.flatMap(messages).filter((message) => message === "afterwards");
          assert.equal(received.length, 1);
          await target.observer.counts(2);
        });

        // The reference keeps the session (socket.io.md, 5.6).
        test("was used is used up", async (t) => {
          const lost = await target.open(t, setup);
          await target.lose(lost);
          const [first, second] = [twin(t, lost), twin(t, lost)];
          const { id } = lost;
          assertRecovered({ client: first, id }, await first.back());
          first.socket.disconnect();
          await target.observer.counts(1);
          assertRecoveredByReference({ client: second, id }, await second.back());
        });

        test("belongs to another namespace means nothing", async (t) => {
          const lost = await target.open(t, setup);
          const { client, id } = lost;
          await target.lose(lost);
          const options = { auth: { token: "secret" }, namespace: "/admin" };
          const other = twin(t, lost, options);
          assertNew({ client: other, id }, await other.back());
          assertRecovered(lost, await client.back());
        });

        for (const [what, auth] of [
          ["nobody has", { offset: "000000001", pid: "aaaaaaaaaaaaaaaaaaaa" }],
          ["is no text", { offset: 1, pid: { a: 1 } }],
          ["is empty", { offset: "", pid: "" }],
          ["is long", { offset: "o".repeat(50_000), pid: "p".repeat(50_000) }],
        ]) {
          test(`${what} means nothing`, async (t) => {
            const { client } = await target.open(t, setup, { auth });
            assertNew({ client, id: undefined }, client.seen("welcome")[0][0]);
            assert.deepEqual(client.seen("welcome")[0][0].auth, auth);
          });
        }
      });
    });
  }

  for (const setup of SETUPS.filter(({ version }) => version === "3.x")) {
    test(`${setup.name}: a client that cannot recover gets the offsets alone`, async (t) => {
      const lost = await target.open(t, setup);
      const { client, id } = lost;
      await target.lose(lost);
      await target.send(id, "never");
      assertNew(lost, await client.back());
      await target.send(client.id, "now");
      await client.settle();
      assert.deepEqual(messages(client), ["now"]);
    });
  }
});

// What is refused gets nothing of what was missed. The reference sends it before its middlewares
// run (socket.io.md, 5.6).
describe(`${NAME} with middlewares`, switchedOn("INTEROP_RECOVERY"), () => {
  const target = new Target({ SKIP_MIDDLEWARES: "0" });
  before(() => target.start());
  after(() => target.stop());

  for (const setup of CLIENTS) {
    test(`${setup.name}: a refused client learns nothing`, async (t) => {
      const lost = await target.open(t, setup, { auth: { token: "good" } });
      const { client, id } = lost;
      const { _pid } = client.socket;
      await target.lose(lost);
      await target.send(id, "secret");
      client.socket.auth = { token: "bad" };
      client.socket.connect();
      const raw = [];
      client.engine.on("data", (data) => raw.push(String(data)));
      const refused = { data: { code: 401 }, message: "unauthorized" };
      assert.deepEqual(await client.refusal(), refused);
      assert.deepEqual(messages(client), []);
      assert.equal(raw.length, expected({ ours: 1, reference: 2 }));
      const leaks = raw.filter((text) => ["secret", id, _pid].some((part) => text.includes(part)));
      assert.equal(leaks.length, expected({ ours: 0, reference: 1 }));
      // What is refused has not used the session up. What the reference sent to the refused client
      // comes twice.
      client.socket.auth = { token: "good" };
      assertRecovered(lost, await client.back());
      const secrets = expected({ ours: ["secret"], reference: ["secret", "secret"] });
      assert.deepEqual(messages(client), secrets);
    });

    test(`${setup.name}: an accepted client recovers`, async (t) => {
      const lost = await target.open(t, setup, { auth: { token: "good" } });
      const { client, id } = lost;
      await target.lose(lost);
      await target.send(id, "missed");
      assertRecovered(lost, await client.back());
      assert.deepEqual(messages(client), ["missed"]);
    });
  }
});

// These take their time, so they wait together.
const TOGETHER = { concurrency: CLIENTS.length * 3 };
describe(`${NAME} after a time`, { ...switchedOn("INTEROP_RECOVERY"), ...TOGETHER }, () => {
  const target = new Target({ RECOVERY_MS: String(RETENTION_MS) });
  before(() => target.start());
  after(() => target.stop());

  /** Cuts a connection, and waits until the server knows. */
  async function lose({ client, id, proxy }) {
    await cut(client, proxy);
    await target.observer.reasonOf(id);
  }

  for (const setup of CLIENTS) {
    // What the client got last is forgotten long since; others got much more in the meantime. The
    // reference looks for old packets once a minute only: its client would have to wait longer.
    test(`${setup.name}: a client to which nothing was sent for long`, async (t) => {
      const lost = await target.open(t, setup);
      const { client, id } = lost;
      await client.call("join", `room of ${id}`);
      for (let i = 0; i < 25; i += 1) {
        await target.send("elsewhere", i);
        await target.send(target.observer.id, i);
        await sleep(RETENTION_MS / 10);
      }
      await lose(lost);
      await target.send("elsewhere", "never");
      await target.send(`room of ${id}`, "missed");
      assertRecovered(lost, await client.back());
      assert.deepEqual(messages(client), ["missed"]);
    });

    test(`${setup.name}: a client that is away for too long is new`, async (t) => {
      const lost = await target.open(t, setup);
      const { client, id } = lost;
      await client.call("join", `room of ${id}`);
      await lose(lost);
      await target.send(`room of ${id}`, "never");
      await sleep(RETENTION_MS * 1.5);
      assertNew(lost, await client.back());
      await target.send(`room of ${id}`, "never");
      await client.settle();
      assert.deepEqual(messages(client), []);
      assert.deepEqual(await client.call("rooms"), [[client.id]]);
    });

    test(`${setup.name}: a half-open connection that ended by its heartbeat`, async (t) => {
      const lost = await target.open(t, setup);
      const { client, id, proxy } = lost;
      proxy.abandon();
      await client.event("disconnect");
      assert.equal(await target.observer.reasonOf(id), "ping timeout");
      await target.send(id, "missed");
      assertRecovered(lost, await client.back());
      assert.deepEqual(messages(client), ["missed"]);
    });
  }
});
