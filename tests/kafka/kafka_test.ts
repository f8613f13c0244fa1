import assert from "node:assert/strict";
import { join } from "node:path";
import { OnnxModel, openKpis, TRANSACTION_SCHEMA } from "lib";
import { kafkaClient } from "../../lib/kafka/client.ts";
import {
  broker,
  checksum,
  ignore,
  numbered,
  publish,
  readInSteps,
  startBroker,
  valuesOf,
  withSource,
} from "./steps.ts";

startBroker();

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

Deno.test(
  "openKpis() leaves no connection open if the query cannot be built",
  { ignore, sanitizeResources: true },
  async () => {
    await publish("unbuilt", [numbered(3, (i) => `{"id":${i}}`)]);
    const path = join(import.meta.dirname!, "..", "..", "models", "fraud_lr_model.onnx");
    const model = await OnnxModel.load(path);
    await model.close();
    const spec = {
      source: { kind: "kafka", address: broker.bootstrap },
      topic: "unbuilt",
      startingOffsets: "earliest",
      schema: TRANSACTION_SCHEMA,
      model: { path, sha256: model.sha256 },
      threshold: 0.5,
      watermark: "30 seconds",
      window: "1 minute",
      keys: ["nowhere"],
      outputMode: "append",
    } as const;
    await assert.rejects(openKpis(spec), /nowhere/);
  },
);
