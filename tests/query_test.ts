import { deepEqual, equal } from "node:assert/strict";
import { isoTime } from "lib";
import { Bench, inputs } from "./query_bench.ts";

Deno.test("an interval query runs a batch for new data, and one more to close windows", async () => {
  await using bench = new Bench();
  const query = await bench.start({ name: "kpis", trigger: "1 millisecond" });
  bench.add(10, 11, 15);
  await query.processAllAvailable();
  bench.add(25);
  await query.processAllAvailable();
  //  10     15     20     25      event time
  //  [--2---)[--1--)[------)[--1--
  //          ^ watermark after batch 2
  deepEqual(inputs(bench), [[0, 3], [1, 0], [2, 1], [3, 0]]);
  deepEqual([0, 1, 2, 3].map((id) => bench.rows(id)), [[], [], [], [[10, 2]]]);
  equal(query.lastProgress!.name, "kpis");
  deepEqual(query.recentProgress, bench.batches);
});

Deno.test("with no-data batches off, windows close when the next data comes", async () => {
  await using bench = new Bench();
  const query = await bench.start({ noDataMicroBatches: false });
  bench.add(10, 11, 15);
  await query.processAllAvailable();
  bench.add(25);
  await query.processAllAvailable();
  bench.add(26);
  await query.processAllAvailable();
  deepEqual(inputs(bench), [[0, 3], [1, 1], [2, 1]]);
  deepEqual([0, 1, 2].map((id) => bench.rows(id)), [[], [], [[10, 2]]]);
});

Deno.test("an empty block is a batch of no rows, and leaves the watermark where it is", async () => {
  await using bench = new Bench();
  const query = await bench.start({ noDataMicroBatches: false });
  for (const block of [[], [20], [], [30]]) {
    bench.add(...block);
    await query.processAllAvailable();
  }
  deepEqual(inputs(bench), [[0, 0], [1, 1], [2, 0], [3, 1]]);
  deepEqual(bench.batches.map(({ eventTime }) => eventTime), [
    { watermark: isoTime(0) },
    { watermark: isoTime(0), min: isoTime(20_000), max: isoTime(20_000), avg: isoTime(20_000) },
    { watermark: isoTime(10_000) },
    {
      watermark: isoTime(10_000),
      min: isoTime(30_000),
      max: isoTime(30_000),
      avg: isoTime(30_000),
    },
  ]);
});

Deno.test("available-now takes what was there at its start, in limited batches, closes and ends", async () => {
  await using bench = new Bench();
  for (const time of [1, 2, 40]) bench.add(time);
  const query = await bench.start({
    trigger: "available-now",
    read: { maxOffsetsPerTrigger: 1 },
    onProgress: (progress) => {
      bench.batches.push(progress);
      if (progress.batchId === 0) bench.add(100); // comes too late for this run
    },
  });
  equal(await query.awaitTermination(), true);
  deepEqual(inputs(bench), [[0, 1], [1, 1], [2, 1], [3, 0]]);
  deepEqual(bench.rows(3), [[0, 2]]);
  equal(query.isActive, false);
});

Deno.test("once takes everything in one batch, ignores the limit and closes nothing after it", async () => {
  await using bench = new Bench();
  for (const time of [1, 2, 40]) bench.add(time);
  const settings = { trigger: "once", read: { maxOffsetsPerTrigger: 1 } };
  await (await bench.start(settings)).awaitTermination();
  deepEqual(inputs(bench), [[0, 3]]);
  await (await bench.start(settings)).awaitTermination();
  deepEqual(inputs(bench), [[0, 3]]); // nothing new, so no batch
  bench.add(41);
  await (await bench.start(settings)).awaitTermination();
  deepEqual(bench.rows(1), [[0, 2]]);
});

Deno.test("processAllAvailable waits for all data added before it, also in limited batches", async () => {
  await using bench = new Bench();
  const query = await bench.start({ read: { maxOffsetsPerTrigger: 1 }, outputMode: "update" });
  for (let i = 0; i < 5; i++) bench.add(i);
  await query.processAllAvailable();
  equal(query.lastProgress!.rows.total.read, 5);
  await query.processAllAvailable(); // nothing new: returns all the same
  equal(query.lastProgress!.rows.total.read, 5);
});
