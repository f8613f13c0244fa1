import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as net from "node:net";
import { Transform } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { KafkaSource } from "../../lib/kafka/source.ts";
import { broker, ignore, numbered, publish, startBroker, valuesOf, withSource } from "./steps.ts";

startBroker();

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
