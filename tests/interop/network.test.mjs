// What clients meet when the network, the server or another client does something at a bad moment.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client, normalized, SETUPS } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { expected, isReference, startServer, switchedOn } from "./lib/server.mjs";
import { eventually, sleep } from "./lib/wait.mjs";

const LARGE = 700_000;

let app;
let observer;
before(async () => {
  app = await startServer("app");
  observer = await Client.observer(app);
});
after(async () => {
  observer?.socket.disconnect();
  await app?.stop();
});

/** Everything that a client sent until now has been handled; the answer reaches the observer. */
async function handled(client) {
  const n = observer.seen("room_msg").length + 1;
  client.emit("room_emit", observer.id, null, "handled");
  await observer.event("room_msg", n);
}

for (const setup of SETUPS) {
  describe(setup.name, () => {
    const welcomed = (t, options) => Client.welcomed(t, setup, app.origin, options);
    const newRoom = () => `room ${(roomCount += 1)} of ${setup.name}`;
    let roomCount = 0;

    async function throughProxy(t, options) {
      const proxy = await Proxy.start(t, app);
      const client = await Client.welcomed(t, setup, proxy.origin, options);
      if (setup.transport === "upgrade") {
        await client.onTransport("websocket");
      }
      return { client, proxy };
    }

    test("twenty megabytes of history", async (t) => {
      // The reference answers a poll with all that waits, and clients take longer for a long answer
      // than the heartbeat of this server allows.
      const most = setup.transport === "websocket" ? 30 : 10;
      const count = expected({ ours: 30, reference: most });
      const client = Client.open(t, setup, app.origin, { auth: { history: count } });
      await client.event("history", count);
      const history = client.seen("history").map(([bytes]) => normalized(bytes));
      assert.equal(history.length, count);
      assert.ok(history.every((bytes, i) => bytes.length === LARGE && bytes[0] === i));
      await client.settle();
      assert.equal(client.seen("history").length, count);
      assert.deepEqual(client.seen("disconnect"), []);
    });

    test("nothing but volatile events is lost on a blocked transport", async (t) => {
      const { client, proxy } = await throughProxy(t);
      const room = newRoom();
      await client.call("join", room);
      await client.settle();
      // More than the network between takes; a poll is blocked by anything.
      const count = setup.transport === "polling" ? 5 : 30;
      proxy.block();
      for (let i = 0; i < count; i += 1) {
        observer.emit("room_emit", room, null, Buffer.alloc(LARGE, i));
      }
      await observer.settle();
      // All that can go goes meanwhile, so that what follows waits for the block alone.
      await sleep(600);
      for (let i = 0; i < 20; i += 1) {
        observer.emit("later", room, 3, 0);
      }
      const n = observer.seen("late").length + 1;
      observer.emit("later", observer.id, 1, 10);
      await observer.event("late", n);
      assert.ok(client.seen("room_msg").length < count);
      proxy.release();
      await client.event("late", 60);
      const large = client.seen("room_msg").map(([bytes]) => normalized(bytes));
      assert.equal(large.length, count);
      assert.ok(large.every((bytes, i) => bytes.length === LARGE && bytes[0] === i));
      assert.deepEqual(
        normalized(client.seen("late")),
        Array.from({ length: 60 }, (_, i) => [i % 3, Buffer.from([i % 3])]),
      );
      assert.deepEqual(client.seen("late_vol"), []);
      assert.deepEqual(client.seen("disconnect"), []);
      // The transport is free again, but for moments between two polls.
      const arrives = async () => {
        observer.emit("later", room, 0, 0);
        await Promise.all([observer.settle(), client.settle()]);
        return client.seen("late_vol").length;
      };
      await eventually(arrives, (length) => length > 0, "a volatile event");
    });

    // The reference closes the connection, and the other namespace with it (socket.io.md, 3.3).
    test("a packet crosses the server's disconnection", async (t) => {
      const proxy = await Proxy.start(t, app);
      const manager = new setup.Manager(proxy.origin, setup.options);
      const main = new Client(manager.socket("/"));
      const admin = new Client(manager.socket("/admin", { auth: { token: "secret" } }));
      t.after(() => [main, admin].forEach(({ socket }) => socket.disconnect()));
      await Promise.all([main.event("welcome"), admin.event("welcome")]);
      if (setup.transport === "upgrade") {
        await main.onTransport("websocket");
      }
      const { engine } = main;
      proxy.hold();
      admin.emit("kick", false);
      // The server has left the namespace, and the client does not know yet.
      await eventually(() => proxy.held, (held) => held.includes("41/admin,"), "a DISCONNECT");
      admin.emit("echo", Buffer.from([1]), "in flight");
      admin.emit("join", newRoom(), () => {});
      if (expected({ ours: true, reference: false })) {
        await handled(main);
      } else {
        await observer.reasonOf(main.id);
      }
      proxy.release();
      assert.equal(await admin.reason(), "io server disconnect");
      if (expected({ ours: true, reference: false })) {
        await main.settle();
        assert.deepEqual(main.seen("disconnect"), []);
        admin.socket.connect();
        await admin.event("welcome", 2);
        await admin.settle();
        assert.equal(main.engine, engine);
        assert.deepEqual(admin.seen("echo"), []);
      } else {
        assert.equal(await main.reason(), "transport close");
      }
    });

    describe("questions to a room", () => {
      /** Clients in a room; those that `answers` names do so. */
      async function members(t, room, answers) {
        const clients = [];
        for (const answer of answers) {
          const client = await welcomed(t);
          if (answer !== undefined) {
            client.socket.on("question", (what, reply) => reply(answer));
          }
          await client.call("join", room);
          clients.push(client);
        }
        return clients;
      }

      test("one is silent, one leaves meanwhile", async (t) => {
        const room = newRoom();
        const [, , silent, leaving] = await members(t, room, [1, "two", undefined, undefined]);
        leaving.socket.on("question", () => leaving.socket.disconnect());
        const [timedOut, replies] = await observer.call("room_ask", room, 400, "who");
        assert.equal(timedOut, true);
        assert.deepEqual(replies.toSorted(), [1, "two"]);
        // It is too late for an answer, and no harm.
        const [, reply] = await silent.event("question");
        reply("late");
        await silent.settle();
      });

      // The reference waits for the time-out (socket.io.md, 4.4).
      for (const [how, leave] of [
        ["leaves", ({ socket }) => socket.disconnect()],
        ["loses its connection", ({ engine }) => engine.close()],
        ["is kicked", (client) => client.emit("kick", false)],
      ]) {
        test(`one ${how}, and is missed no longer`, async (t) => {
          const room = newRoom();
          const [, leaving] = await members(t, room, [Buffer.from([1]), undefined]);
          leaving.socket.on("question", () => leave(leaving));
          const timeout = expected({ ours: 60_000, reference: 400 });
          const [timedOut, replies] = await observer.call("room_ask", room, timeout, "who");
          assert.equal(timedOut, expected({ ours: false, reference: true }));
          assert.deepEqual(normalized(replies), [Buffer.from([1])]);
        });
      }

      test("one comes too late for the question", async (t) => {
        const room = newRoom();
        const [asked] = await members(t, room, [undefined]);
        const asking = observer.call("room_ask", room, 10_000, "who");
        const [, reply] = await asked.event("question");
        const [late] = await members(t, room, ["late"]);
        reply("in time");
        assert.deepEqual(await asking, [false, ["in time"]]);
        await late.settle();
        assert.deepEqual(late.seen("question"), []);
      });
    });

    describe("dynamic namespaces", switchedOn("INTEROP_DYNAMIC"), () => {
      const connect = (t, name) => Client.open(t, setup, `${app.origin}${name}`);
      const children = async () => (await observer.call("children"))[0];
      const become = (names) =>
        eventually(children, (now) => String(now) === String(names), `namespaces: ${names}`);

      test("exist as long as somebody is in them", async (t) => {
        await become([]);
        for (let round = 0; round < 3; round += 1) {
          const first = connect(t, "/chat-7");
          assert.equal((await first.event("welcome"))[0].nsp, "/chat-7");
          await first.call("join", "room");
          await become(["/chat-7"]);
          const second = connect(t, "/chat-7");
          const other = connect(t, "/chat-007");
          await Promise.all([second.event("welcome"), other.event("welcome")]);
          await Promise.all([second.call("join", "room"), other.call("join", "room")]);
          await become(["/chat-007", "/chat-7"]);
          await second.call("room_broadcast", "room", round);
          await Promise.all([first, second, other].map((client) => client.settle()));
          assert.deepEqual(first.seen("room_msg"), [[round]]);
          assert.deepEqual(second.seen("room_msg"), []);
          assert.deepEqual(other.seen("room_msg"), []);
          first.socket.disconnect();
          other.engine.close();
          await become(["/chat-7"]);
          const sockets = async () => (await second.call("stats"))[0].sockets;
          await eventually(sockets, (count) => count === 1, "the first to be gone");
          second.emit("kick", false);
          await second.event("disconnect");
          await become([]);
        }
      });

      test("are left and entered on one connection", async (t) => {
        const main = await welcomed(t);
        const manager = main.socket.io;
        const chat = new Client(manager.socket("/chat-8"));
        await chat.event("welcome");
        for (let round = 2; round < 12; round += 1) {
          const { id } = chat;
          await chat.call("join", "room");
          chat.socket.disconnect();
          // Without a pause the namespace goes and comes at once. The reference would see the
          // CONNECT first, and close the connection, if both came in one body.
          if (isReference) {
            await main.settle();
          }
          chat.socket.connect();
          await chat.event("welcome", round);
          assert.notEqual(chat.id, id);
          assert.deepEqual(await chat.call("rooms"), [[chat.id]]);
        }
        assert.equal(main.engine, manager.engine);
        chat.socket.disconnect();
        await become([]);
        await main.settle();
      });

      test("many come and go in one at a time", async (t) => {
        const visit = async () => {
          for (let i = 0; i < 5; i += 1) {
            const client = connect(t, "/chat-9");
            await client.event("welcome");
            await client.call("echo", i);
            client.socket.disconnect();
          }
        };
        await Promise.all(Array.from({ length: 10 }, visit));
        await become([]);
      });

      test("are refused, and not made, where the name does not fit", async (t) => {
        const main = await welcomed(t);
        const manager = main.socket.io;
        const names = ["/chat", "/chat--1", "/chat-1/", "/chat-1/2", "/Chat-1", "/x/chat-1"];
        for (const name of [...names, "/chat-1 ", "/chat-١", "/chat-1.0", "/chat-1?a=b"]) {
          const client = new Client(manager.socket(name));
          const { message } = await client.refusal();
          assert.equal(message, "Invalid namespace", name);
          client.socket.disconnect();
        }
        assert.deepEqual(await children(), []);
        await main.settle();
      });
    });
  });
}
