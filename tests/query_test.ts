import { deepEqual, equal, match, notEqual, ok, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import pl, { type DataFrame, type Expr } from "polars";
import {
  avg,
  count,
  isAlert,
  isoTime,
  max,
  MemorySink,
  MemorySource,
  min,
  type ReadOptions,
  readStream,
  type Schema,
  type Sink,
  type StreamingQuery,
  StreamingQueryException,
  type StreamingQueryProgress,
  sum,
  windowKpis,
  type WriteOptions,
} from "lib";

const SCHEMA: Schema = [
  { name: "event_time", type: "timestamp" },
  { name: "segment", type: "string" },
  { name: "amount", type: "double" },
];

/** What a test may set about its query; the rest is the same in all. */
interface Settings extends Partial<WriteOptions> {
  readonly read?: ReadOptions;
  readonly schema?: Schema;
  readonly delay?: string;
  readonly window?: string;
  readonly slide?: string;
  readonly startTime?: string;
  readonly keys?: readonly string[];
  readonly aggregates?: Parameters<
    ReturnType<ReturnType<typeof readStream>["groupByWindow"]>["agg"]
  >[0];
}

/** A source, a sink and a checkpoint, and the queries started on them one after the other. */
class Bench {
  readonly source = new MemorySource();
  readonly memory = new MemorySink();
  readonly checkpoint = Deno.makeTempDirSync({ prefix: "query-" });
  readonly batches: StreamingQueryProgress[] = [];
  #queries: StreamingQuery[] = [];

  /** Adds one block; a row is a time in seconds, or [time, segment, amount]. */
  add(...rows: readonly (number | readonly [number, string | null, number?])[]): void {
    this.source.addData(rows.map((row) => {
      const [time, segment = null, amount = null] = typeof row === "number" ? [row] : row;
      return JSON.stringify({ event_time: isoTime(time * 1000), segment, amount });
    }));
  }

  async start(settings: Settings = {}, sink: Sink = this.memory): Promise<StreamingQuery> {
    const {
      schema = SCHEMA,
      startTime,
      delay = "10 seconds",
      window = "5 seconds",
      slide,
      keys = [],
      read,
      aggregates = { n: count() },
      ...write
    } = settings;
    const query = await readStream(this.source, schema, read)
      .withWatermark("event_time", delay)
      .groupByWindow("event_time", window, {
        keys,
        slide,
        startTime,
      })
      .agg(aggregates)
      .writeStream(sink, {
        outputMode: "append",
        checkpointLocation: this.checkpoint,
        now: () => 0,
        onProgress: (progress) => this.batches.push(progress),
        ...write,
      });
    this.#queries.push(query);
    return query;
  }

  /** The rows of a batch: the window's start in seconds, then the other columns. */
  rows(batchId: number): unknown[][] {
    return rowsOf(this.memory.batch(batchId)!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const query of this.#queries) await query.stop();
    await Deno.remove(this.checkpoint, { recursive: true });
  }
}

function rowsOf(frame: DataFrame): unknown[][] {
  return frame.toRecords().map(({ window_start, window_end: _, ...rest }) => [
    (window_start as unknown as Date).getTime() / 1000,
    ...Object.values(rest).map((value) => typeof value === "bigint" ? Number(value) : value),
  ]);
}

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

/** [batch id, rows read] of each batch so far. */
function inputs({ batches }: Bench): number[][] {
  return batches.map(({ batchId, numInputRows }) => [batchId, numInputRows]);
}

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

Deno.test("a trigger that is no duration is refused before anything runs", async () => {
  await using bench = new Bench();
  await rejects(bench.start({ trigger: "sometimes" }), SyntaxError);
  await (await bench.start()).stop(); // the checkpoint is free again
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

Deno.test("update writes only the windows of the batch, complete all of them", async () => {
  for (const outputMode of ["update", "complete"] as const) {
    await using bench = new Bench();
    const query = await bench.start({ outputMode, delay: "1 minute" });
    bench.add(1, 6, 12);
    await query.processAllAvailable();
    bench.add(7);
    await query.processAllAvailable();
    deepEqual(bench.rows(0), [[0, 1], [5, 1], [10, 1]]);
    deepEqual(bench.rows(1), outputMode === "update" ? [[5, 2]] : [[0, 1], [5, 2], [10, 1]]);
  }
});

Deno.test("a window that a batch updates and closes is written by update in that batch", async () => {
  await using bench = new Bench();
  const query = await bench.start({ outputMode: "update", noDataMicroBatches: false });
  bench.add(20);
  await query.processAllAvailable();
  bench.add(7); // late watermark 0, watermark 10: [5,10) takes it and goes
  await query.processAllAvailable();
  deepEqual(bench.rows(1), [[5, 1]]);
  const [operator] = query.lastProgress!.stateOperators;
  deepEqual([operator!.numRowsUpdated, operator!.numRowsRemoved, operator!.numRowsTotal], [
    1,
    1,
    1,
  ]);
});

Deno.test("late windows are counted once each, late rows each", async () => {
  await using bench = new Bench();
  const query = await bench.start({ outputMode: "update" });
  bench.add(100);
  await query.processAllAvailable();
  bench.add(1, 2, 6, 101);
  await query.processAllAvailable();
  const { rows, stateOperators } = bench.batches.findLast((b) => b.numInputRows > 0)!;
  equal(stateOperators[0]!.numRowsDroppedByWatermark, 2);
  equal(rows.late, 3);
  deepEqual(rows.total, { read: 5, counted: 0, late: 3, rejected: 0, open: 2 });
});

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

Deno.test("keys beside the window count each segment, null too, and outlive a restart", async () => {
  await using bench = new Bench();
  const settings: Settings = {
    keys: ["segment"],
    aggregates: { n: count(), with_amount: count("amount"), total: sum("amount") },
  };
  const first = await bench.start(settings);
  bench.add([1, "card", 5], [2, "card"], [2, null, 7], [3, ""], [3, 'a "b", \\'], [6, "card", 1]);
  await first.processAllAvailable();
  await first.stop();
  bench.add([4, "card", 2], [4, null, 1], [20, "cash"]);
  const second = await bench.start(settings);
  await second.processAllAvailable();
  //  0      5     10            20
  //  [--A---)[--B--)             ^ row; watermark 10
  const rows = bench.rows(second.lastProgress!.batchId);
  deepEqual(rows, [
    [0, "", 1, 0, null],
    [0, 'a "b", \\', 1, 0, null],
    [0, "card", 3, 2, 7],
    [0, null, 2, 2, 8],
    [5, "card", 1, 1, 1],
  ]);
});

Deno.test("KPIs by segment count each segment's own alerts and frauds, over a restart too", async () => {
  await using bench = new Bench();
  const schema: Schema = [
    ...SCHEMA,
    { name: "Class", type: "integer" },
    { name: "fraud_prob", type: "double" },
  ];
  const start = () =>
    windowKpis(readStream(bench.source, schema).withColumns(isAlert(0.5)), {
      watermark: "10 seconds",
      window: "1 minute",
      keys: ["segment"],
    }).writeStream(bench.memory, {
      outputMode: "append",
      checkpointLocation: bench.checkpoint,
      now: () => 0,
    });
  const add = (...rows: [number, string | null, number, number][]) =>
    bench.source.addData(
      rows.map(([time, segment, Class, fraud_prob]) =>
        JSON.stringify({ event_time: isoTime(time * 1000), segment, Class, fraud_prob })
      ),
    );
  add([1, "card", 1, 0.9], [2, "card", 0, 0.9], [3, null, 1, 0.1], [4, "cash", 0, 0.1]);
  const first = await start();
  await first.processAllAvailable();
  await first.stop();
  add([5, "card", 1, 0.2], [6, null, 1, 0.7], [100, "cash", 0, 0]);
  const second = await start();
  await second.processAllAvailable();
  await second.stop();
  // window, segment, watermark, n_txn, n_alert, n_fraud_true, tp, fp, fn, precision, recall
  deepEqual(bench.rows(second.lastProgress!.batchId), [
    [0, "card", "10 seconds", 3, 2, 2, 1, 1, 1, 0.5, 0.5],
    [0, "cash", "10 seconds", 1, 0, 0, 0, 0, 0, null, null],
    [0, null, "10 seconds", 2, 1, 2, 1, 0, 1, 1, 0.5],
  ]);
});

Deno.test("sliding windows with a start of their own close one by one, before 1970 too", async () => {
  await using bench = new Bench();
  const query = await bench.start({
    window: "10 seconds",
    slide: "4 seconds",
    startTime: "1 second",
    delay: "0 seconds",
    outputMode: "update",
  });
  //  -11     -7     -3      1       5      starts; a window is 10 long
  //             x           ^ 0      x     rows at -2 and 3; the watermark starts at 0
  bench.add(-2, 3);
  await query.processAllAvailable();
  // [-11,-1) had ended before the watermark 0, so the row at -2 is late for it and not for the others
  deepEqual(bench.rows(0), [[-7, 1], [-3, 2], [1, 1]]);
  const [data, noData] = bench.batches;
  equal(data!.stateOperators[0]!.numRowsDroppedByWatermark, 1);
  equal(noData!.stateOperators[0]!.numRowsRemoved, 1); // [-7,3) ends at the watermark 3
});

Deno.test("aggregates are the same over batches and restarts as over all rows", async () => {
  await using bench = new Bench();
  const aggregates = {
    n: count(),
    total: sum("amount"),
    least: min("amount"),
    most: max("amount"),
    mean: avg("amount"),
  };
  for (const row of [[1, null, 4], [2, null], [3, null, -1], [4, null, 6]] as const) {
    bench.add(row);
    const query = await bench.start({ outputMode: "complete", aggregates });
    await query.processAllAvailable();
    await query.stop();
  }
  deepEqual(bench.rows(3), [[0, 4, 9, -1, 6, 3]]);
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

Deno.test("append without a watermark is refused: no window would ever be final", async () => {
  await using bench = new Bench();
  const rows = readStream(bench.source, SCHEMA).groupByWindow("event_time", "5 seconds")
    .agg({ n: count() });
  const options = { outputMode: "append", checkpointLocation: bench.checkpoint } as const;
  await rejects(rows.writeStream(new MemorySink(), options), /Cannot append without withWatermark/);
});

Deno.test("without a watermark nothing is late and nothing closes", async () => {
  await using bench = new Bench();
  const query = await readStream(bench.source, SCHEMA).groupByWindow("event_time", "5 seconds")
    .agg({ n: count() })
    .writeStream(bench.memory, { outputMode: "update", checkpointLocation: bench.checkpoint });
  for (const time of [1000, 1, 2]) {
    bench.add(time);
    await query.processAllAvailable();
  }
  await query.stop();
  deepEqual([0, 1, 2].map((id) => bench.rows(id)), [[[1000, 1]], [[0, 1]], [[0, 2]]]);
  deepEqual(query.lastProgress!.eventTime, {});
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

Deno.test("a watermark is set once, over a timestamp of the schema", () => {
  const rows = readStream(new MemorySource(), SCHEMA);
  const timed = rows.withWatermark("event_time", "1 second");
  const refused: [() => unknown, RegExp][] = [
    [() => timed.withWatermark("event_time", "2 seconds"), /Redefining watermark is disallowed/],
    [() => rows.withWatermark("event_time", "-1 second"), /should not be negative/],
    [() => rows.groupByWindow("amount", "1 second"), /"amount": it is double, not timestamp/],
    [() => rows.groupByWindow("nothing", "1 second"), /"nothing": it is no field, not timestamp/],
  ];
  for (const [act, text] of refused) {
    try {
      act();
    } catch (error) {
      match((error as Error).message, text);
      continue;
    }
    ok(false, `${text} was not raised`);
  }
});

Deno.test("an expression has the columns that it reads, however it names them", async () => {
  const source = new MemorySource();
  const schema: Schema = ["a", "b", "c", "unused"].map((name) => ({ name, type: "double" }));
  const row = { event_time: isoTime(0), a: 1, b: null, c: 4, unused: 8 };
  source.addData([JSON.stringify(row), JSON.stringify({ ...row, a: 2 })]);
  const expressions: Record<string, [expr: Expr, total: number]> = {
    name: [pl.col("a"), 3],
    filled: [pl.col("b").fillNull(pl.col("c")), 8],
    chosen: [pl.when(pl.col("a").gt(1)).then(pl.col("c")).otherwise(pl.lit(0)), 4],
    nested: [
      pl.when(pl.col("a").gt(1)).then(
        pl.when(pl.col("b").isNull()).then(pl.col("c")).otherwise(pl.lit(0)),
      )
        .otherwise(pl.col("unused")),
      12,
    ],
    struct: [pl.struct([pl.col("a"), pl.col("c")]).struct.field("c"), 8],
    list: [pl.concatList([pl.col("a"), pl.col("c")]).lst.sum(), 11],
    pattern: [pl.sumHorizontal(pl.col("^[ac]$")), 11],
    several: [pl.sumHorizontal(pl.cols("a", "c")), 11],
    all: [pl.sumHorizontal(pl.exclude("event_time")), 27],
    wildcard: [pl.struct(pl.all()).struct.field("unused"), 16],
    literal: [pl.lit(5), 10],
  };
  for (const [name, [expr, total]] of Object.entries(expressions)) {
    const memory = new MemorySink();
    const query = await readStream(source, [{ name: "event_time", type: "timestamp" }, ...schema])
      .withColumns(expr.alias("x")).withWatermark("event_time", "0 seconds")
      .groupByWindow("event_time", "1 minute").agg({ total: sum("x") })
      .writeStream(memory, {
        outputMode: "complete",
        checkpointLocation: Deno.makeTempDirSync({ prefix: "query-" }),
        trigger: "available-now",
      });
    await query.awaitTermination();
    deepEqual(memory.rows().getColumn("total").toArray(), [total], name);
  }
});

Deno.test("what a query cannot compute right is refused when it is built, not in a batch", () => {
  const schema: Schema = [
    { name: "t", type: "timestamp" },
    { name: "a", type: "double" },
    { name: "c", type: "double" },
    { name: "s", type: "string" },
  ];
  const rows = readStream(new MemorySource(), schema);
  const { col } = pl;
  const acrossRows: Expr[] = [
    col("c").sum().over("a"),
    col("c").sortBy("a"),
    col("c").filter(col("a").gt(1)).first(),
    col("c").gt(123_456).sum(),
    col("c").eq(123_456).any(),
    col("c").shift(1),
    col("c").cumSum(),
    col("c").rank(),
    col("c").fillNull("forward"),
    col("a").unique(),
    pl.len(),
  ];
  for (const expr of acrossRows) {
    throws(() => rows.withColumns(expr.alias("x")), /withColumns: "x" looks at other rows/);
    const agg = rows.groupByWindow("t", "1 minute");
    throws(() => agg.agg({ n: sum(expr) }), /agg: n: .* looks at other rows/);
  }
  const window = (columns: Expr[] = [], keys: string[] = []) =>
    rows.withColumns(...columns).groupByWindow("t", "1 minute", { keys });
  const model = { sha256: "", features: ["a"], score: () => Promise.reject() };
  const cases: [() => unknown, RegExp][] = [
    [() => rows.withColumns(col("nope").mul(2)), /withColumns: .*unable to find column "nope"/],
    [() => rows.withColumns(col("a"), col("a").mul(2)), /withColumns: the name 'a' .*duplicate/],
    [() => rows.withColumns("a" as never), /columns must be Polars expressions/],
    [() => window([pl.lit(0).alias("t")]), /withColumns replaces it/],
    [() => rows.withColumns(col("c").alias("a")).score(model), /replaces "a".*Call score first/],
    [() => rows.score({ ...model, features: ["V1"] }), /the model reads "V1", and the schema/],
    [() => window([], ["nope"]).agg({ n: count() }), /there is no column "nope", only t, a, c, s/],
    [
      () => window([pl.concatList([col("a")]).alias("l")], ["l"]).agg({ n: count() }),
      /"l" cannot be a key: its type is List/,
    ],
    ...["window_start", "window_end", "s"].map((name): [() => unknown, RegExp] => [
      () => window([], ["s"]).agg({ [name]: count() }),
      new RegExp(`"${name}" cannot name an aggregate: it is a column already`),
    ]),
    [() => window().agg({ "": count() }), /"" cannot name an aggregate: it is empty/],
    [() => window().agg({ n: col("a") as never }), /"n" must be count, countIf, sum/],
    [() => window().agg({ n: sum("nope") }), /there is no column "nope"/],
    [() => window().agg({ n: sum(col("nope")) }), /unable to find column "nope"/],
    [() => window().agg({ n: count(pl.all()) }), /n is computed from 4 columns, not one/],
    [() => window().agg({ n: count() }).select("m"), /select: .*"m" not found/],
    [() => window().agg({ n: count() }).withColumns(col("m")), /unable to find column "m"/],
  ];
  for (const [build, message] of cases) throws(build, { name: "TypeError", message });
});
