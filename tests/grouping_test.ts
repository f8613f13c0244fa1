import { deepEqual, equal } from "node:assert/strict";
import {
  avg,
  count,
  isAlert,
  isoTime,
  max,
  min,
  readStream,
  type Schema,
  sum,
  windowKpis,
} from "lib";
import { Bench, SCHEMA, type Settings } from "./query_bench.ts";

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
