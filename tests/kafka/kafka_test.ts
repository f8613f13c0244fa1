import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as net from "node:net";
import { Transform } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import type { Messages, Offsets } from "../../lib/core/types.ts";
import { type KafkaOptions, KafkaSource } from "../../lib/kafka/source.ts";
import { decompress } from "../../lib/kafka/codecs.ts";
import { kafkaClient } from "../../lib/kafka/client.ts";
import { openKafkaPublisher } from "../../tools/kafka_publisher.ts";
import { isBrokerMissing, openTestBroker, PASSWORD, type TestBroker, withAdmin } from "./broker.ts";

const ignore = await isBrokerMissing();
let broker: TestBroker;

if (!ignore) {
  Deno.test.beforeAll(async () => {
    broker = await openTestBroker();
  });
  Deno.test.afterAll(() => broker.close());
}

Deno.test("the rows that went in come out, by count and checksum, for any split into ranges", {
  ignore,
}, async () => {
  const rows = [0, 1, 2].map((p) => numbered(4_000, (i) => `{"id":"${p}-${i}","city":"Zürich"}`));
  await publish("rows", rows);
  await withSource("rows", {}, async (source) => {
    const latest = await source.latestOffsets();
    assert.deepEqual(latest, { 0: 4_000, 1: 4_000, 2: 4_000 });
    for (const step of [1_000_000, 1_777, 399]) {
      const read = await readInSteps(source, latest, step);
      for (const [p, values] of rows.entries()) {
        assert.equal(read[p]!.length, values.length);
        assert.equal(checksum(read[p]!), checksum(values), `partition ${p} in steps of ${step}`);
      }
    }
    const [only] = await source.getBatch({ 1: 1_234 }, { 1: 1_236 });
    assert.deepEqual([...only!.offsets], [1_234, 1_235]);
    const [none] = await source.getBatch({ 1: 7 }, { 1: 7 });
    assert.equal(none!.offsets.length, 0);
  });
});

Deno.test("every compression of a foreign producer is read, by checksum", { ignore }, async () => {
  await broker.createTopic("compressed");
  const expected = Number(await broker.foreign(["compressed", "compressed"]));
  await withSource("compressed", {}, async (source) => {
    const [read] = await readInSteps(source, await source.latestOffsets(), 333);
    assert.equal(read!.length, 5_000);
    assert.equal(checksum(read!), expected);
  });
});

Deno.test(
  "random frames of Kafka's own codecs decompress to what went in",
  { ignore },
  async () => {
    const seed = 1;
    const lines = (await broker.foreign(["frames", `${seed}`, "300"])).split("\n");
    assert.equal(lines.length, 300);
    for (const [i, line] of lines.entries()) {
      const [codec, data, length, crc] = line.split(" ");
      const name = `codec ${codec}, line ${i} of seed ${seed}`;
      let read: Uint8Array = new Uint8Array();
      assert.doesNotThrow(
        () => read = decompress(Number(codec), Buffer.from(data!, "base64")),
        name,
      );
      assert.deepEqual([read.length, crc32(read)], [Number(length), Number(crc)], name);
    }
  },
);

Deno.test(
  "aborted transactions are not read, whatever offset a range ends at",
  { ignore },
  async () => {
    await broker.createTopic("transactions");
    await broker.foreign(["transactions", "transactions"]);
    const expected = numbered(
      5,
      (r) => [`kept-a-${r}`, ...numbered(100, (i) => `kept-b-${r}-${i}`)],
    );
    await withSource("transactions", {}, async (source) => {
      const latest = await source.latestOffsets();
      for (const step of [1_000_000, 50, 3]) {
        const [read] = await readInSteps(source, latest, step);
        assert.deepEqual(read!.toSorted(), expected.flat().sort(), `in steps of ${step}`);
      }
    });
  },
);

Deno.test("latestOffsets() stops before a transaction that is open", { ignore }, async () => {
  await broker.createTopic("held");
  await withSource("held", {}, async (source) => {
    await broker.foreign(["held", "held"], async (line) => {
      assert.equal(line, "written");
      assert.deepEqual(await source.latestOffsets(), { 0: 0 });
    });
    assert.deepEqual(await source.latestOffsets(), { 0: 2 }); // the message and the end marker
    const [read] = await readInSteps(source, { 0: 2 }, 10);
    assert.deepEqual(read, ["held"]);
  });
});

Deno.test("null values are marked, and are not empty values", { ignore }, async () => {
  await broker.createTopic("tombstones");
  await broker.foreign(["tombstones", "tombstones"]);
  await withSource("tombstones", {}, async (source) => {
    const [messages] = await source.getBatch({ 0: 0 }, { 0: 9 });
    assert.deepEqual([...messages!.tombstones!], [1, 0, 0, 1, 0, 0, 1, 0, 0]);
    assert.deepEqual(valuesOf(messages!), ["", "", "v2", "", "", "v5", "", "", "v8"]);
  });
});

Deno.test("a record batch of 300,000 messages is read", { ignore }, async () => {
  await broker.createTopic("huge");
  await broker.foreign(["huge", "huge", "300000"]);
  await withSource("huge", {}, async (source) => {
    const [messages] = await source.getBatch({ 0: 0 }, { 0: 300_000 });
    assert.equal(checksum(valuesOf(messages!)), checksum(numbered(300_000, String)));
  });
});

Deno.test("a partition added while running is shown and read", { ignore }, async () => {
  await publish("grown", [["a"]]);
  await withSource("grown", {}, async (source) => {
    assert.deepEqual(await source.latestOffsets(), { 0: 1 });
    await withAdmin(
      broker.bootstrap,
      (admin) => admin.createPartitions({ topicPartitions: [{ topic: "grown", count: 3 }] }),
    );
    await publish("grown", [[], [], ["b"]]);
    assert.deepEqual(await source.latestOffsets(), { 0: 1, 1: 0, 2: 1 });
    const read = await readInSteps(source, { 0: 1, 1: 0, 2: 1 }, 10);
    assert.deepEqual(read, [["a"], [], ["b"]]);
  });
});

Deno.test("offsets that retention deleted fail the read, or are counted as lost", {
  ignore,
}, async () => {
  await publish("aged", [numbered(100, String)]);
  await withAdmin(broker.bootstrap, async (admin) => {
    await admin.fetchTopicOffsets("aged"); // kafkajs needs the topic's metadata first
    await admin.deleteTopicRecords({ topic: "aged", partitions: [{ partition: 0, offset: "60" }] });
  });
  await withSource("aged", {}, async (source) => {
    assert.deepEqual(await source.earliestOffsets(), { 0: 60 });
    await assert.rejects(source.getBatch({ 0: 40 }, { 0: 100 }), {
      name: "RangeError",
      message:
        /topic aged, partition 0: wanted offsets \[40, 100\), there are \[60, 100\).*failOnDataLoss/,
    });
  });
  await withSource("aged", { failOnDataLoss: false }, async (source) => {
    const [messages] = await source.getBatch({ 0: 40 }, { 0: 100 });
    assert.deepEqual(valuesOf(messages!), numbered(100, String).slice(60));
    assert.equal(source.lostOffsets, 20);
    const [gone] = await source.getBatch({ 0: 10 }, { 0: 50 });
    assert.deepEqual([gone!.offsets.length, source.lostOffsets], [0, 60]);
  });
});

Deno.test("a topic deleted and made anew fails the read, or is read from its beginning", {
  ignore,
}, async () => {
  await publish("anew", [numbered(50, String), ["x"]]);
  await withSource("anew", { outageTimeoutMs: 1_500 }, async (strict) => {
    await withSource("anew", { failOnDataLoss: false }, async (lenient) => {
      const old = strict.identity;
      await withAdmin(broker.bootstrap, (admin) => admin.deleteTopics({ topics: ["anew"] }));
      await assert.rejects(strict.latestOffsets(), {
        name: "RangeError",
        message: /no topic anew/,
      });
      const waiting = lenient.latestOffsets(); // as for a broker that is away
      await publish("anew", [numbered(10, (i) => `new-${i}`)]);
      assert.deepEqual(Object.keys(await waiting), ["0"]);
      await assert.rejects(strict.getBatch({ 0: 5 }, { 0: 10 }), {
        name: "RangeError",
        message: /partition 0: wanted offsets \[5, 10\), the topic was deleted and made anew/,
      });
      assert.deepEqual(await strict.latestOffsets(), { 0: 10 });
      assert.notEqual(strict.identity, old);
      assert.equal(strict.identity, lenient.identity);

      const cases: [Offsets, Offsets, RegExp][] = [
        [{ 0: 50 }, { 0: 10 }, /partition 0: wanted offsets \[50, 10\), there are \[0, 10\)/],
        [{ 0: 20 }, { 0: 50 }, /partition 0: wanted offsets \[20, 50\), there are \[0, 10\)/],
        [{ 0: 5 }, { 0: 50 }, /partition 0: wanted offsets \[10, 50\), there are \[0, 10\)/],
        [{ 1: 0 }, { 1: 1 }, /partition 1: wanted offsets \[0, 1\), the partition is gone/],
      ];
      for (const [start, end, message] of cases) {
        await assert.rejects(strict.getBatch(start, end), { name: "RangeError", message });
      }
      const read = await lenient.getBatch({ 0: 50, 1: 0 }, { 0: 10, 1: 1 });
      assert.deepEqual(read.map(valuesOf), [numbered(10, (i) => `new-${i}`), []]);
      assert.equal(lenient.lostOffsets, 1);
      const [tail] = await lenient.getBatch({ 0: 8 }, { 0: 12 });
      assert.deepEqual(valuesOf(tail!), ["new-8", "new-9"]);
      assert.equal(lenient.lostOffsets, 3);
    });
  });
});

Deno.test(
  "offsetsForTime() finds the first message at or after an instant",
  { ignore },
  async () => {
    await broker.createTopic("timed", 2);
    const producer = (await kafkaClient(broker.bootstrap)).producer({
      createPartitioner: () => () => 0,
    });
    await producer.connect();
    const messages = [1_000, 2_000, 3_000].map((t) => ({ timestamp: `${t}`, value: `${t}` }));
    await producer.send({ topic: "timed", messages });
    await producer.disconnect();
    await withSource("timed", {}, async (source) => {
      // 0: [1000)[2000)[3000)   1: nothing
      for (const [time, offset] of [[0, 0], [1_001, 1], [2_000, 1], [3_000, 2], [3_001, 3]]) {
        assert.deepEqual(await source.offsetsForTime(time!), { 0: offset, 1: 0 }, `${time}`);
      }
    });
  },
);

Deno.test("a message the broker refuses is a clear error, and the next one is taken", {
  ignore,
}, async () => {
  const publisher = await openKafkaPublisher(broker.bootstrap, "refused", 1);
  try {
    await assert.rejects(
      publisher.send(0, [{ key: "k", value: "x".repeat(10_000_000) }]),
      /topic refused, partition 0: .*larger than the max message size.*1 messages, 10000\d+ bytes/,
    );
    await publisher.send(0, numbered(30, () => ({ key: "k", value: "x".repeat(100_000) })));
    await assert.rejects(
      openKafkaPublisher(broker.bootstrap, "refused", 2),
      { name: "RangeError", message: /refused has 1 partitions, 2 asked for/ },
    );
  } finally {
    await publisher.close();
  }
  await withSource("refused", {}, async (source) => {
    assert.deepEqual(await source.latestOffsets(), { 0: 30 });
  });
});

Deno.test("one source serves many calls at once, as several sources do", { ignore }, async () => {
  const rows = numbered(6, (p) => numbered(3_000, (i) => `${p}-${i}`));
  await publish("shared", rows);
  await withSource("shared", {}, async (one) => {
    await withSource("shared", {}, async (other) => {
      const latest = await one.latestOffsets();
      const all = await Promise.all(
        [one, other, one, other].map((source, i) => readInSteps(source, latest, 500 + 77 * i)),
      );
      for (const read of all) assert.deepEqual(read.map(checksum), rows.map(checksum));
    });
  });
});

Deno.test("PLAIN, SCRAM and TLS logins read, and no error or description shows the password", {
  ignore,
}, async () => {
  await publish("guarded", [["a"]]);
  await broker.foreign(["scram", "reader", PASSWORD]);
  const login = { username: "reader", password: PASSWORD };
  const ssl = { ca: [broker.certificate] };
  const ways: [string, KafkaOptions][] = [
    [broker.sasl, { sasl: { mechanism: "plain", ...login } }],
    [broker.sasl, { sasl: { mechanism: "scram-sha-256", ...login } }],
    [broker.sasl, { sasl: { mechanism: "scram-sha-512", ...login } }],
    [broker.tls, { sasl: { mechanism: "plain", ...login }, ssl }],
  ];
  for (const [address, options] of ways) {
    const source = await KafkaSource.open(address, "guarded", options);
    const [messages] = await source.getBatch({ 0: 0 }, { 0: 1 });
    assert.deepEqual(valuesOf(messages!), ["a"]);
    assert.equal(source.description, "Kafka[guarded]");
    assert.doesNotMatch(Deno.inspect(source, { depth: 20 }), new RegExp(PASSWORD));
    await source.close();
  }
  const wrong: [string, KafkaOptions][] = [
    [broker.sasl, { sasl: { mechanism: "plain", username: "other", password: PASSWORD } }],
    [broker.sasl, { sasl: { mechanism: "scram-sha-256", username: "other", password: PASSWORD } }],
    [broker.tls, { sasl: { mechanism: "plain", ...login }, ssl: true }],
  ];
  for (const [address, options] of wrong) {
    const error = await KafkaSource.open(address, "guarded", options).catch((error) => error);
    assert.match(error.message, /Cannot read Kafka topic guarded at .*TLS and SASL settings/);
    assert.doesNotMatch(Deno.inspect(error, { depth: 20 }), new RegExp(PASSWORD));
  }
  const environment = {
    KAFKA_SASL_MECHANISM: "SCRAM-SHA-512",
    KAFKA_SASL_USERNAME: "reader",
    KAFKA_SASL_PASSWORD: PASSWORD,
  };
  for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
  try {
    const source = await KafkaSource.open(broker.sasl, "guarded");
    assert.deepEqual(await source.latestOffsets(), { 0: 1 });
    await source.close();
  } finally {
    for (const name of Object.keys(environment)) Deno.env.delete(name);
  }
});

Deno.test("a topic that does not exist is a clear error", { ignore }, async () => {
  await assert.rejects(KafkaSource.open(broker.bootstrap, "absent"), {
    name: "RangeError",
    message: /no topic absent at Kafka 127\.0\.0\.1:\d+: create it/,
  });
});

Deno.test("a broker killed three times while messages come and go costs no row and doubles none", {
  ignore,
  sanitizeOps: false, // the restarted broker's process outlives the test that started it
  sanitizeResources: false,
}, async () => {
  const count = 60_000;
  await broker.createTopic("outages", 3);
  const sent = broker.foreign(["steady", "outages", String(count)]);
  const seen: number[] = [];
  await withSource("outages", {}, async (source) => {
    const killAt = [count / 6, count / 3, count / 2];
    let restarted: Promise<void> = Promise.resolve();
    let start: Record<string, number> = { 0: 0, 1: 0, 2: 0 };
    while (seen.length < count) {
      const latest = await source.latestOffsets();
      const end = Object.fromEntries(
        Object.keys(latest).map((p) => [p, Math.min(latest[p]!, start[p]! + 700)]),
      );
      const reading = source.getBatch(start, end);
      if (seen.length >= (killAt[0] ?? Infinity)) {
        await restarted;
        await broker.kill();
        // The first outage lasts longer than kafkajs by itself would wait; that is what is tested.
        restarted = delay(killAt.shift() === count / 6 ? 14_000 : 0).then(() => broker.restart());
      }
      for (const messages of await reading) seen.push(...valuesOf(messages).map(Number));
      start = end;
    }
    await restarted;
    assert.deepEqual(killAt, []);
    assert.deepEqual(await source.latestOffsets(), start, "nothing is left unread");
  });
  assert.equal(await sent, "sent");
  assert.deepEqual(seen.sort((a, b) => a - b), numbered(count, (i) => i));
});

Deno.test("connections that go silent are given up and made anew", { ignore }, async () => {
  await publish("silent", [["a", "b"]]);
  await using proxy = await openProxy();
  const { sockets } = proxy;
  const source = await KafkaSource.open(proxy.address, "silent", { outageTimeoutMs: 40_000 });
  try {
    assert.equal((await source.getBatch({ 0: 0 }, { 0: 1 }))[0]!.offsets.length, 1);
    // As when a router forgets a connection: nothing comes, and nobody says that it is closed.
    for (const socket of sockets.splice(0)) socket.unpipe().pause();
    const [messages] = await source.getBatch({ 0: 0 }, { 0: 2 });
    assert.deepEqual(valuesOf(messages!), ["a", "b"]);
  } finally {
    await source.close();
  }
});

Deno.test(
  "bytes that change on the way are refused, with partition and offset",
  { ignore },
  async () => {
    await publish("changed", [["first"], ["second"]]);
    await publish("changed", [[], ["third"]]);
    await using proxy = await openProxy((text) => text.replace("third", "thirD"));
    const source = await KafkaSource.open(proxy.address, "changed");
    try {
      const [good] = await source.getBatch({ 1: 0 }, { 1: 1 });
      assert.deepEqual(valuesOf(good!), ["second"]);
      await assert.rejects(source.getBatch({ 0: 0, 1: 0 }, { 0: 1, 1: 2 }), {
        name: "SyntaxError",
        message:
          /topic changed, partition 1: the record batch at offset 1 cannot be read, its bytes have changed .*startingOffsets/,
      });
    } finally {
      await source.close();
    }
  },
);

Deno.test(
  "a broker that calls itself by an address out of reach is named by it",
  { ignore },
  async () => {
    await publish("elsewhere", [["a"]]);
    const { port, proxyPort } = broker.proxied; // nothing listens at proxyPort
    await assert.rejects(
      KafkaSource.open(`127.0.0.1:${port}`, "elsewhere"),
      new RegExp(
        `at 127.0.0.1:${port}: .*ECONNREFUSED.* Kafka there calls itself 127.0.0.1:${proxyPort}: name`,
      ),
    );
  },
);

Deno.test(
  "a call that waits out an outage ends when the source is closed",
  { ignore },
  async () => {
    await publish("closed", [["a"]]);
    for (const silent of [false, true]) {
      await using proxy = await openProxy();
      const source = await KafkaSource.open(proxy.address, "closed");
      for (const socket of proxy.sockets) silent ? socket.unpipe().pause() : socket.destroy();
      proxy.server.close();
      const waiting = [source.latestOffsets(), source.getBatch({ 0: 0 }, { 0: 1 })];
      const ends = Promise.all(waiting.map((call) => assert.rejects(call, { name: "AbortError" })));
      await delay(300);
      const before = Date.now();
      await source.close();
      await ends;
      assert.ok(Date.now() - before < 1_000, "closing waits for nothing");
      await assert.rejects(source.latestOffsets(), { name: "AbortError" });
    }
  },
);

Deno.test(
  "the query's own permissions reach a broker under any name of this machine",
  { ignore },
  async () => {
    const rows = numbered(3, (i) => JSON.stringify({ event_time: `2024-01-01T10:0${i}:00Z` }));
    await publish("loopback", [rows]);
    const port = Number(broker.bootstrap.split(":")[1]);
    const ipv6 = net.createServer((client) => {
      const upstream = net.connect(port, "127.0.0.1");
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
    });
    await new Promise<void>((resolve) => ipv6.listen(0, "::1", resolve));
    const other = (ipv6.address() as net.AddressInfo).port;
    const dir = await Deno.makeTempDir();
    for (
      const [i, address] of [`localhost:${port}`, `[::1]:${other}, 127.0.0.1:${port}`].entries()
    ) {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["task", "-q", "kpi"],
          ...[
            "--source",
            `kafka:${address}`,
            "--topic",
            "loopback",
            "--sink",
            `jsonl:${dir}/${i}.jsonl`,
          ],
          ...["--checkpoint", `${dir}/${i}`, "--progress", `${dir}/${i}.progress`],
        ],
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
      const [progress] = (await Deno.readTextFile(`${dir}/${i}.progress`)).split("\n");
      assert.equal(JSON.parse(progress!).numInputRows, 3);
      const offsets = await Deno.readTextFile(`${dir}/${i}/offsets/0`);
      assert.match(offsets, /"sourceId":"[0-9a-f]{32}"/);
    }
    ipv6.close();
    await Deno.remove(dir, { recursive: true });
  },
);

/** Stands between the source and the broker, and may change what the broker answers. */
async function openProxy(change = (text: string) => text) {
  const { port, proxyPort } = broker.proxied;
  const sockets: net.Socket[] = [];
  const all: net.Socket[] = [];
  const server = net.createServer((client) => {
    const upstream = net.connect(port, "127.0.0.1");
    client.pipe(upstream);
    const through = new Transform({
      transform: (chunk, _, done) =>
        done(null, Buffer.from(change(chunk.toString("latin1")), "latin1")),
    });
    upstream.pipe(through).pipe(client);
    for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
    sockets.push(client, upstream);
    all.push(client, upstream);
  });
  await new Promise<void>((resolve) => server.listen(proxyPort, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${proxyPort}`,
    sockets,
    server,
    async [Symbol.asyncDispose]() {
      for (const socket of all) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function publish(topic: string, rows: readonly (readonly string[])[]): Promise<void> {
  const publisher = await openKafkaPublisher(broker.bootstrap, topic, rows.length);
  for (const [partition, values] of rows.entries()) {
    await publisher.send(partition, values.map((value, i) => ({ key: `${i}`, value })));
  }
  await publisher.close();
}

async function withSource(
  topic: string,
  options: KafkaOptions,
  work: (source: KafkaSource) => Promise<void>,
): Promise<void> {
  const source = await KafkaSource.open(broker.bootstrap, topic, options);
  try {
    await work(source);
  } finally {
    await source.close();
  }
}

/** Reads all partitions from 0 in ranges of `step` offsets, and checks that offsets rise. */
async function readInSteps(
  source: KafkaSource,
  latest: Offsets,
  step: number,
): Promise<string[][]> {
  const read: string[][] = Object.keys(latest).map(() => []);
  let start: Record<string, number> = Object.fromEntries(Object.keys(latest).map((p) => [p, 0]));
  while (Object.keys(latest).some((p) => start[p]! < latest[p]!)) {
    const end = Object.fromEntries(
      Object.keys(latest).map((p) => [p, Math.min(start[p]! + step, latest[p]!)]),
    );
    for (const messages of await source.getBatch(start, end)) {
      const p = messages.partition;
      assert.ok(
        messages.offsets.every((offset, i) =>
          offset >= start[p]! && offset < end[p]! &&
          (i === 0 || offset > messages.offsets[i - 1]!)
        ),
      );
      read[Number(p)]!.push(...valuesOf(messages));
    }
    start = end;
  }
  return read;
}

function valuesOf(messages: Messages): string[] {
  const { bytes, starts, ends } = messages;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from(starts, (start, i) => buffer.toString("utf8", start, ends[i]));
}

function checksum(values: readonly string[]): number {
  return values.reduce((crc, value) => crc32(value, crc), 0);
}

function numbered<T>(count: number, value: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => value(i));
}
