// The official clients 4.x and 3.x against the application of the server under test.
//
// Nothing here waits for something *not* to happen: packets of one connection stay in order, so
// an answered `echo` proves that whatever was sent before it has arrived.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client, normalized, SETUPS } from "./lib/client.mjs";
import { startServer, switchedOn } from "./lib/server.mjs";
import { eventually, within } from "./lib/wait.mjs";

let app;
let load;
/** A connection that only asks for the server's view. */
let observer;
before(async () => {
  [app, load] = await Promise.all([startServer("app"), startServer("load")]);
  observer = await Client.observer(app);
});
after(async () => {
  observer?.socket.disconnect();
  await Promise.all([app?.stop(), load?.stop()]);
});

const serverReason = (id) => observer.reasonOf(id);

/** Two namespaces of one connection. */
async function twoNamespaces(t, setup) {
  const manager = new setup.Manager(app.origin, setup.options);
  const main = new Client(manager.socket("/"));
  const admin = new Client(manager.socket("/admin", { auth: { token: "secret" } }));
  t.after(() => [main, admin].forEach(({ socket }) => socket.disconnect()));
  await Promise.all([main.event("welcome"), admin.event("welcome")]);
  return { admin, main, manager };
}

for (const setup of SETUPS) {
  describe(setup.name, () => {
    const open = (t, options) => Client.open(t, setup, app.origin, options);
    const welcomed = (t, options) => Client.welcomed(t, setup, app.origin, options);
    const newRoom = () => `room ${(roomCount += 1)} of ${setup.name}`;
    let roomCount = 0;

    describe("connecting", () => {
      test("with auth", async (t) => {
        const auth = { list: [1, null], text: "€", token: "good" };
        const client = await welcomed(t, { auth });
        assert.deepEqual(client.seen("welcome"), [
          [{ auth, id: client.id, nsp: "/", recovered: false }],
        ]);
        assert.equal(client.seen("connect").length, 1);
        assert.match(client.id, /^[A-Za-z0-9_-]{20}$/);
        assert.notEqual(client.id, client.engine.id);
      });

      test("without auth", async (t) => {
        const client = await welcomed(t);
        assert.deepEqual((await client.event("welcome"))[0].auth, {});
      });

      test("ends on the expected transport", async (t) => {
        const client = await welcomed(t);
        await client.onTransport(setup.transport === "polling" ? "polling" : "websocket");
        await client.settle();
      });

      test("is refused with a message and data", async (t) => {
        const client = open(t, { auth: { token: "bad" } });
        assert.deepEqual(await client.refusal(), { data: { code: 401 }, message: "unauthorized" });
        assert.equal(client.socket.connected, false);
        assert.equal(client.seen("connect").length, 0);
      });

      test("is refused for a token in the query", async (t) => {
        const client = open(t, { query: { token: "bad" } });
        assert.deepEqual(await client.refusal(), { data: { code: 401 }, message: "unauthorized" });
      });

      test("is refused by a namespace without data", async (t) => {
        const client = Client.open(t, setup, `${app.origin}/admin`, { auth: { token: "good" } });
        assert.deepEqual(await client.refusal(), { data: undefined, message: "forbidden" });
      });

      for (const name of ["/nope", "/admin/", "/Admin", "/chat-", "/chat-1x"]) {
        test(`is refused by the unknown namespace ${name}`, async (t) => {
          const manager = new setup.Manager(app.origin, setup.options);
          const client = new Client(manager.socket(name, { auth: { token: "secret" } }));
          t.after(() => client.socket.disconnect());
          const refusal = await client.refusal();
          assert.deepEqual(refusal, { data: undefined, message: "Invalid namespace" });
        });
      }

      test("is refused, then accepted on the same connection", async (t) => {
        const manager = new setup.Manager(app.origin, setup.options);
        const main = new Client(manager.socket("/"));
        const admin = new Client(manager.socket("/admin", { auth: { token: "wrong" } }));
        t.after(() => [main, admin].forEach(({ socket }) => socket.disconnect()));
        await main.event("welcome");
        assert.equal((await admin.refusal()).message, "forbidden");
        const { id } = manager.engine;
        admin.socket.auth = { token: "secret" };
        admin.socket.connect();
        assert.equal((await admin.event("welcome"))[0].nsp, "/admin");
        assert.equal(manager.engine.id, id);
        await Promise.all([main.settle(), admin.settle()]);
      });
    });

    describe("events", () => {
      const mixed = () => [
        { deep: { list: [1, { bytes: Buffer.from([1, 2, 3]) }, [new Uint8Array([0xff])]] } },
        Buffer.alloc(0),
        Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
        Buffer.alloc(200_000, 7),
        new Uint8Array([9, 8, 7]).buffer,
        ["line\u2028separator\u2029", "emoji 😀", "quote \" backslash \\ nul \0", "", "4:b-,[{"],
        [[], {}, [[[]]], null, true, false, 0, -1.5, 1e21, 9_007_199_254_740_991],
        { "": 1, _placeholder: false, num: 0 },
      ];

      test("nested and mixed with binary come back as they were", async (t) => {
        const client = await welcomed(t);
        client.emit("echo", ...mixed());
        assert.deepEqual(normalized(await client.event("echo")), normalized(mixed()));
      });

      test("nested and mixed with binary come back in an acknowledgement", async (t) => {
        const client = await welcomed(t);
        const reply = await client.call("echo", ...mixed());
        assert.deepEqual(normalized(reply), normalized(mixed()));
      });

      test("without arguments, with an empty list, with binary alone", async (t) => {
        const client = await welcomed(t);
        for (const args of [[], [[]], [Buffer.from([1])], [null], [{}]]) {
          client.emit("echo", ...args);
          assert.deepEqual(normalized(await client.call("echo", ...args)), args);
        }
        assert.deepEqual(normalized(client.seen("echo")), [
          [],
          [[]],
          [Buffer.from([1])],
          [null],
          [{}],
        ]);
      });

      // JSON escapes the separator of polling payloads, so that even those can carry it. A raw
      // Engine.IO message with it needs a WebSocket (engine.io.md, section 3.1).
      test("text with U+001E", async (t) => {
        const client = await welcomed(t);
        const text = "a\x1eb";
        const args = [text, { [text]: text }];
        assert.deepEqual(await client.call("echo", ...args), args);
        client.emit(text, text);
        client.emit("echo", text);
        assert.deepEqual(await client.event("echo"), [text]);
      });

      test("a thousand each way stay in order while the transport changes", async (t) => {
        const client = open(t);
        await client.event("connect");
        for (let i = 0; i < 1000; i += 1) {
          client.emit("up", i);
          if (i % 100 === 50) {
            client.emit("burst", 100);
          }
          // The first half leaves at once, the second while the transport changes.
          if (i >= 500 && i % 10 === 0) {
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
        assert.deepEqual(await client.call("up_check"), [{ count: 1000, ordered: true }]);
        await client.event("burst", 1000);
        const expected = Array.from({ length: 1000 }, (_, i) => [i % 100]);
        assert.deepEqual(client.seen("burst"), expected);
        if (setup.transport === "upgrade") {
          await client.onTransport("websocket");
          client.emit("up", 1000);
          assert.deepEqual(await client.call("up_check"), [{ count: 1001, ordered: true }]);
        }
        assert.equal(client.seen("burst").length, 1000);
      });

      for (const [what, message] of [
        ["text of 900 kB", () => "a".repeat(900_000)],
        ["text of 900 kB in two-byte characters", () => "é".repeat(450_000)],
        // As base64 it has to fit into a body of 1 MB.
        [
          `binary of ${setup.transport === "websocket" ? 900 : 700} kB`,
          () => Buffer.alloc(setup.transport === "websocket" ? 900_000 : 700_000, "binary"),
        ],
      ]) {
        test(what, async (t) => {
          const client = await welcomed(t);
          const sent = message();
          const [answered] = normalized(await client.call("echo", sent));
          assert.ok(sent instanceof Buffer ? sent.equals(answered) : sent === answered);
          client.emit("echo", sent);
          const [echoed] = normalized(await client.event("echo"));
          assert.ok(sent instanceof Buffer ? sent.equals(echoed) : sent === echoed);
        });
      }

      // What the reference serves with its defaults, where our limits are stricter or near.
      test("ten thousand that waited for the connection, at once", async (t) => {
        const client = open(t, { autoConnect: false });
        for (let i = 0; i < 10_000; i += 1) {
          client.emit("up", i);
        }
        const checked = client.call("up_check");
        client.socket.connect();
        assert.deepEqual(await checked, [{ count: 10_000, ordered: true }]);
      });

      const splits =
        setup.version === "3.x" && setup.transport === "polling"
          ? { skip: "client 3.x puts all that waits into one body, above maxPayload" }
          : {};
      test("ten attachments of 700 kB", splits, async (t) => {
        const client = await welcomed(t);
        const sent = Array.from({ length: 10 }, (_, i) => Buffer.alloc(700_000, i));
        const answered = normalized(await client.call("echo", ...sent));
        assert.equal(answered.length, sent.length);
        assert.ok(sent.every((bytes, i) => bytes.equals(answered[i])));
      });

      test("twenty megabytes that come at once", splits, async (t) => {
        const client = await welcomed(t);
        for (let i = 0; i < 30; i += 1) {
          client.emit("echo", Buffer.alloc(700_000, i));
        }
        await client.event("echo", 30);
        const echoed = client.seen("echo").map(([bytes]) => normalized(bytes));
        assert.ok(echoed.every((bytes, i) => bytes.length === 700_000 && bytes[0] === i));
      });

      test("volatile ones may be lost, but neither reordered nor doubled", async (t) => {
        const client = await welcomed(t);
        client.emit("volatile", 50);
        assert.deepEqual(await client.event("vol_end"), [50]);
        const numbers = client.seen("vol").map(([i]) => i);
        assert.ok(numbers.every((i, at) => i < 50 && (at === 0 || i > numbers[at - 1])), numbers);
        for (let i = 0; i < 50; i += 1) {
          client.socket.volatile.emit("up", i);
        }
        assert.ok((await client.call("up_check"))[0].count <= 50);
      });
    });

    describe("acknowledgements", () => {
      test("a hundred at once find their callbacks", async (t) => {
        const client = await welcomed(t);
        const replies = await Promise.all(
          Array.from({ length: 100 }, (_, i) => client.call("echo", i, Buffer.from([i]))),
        );
        assert.deepEqual(
          normalized(replies),
          replies.map((_, i) => [i, Buffer.from([i])]),
        );
      });

      test("the server's question is answered", async (t) => {
        const client = await welcomed(t);
        client.socket.on("question", (...args) => args.pop()(...args, Buffer.from([1])));
        client.emit("ask", 10_000, "why", { bytes: Buffer.from([2]) });
        assert.deepEqual(normalized(await client.event("answer")), [
          true,
          "why",
          { bytes: Buffer.from([2]) },
          Buffer.from([1]),
        ]);
      });

      test("the server's question expires, and a late answer is ignored", async (t) => {
        const client = await welcomed(t);
        client.emit("ask", 100, "why");
        const [, answer] = await client.event("question");
        assert.deepEqual(await client.event("answer"), [false]);
        answer("late");
        await client.settle();
        assert.equal(client.seen("answer").length, 1);
      });

      test("several questions are told apart", async (t) => {
        const client = await welcomed(t);
        for (let i = 0; i < 10; i += 1) {
          client.emit("ask", 10_000, i);
        }
        await client.event("question", 10);
        client.seen("question").toReversed().forEach(([i, answer]) => answer(i));
        await client.event("answer", 10);
        assert.deepEqual(
          client.seen("answer"),
          Array.from({ length: 10 }, (_, i) => [true, 9 - i]),
        );
      });

      const hasTimeout = setup.version === "4.x" ? {} : { skip: "timeout() came with 4.4" };
      test("the client's own question expires", hasTimeout, async (t) => {
        const client = await welcomed(t);
        await assert.rejects(client.socket.timeout(100).emitWithAck("silent"), {
          message: "operation has timed out",
        });
        assert.deepEqual(await client.socket.timeout(10_000).emitWithAck("echo", 1), 1);
      });
    });

    describe("namespaces", () => {
      test("two share one connection and stay apart", async (t) => {
        const { admin, main } = await twoNamespaces(t, setup);
        assert.equal(main.engine, admin.engine);
        assert.deepEqual(main.seen("welcome"), [
          [{ auth: {}, id: main.id, nsp: "/", recovered: false }],
        ]);
        assert.deepEqual(admin.seen("welcome"), [
          [{ auth: { token: "secret" }, id: admin.id, nsp: "/admin", recovered: false }],
        ]);
        assert.notEqual(main.id, admin.id);
        for (let i = 0; i < 20; i += 1) {
          main.emit("echo", "main", i, Buffer.from([i]));
          admin.emit("echo", "admin", i, Buffer.from([i]));
        }
        await Promise.all([main.event("echo", 20), admin.event("echo", 20)]);
        for (const [client, name] of [[main, "main"], [admin, "admin"]]) {
          assert.deepEqual(
            normalized(client.seen("echo")),
            Array.from({ length: 20 }, (_, i) => [name, i, Buffer.from([i])]),
          );
        }
      });

      test("the same room in two namespaces is two rooms", async (t) => {
        const { admin, main } = await twoNamespaces(t, setup);
        const room = newRoom();
        await Promise.all([main.call("join", room), admin.call("join", room)]);
        await main.call("room_emit", room, null, "main only");
        await Promise.all([main.settle(), admin.settle()]);
        assert.deepEqual(main.seen("room_msg"), [["main only"]]);
        assert.deepEqual(admin.seen("room_msg"), []);
      });

      test("stats count the sockets of one namespace", async (t) => {
        const options = { auth: { token: "secret" } };
        const count = (client, sockets) =>
          eventually(
            async () => (await client.call("stats"))[0].sockets,
            (answer) => answer === sockets,
            `${sockets} sockets`,
          );
        const clients = [];
        for (let n = 1; n <= 3; n += 1) {
          clients.push(await Client.welcomed(t, setup, `${app.origin}/admin`, options));
          await count(clients[0], n);
        }
        clients[2].socket.disconnect();
        await count(clients[0], 2);
      });

      test("dynamic ones are separate", switchedOn("INTEROP_DYNAMIC"), async (t) => {
        const manager = new setup.Manager(app.origin, setup.options);
        const names = ["/chat-1", "/chat-22"];
        const clients = names.map((name) => new Client(manager.socket(name)));
        t.after(() => clients.forEach(({ socket }) => socket.disconnect()));
        for (const [i, client] of clients.entries()) {
          assert.equal((await client.event("welcome"))[0].nsp, names[i]);
          await client.call("join", "room");
        }
        await clients[0].call("room_emit", "room", null, Buffer.from([1]));
        await Promise.all(clients.map((client) => client.settle()));
        assert.deepEqual(normalized(clients[0].seen("room_msg")), [[Buffer.from([1])]]);
        assert.deepEqual(clients[1].seen("room_msg"), []);
      });
    });

    describe("rooms", () => {
      const connectMany = (t, n) =>
        Promise.all(Array.from({ length: n }, () => welcomed(t)));

      /** What each client received since the last time. */
      async function received(clients) {
        await Promise.all(clients.map((client) => client.settle()));
        return clients.map((client) => normalized(client.seen("room_msg").splice(0)).flat());
      }

      test("are joined and left", async (t) => {
        const client = await welcomed(t);
        const room = newRoom();
        assert.deepEqual(await client.call("rooms"), [[client.id]]);
        assert.deepEqual(await client.call("join", room), []);
        await client.call("join", room);
        assert.deepEqual((await client.call("rooms"))[0].sort(), [client.id, room].sort());
        assert.deepEqual(await client.call("leave", room), []);
        await client.call("leave", "never joined");
        assert.deepEqual(await client.call("rooms"), [[client.id]]);
      });

      test("messages reach exactly the members", async (t) => {
        const clients = await connectMany(t, 4);
        const [a, b, c, d] = clients;
        const [room, other] = [newRoom(), newRoom()];
        await Promise.all([a, b, c].map((client) => client.call("join", room)));
        await c.call("join", other);

        assert.deepEqual(await a.call("room_emit", room, null, "all"), []);
        assert.deepEqual(await received(clients), [["all"], ["all"], ["all"], []]);

        await d.call("room_emit", room, null, "from outside");
        const outside = ["from outside"];
        assert.deepEqual(await received(clients), [outside, outside, outside, []]);

        await a.call("room_emit", room, other, "except");
        assert.deepEqual(await received(clients), [["except"], ["except"], [], []]);

        await a.call("room_emit", room, b.id, "except one");
        assert.deepEqual(await received(clients), [["except one"], [], ["except one"], []]);

        assert.deepEqual(await a.call("room_broadcast", room, "others"), []);
        assert.deepEqual(await received(clients), [[], ["others"], ["others"], []]);

        await a.call("room_emit", d.id, null, "direct");
        assert.deepEqual(await received(clients), [[], [], [], ["direct"]]);

        await b.call("leave", room);
        const bytes = { bytes: Buffer.from([1, 2, 3]) };
        await a.call("room_emit", room, null, bytes);
        assert.deepEqual(await received(clients), [[bytes], [], [bytes], []]);

        const { id } = c;
        c.socket.disconnect();
        assert.equal(await serverReason(id), "client namespace disconnect");
        await a.call("room_emit", room, null, "one left");
        assert.deepEqual(await received([a, b, d]), [["one left"], [], []]);

        await a.call("room_emit", "nobody here", null, "nothing");
        assert.deepEqual(await received([a, b, d]), [[], [], []]);
      });

      test("questions to a room collect every answer", async (t) => {
        const clients = await connectMany(t, 3);
        const room = newRoom();
        for (const [i, client] of clients.entries()) {
          client.socket.on("question", (what, answer) => answer(`${what} ${i}`, "ignored"));
          await client.call("join", room);
        }
        const [timedOut, replies] = await clients[0].call("room_ask", room, 10_000, "who");
        assert.equal(timedOut, false);
        assert.deepEqual(replies.sort(), ["who 0", "who 1", "who 2"]);
        const nobody = await clients[0].call("room_ask", "nobody here", 10_000, "who");
        assert.deepEqual(nobody, [false, []]);
      });

      test("questions to a room expire with the answers so far", async (t) => {
        const clients = await connectMany(t, 3);
        const room = newRoom();
        await Promise.all(clients.map((client) => client.call("join", room)));
        for (const [i, client] of clients.slice(0, 2).entries()) {
          client.socket.on("question", (answer) => answer(Buffer.from([i])));
        }
        const [timedOut, replies] = await clients[0].call("room_ask", room, 1_000);
        assert.equal(timedOut, true);
        const sorted = normalized(replies).sort(Buffer.compare);
        assert.deepEqual(sorted, [Buffer.from([0]), Buffer.from([1])]);
        const [answer] = await clients[2].event("question");
        answer("late");
        await clients[2].settle();
      });

      test("messages come later", async (t) => {
        const clients = await connectMany(t, 2);
        const room = newRoom();
        await clients[1].call("join", room);
        clients[0].emit("later", room, 5, 50);
        await clients[1].event("late", 5);
        const expected = Array.from({ length: 5 }, (_, i) => [i, Buffer.from([i])]);
        assert.deepEqual(normalized(clients[1].seen("late")), expected);
        assert.ok(clients[1].seen("late_vol").length <= 1);
        await clients[0].settle();
        assert.deepEqual(clients[0].seen("late"), []);
      });
    });

    describe("disconnecting", () => {
      test("by the client leaves the other namespace alone", async (t) => {
        const { admin, main } = await twoNamespaces(t, setup);
        const { id } = main;
        main.socket.disconnect();
        assert.equal(await main.reason(), "io client disconnect");
        assert.equal(await serverReason(id), "client namespace disconnect");
        await admin.settle();
        main.socket.connect();
        assert.notEqual((await main.event("welcome", 2))[0].id, id);
      });

      test("by the client, for its last namespace", async (t) => {
        const client = await welcomed(t);
        const { id } = client;
        client.socket.disconnect();
        assert.equal(await client.reason(), "io client disconnect");
        assert.equal(await serverReason(id), "client namespace disconnect");
      });

      test("by the server leaves the other namespace alone", async (t) => {
        const { admin, main } = await twoNamespaces(t, setup);
        const { id } = admin;
        admin.emit("kick", false);
        assert.equal(await admin.reason(), "io server disconnect");
        assert.equal(await serverReason(id), "server namespace disconnect");
        await main.settle();
        assert.deepEqual(main.seen("disconnect"), []);
        admin.socket.connect();
        assert.notEqual((await admin.event("welcome", 2))[0].id, id);
        await admin.settle();
      });

      test("by the server closes the connection when asked to", async (t) => {
        const { admin, main } = await twoNamespaces(t, setup);
        const ids = [main.id, admin.id];
        const { engine } = main;
        main.emit("kick", true);
        for (const client of [main, admin]) {
          assert.equal(await client.reason(), "io server disconnect");
        }
        for (const id of ids) {
          assert.equal(await serverReason(id), "server namespace disconnect");
        }
        await eventually(() => engine.readyState, (state) => state === "closed", "a closed engine");
      });

      test("by closing the transport", async (t) => {
        const { admin, main } = await twoNamespaces(t, setup);
        const ids = [main.id, admin.id];
        main.engine.close();
        for (const client of [main, admin]) {
          assert.equal(await client.reason(), "forced close");
        }
        for (const id of ids) {
          assert.equal(await serverReason(id), "transport close");
        }
      });
    });

    describe("the load application", () => {
      test("echoes, joins and broadcasts", async (t) => {
        const clients = Array.from({ length: 3 }, () => Client.open(t, setup, load.origin));
        await Promise.all(clients.map((client) => client.event("connect")));
        const [a, b, c] = clients;
        a.emit("e", { list: [1, "two"] });
        assert.deepEqual(await a.event("e"), [{ list: [1, "two"] }]);
        for (const client of [a, b]) {
          client.emit("join");
          assert.deepEqual(await client.event("joined"), [1]);
        }
        for (let i = 0; i < 10; i += 1) {
          c.emit("b", i);
        }
        const expected = Array.from({ length: 10 }, (_, i) => [i]);
        for (const client of [a, b]) {
          await client.event("b", 10);
          assert.deepEqual(client.seen("b"), expected);
        }
        c.emit("e", "barrier");
        await c.event("e");
        assert.deepEqual(c.seen("b"), []);
        // Earlier tests have left the room: nobody gets a message twice.
        assert.deepEqual(b.seen("b"), expected);
      });
    });
  });
}

// These take the heartbeat's own times, so they wait together.
describe("heartbeats", { concurrency: SETUPS.length * 2 }, () => {
  for (const setup of SETUPS) {
    test(`${setup.name}: an idle client stays connected`, async (t) => {
      const client = await Client.welcomed(t, setup, app.origin);
      let pings = 0;
      const thirdPing = new Promise((resolve) => {
        client.engine.on("packet", ({ type }) => {
          pings += type === "ping" ? 1 : 0;
          if (pings === 3) {
            resolve();
          }
        });
      });
      await within(thirdPing, "a third ping");
      await client.settle();
      assert.deepEqual(client.seen("disconnect"), []);
    });

    test(`${setup.name}: a silent client is a ping timeout`, async (t) => {
      const { admin, main } = await twoNamespaces(t, setup);
      if (setup.transport === "upgrade") {
        await main.onTransport("websocket");
      }
      const ids = [main.id, admin.id];
      main.fallSilent();
      for (const client of [main, admin]) {
        assert.equal(await client.reason(), "transport close");
      }
      for (const id of ids) {
        assert.equal(await serverReason(id), "ping timeout");
      }
    });
  }
});
