import assert from "node:assert/strict";
import type { Offsets } from "../../lib/core/types.ts";
import { KafkaSource } from "../../lib/kafka/source.ts";
import { withAdmin } from "./broker.ts";
import {
  broker,
  ignore,
  numbered,
  publish,
  readInSteps,
  startBroker,
  valuesOf,
  withSource,
} from "./steps.ts";

startBroker();

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

Deno.test("a topic that does not exist is a clear error", { ignore }, async () => {
  await assert.rejects(KafkaSource.open(broker.bootstrap, "absent"), {
    name: "RangeError",
    message: /no topic absent at Kafka 127\.0\.0\.1:\d+: create it/,
  });
});
