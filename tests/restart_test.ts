import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import { join } from "node:path";
import type { DataFrame } from "polars";
import { count, MemorySink, type Sink, StreamingQueryException } from "lib";
import { Bench, inputs, rowsOf, SCHEMA, type Settings } from "./query_bench.ts";

/** A sink whose batches wait until they are let through. */
class GatedSink implements Sink {
  readonly description = "GatedSink";
  readonly entered = Promise.withResolvers<void>();
  readonly gate = Promise.withResolvers<void>();
  addBatch(): Promise<void> {
    this.entered.resolve();
    return this.gate.promise;
  }
}

/** A sink that fails on one batch, the first time. */
class FailingSink extends MemorySink {
  #fails = true;
  override addBatch(batchId: number, rows: DataFrame): Promise<void> {
    if (batchId !== 1 || !this.#fails) return super.addBatch(batchId, rows);
    this.#fails = false;
    return Promise.reject(new Error("no space left"));
  }
}

Deno.test("a stopped query goes on where it was, with the same id and a new run id", async () => {
  await using bench = new Bench();
  const first = await bench.start();
  bench.add(10, 11, 12, 13, 14, 15);
  await first.processAllAvailable();
  bench.add(25);
  await first.processAllAvailable();
  deepEqual(bench.rows(3), [[10, 5]]);
  await first.stop();
  bench.add(10, 27, 30); // 10 is late: the watermark is still 15
  const second = await bench.start();
  await second.processAllAvailable();
  deepEqual(bench.rows(5), [[15, 1]]);
  equal(bench.batches[4]!.rows.late, 1);
  equal(second.id, first.id);
  notEqual(second.runId, first.runId);
});

Deno.test("a restart may change the delay, and the watermark goes on from where it was", async () => {
  await using bench = new Bench();
  const first = await bench.start({ delay: "10 seconds" });
  bench.add(100);
  await first.processAllAvailable();
  await first.stop();
  bench.add(110);
  const second = await bench.start({ delay: "1 minute" });
  await second.processAllAvailable();
  await second.stop();
  bench.add(120);
  const third = await bench.start({ delay: "0 seconds" });
  await third.processAllAvailable();
  const watermarks = bench.batches.map(({ eventTime }) => Date.parse(eventTime.watermark!) / 1000);
  deepEqual(watermarks, [0, 90, 90, 90, 120]);
});

Deno.test("a restart may go from append to update and back", async () => {
  await using bench = new Bench();
  for (const outputMode of ["append", "update", "append"] as const) {
    bench.add(1);
    const query = await bench.start({ outputMode });
    await query.processAllAvailable();
    await query.stop();
  }
  deepEqual([0, 1, 2].map((id) => bench.rows(id)), [[], [[0, 2]], []]);
});

Deno.test("a restart that changes what the state is made of is refused, with the difference", async () => {
  await using bench = new Bench();
  await (await bench.start()).stop();
  const changes: [Settings, RegExp][] = [
    [{ window: "10 seconds" }, /window was 5000 ms over event_time, .* and is now 10000 ms/],
    [{ slide: "1 second" }, /slide 5000 ms, .* and is now 5000 ms over event_time, slide 1000 ms/],
    [{ keys: ["segment"] }, /keys was {2}and is now segment/],
    [{ aggregates: { n: count("amount") } }, /aggregates was n = count.* and is now n = count/],
    [{ outputMode: "complete" }, /outputMode was append or update and is now complete/],
    [{ schema: [...SCHEMA, { name: "x", type: "string" }] }, /schema was .* and is now .*x string/],
  ];
  for (const [change, difference] of changes) {
    await rejects(bench.start(change), ({ name, message }: Error) => {
      equal(name, "TypeError");
      match(message, difference);
      match(message, /Undo the change, or start over with a new checkpoint/);
      return true;
    });
  }
  await (await bench.start()).stop(); // unchanged, it still starts
});

Deno.test("a sink beside the result is new until a batch with it is committed", async () => {
  await using bench = new Bench();
  const opened: boolean[] = [];
  const rejected: Sink = {
    description: "RejectedSink",
    open: (_, { isNew }) => Promise.try(() => void opened.push(isNew)),
    addBatch: () => Promise.resolve(),
  };
  const run = async (settings: Settings, sink?: Sink) => {
    const query = await bench.start({ trigger: "available-now", ...settings }, sink);
    bench.add(1);
    await query.awaitTermination();
  };
  bench.add(1);
  await run({});
  const failing = new FailingSink();
  await rejects(run({ rejected }, failing), /no space left/);
  for (let i = 0; i < 2; i++) await run({ rejected }, failing);
  await run({});
  await run({ rejected });
  deepEqual(opened, [true, true, false, true]);
});

Deno.test("a second query on a live checkpoint is refused, and the first goes on", async () => {
  await using bench = new Bench();
  const query = await bench.start({ outputMode: "update" });
  await rejects(bench.start(), /Cannot use this checkpoint: a running query holds/);
  bench.add(1);
  await query.processAllAvailable();
  deepEqual(bench.rows(0), [[0, 1]]);
});

Deno.test("stop waits for the running batch and lets it commit", async () => {
  await using bench = new Bench();
  bench.add(1);
  const sink = new GatedSink();
  const query = await bench.start({}, sink);
  await sink.entered.promise;
  deepEqual(query.status, {
    message: "Processing new data",
    isDataAvailable: true,
    isTriggerActive: true,
  });
  const stopped = query.stop();
  equal(await query.awaitTermination(1), false);
  sink.gate.resolve();
  await stopped;
  await Deno.stat(join(bench.checkpoint, "commits", "0"));
  equal(query.isActive, false);
  equal(query.status.message, "Stopped");
  equal(query.exception, null);
  equal(await query.awaitTermination(), true);
});

Deno.test("a query that waits says so", async () => {
  await using bench = new Bench();
  const query = await bench.start();
  await query.processAllAvailable();
  equal(query.status.message, "Waiting for data to arrive");
  equal(query.isActive, true);
  equal(query.lastProgress, null);
});

Deno.test("a failed batch ends the query, says where, and runs again with the same rows", async () => {
  await using bench = new Bench();
  const sink = new FailingSink();
  const settings = { outputMode: "update" } as const;
  const query = await bench.start(settings, sink);
  bench.add(1);
  await query.processAllAvailable();
  bench.add(2);
  await rejects(query.processAllAvailable(), StreamingQueryException);
  await rejects(query.awaitTermination(), StreamingQueryException);
  equal(query.isActive, false);
  match(query.exception!.message, /failed in batch 1, reading MemorySource from .*no space left/);
  match(query.status.message, /Terminated with exception: no space left/);

  bench.add(3); // came in between: it belongs to the next batch
  const again = await bench.start(settings, sink);
  await again.processAllAvailable();
  deepEqual(inputs(bench), [[0, 1], [1, 1], [2, 1]]);
  deepEqual([0, 1, 2].map((id) => rowsOf(sink.batch(id)!)), [[[0, 1]], [[0, 2]], [[0, 3]]]);
});
