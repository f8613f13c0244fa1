import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { count, MemorySink, readStream, type Schema, TopicLog } from "lib";
import { newestByPartition, nextWatermark, slowestPartition } from "../lib/windows/watermark.ts";

const SCHEMA: Schema = [{ name: "t", type: "timestamp" }];
const at = (second: number) => JSON.stringify({ t: new Date(second * 1000).toISOString() });

Deno.test("slowestPartition() waits for the slowest partition that is not idle", () => {
  const rule = { clock: 1000, idleAfter: 100 };
  const first = slowestPartition({}, [["0", 50], ["1", 20]], rule);
  deepEqual(first, { times: { "0": [50, 1000], "1": [20, 1000] }, slowest: 20 });
  // Partition 1 is silent: it holds the watermark until it has been idle for 100 ms.
  equal(slowestPartition(first.times, [["0", 90]], { clock: 1099, idleAfter: 100 }).slowest, 20);
  equal(slowestPartition(first.times, [["0", 90]], { clock: 1100, idleAfter: 100 }).slowest, 90);
  equal(slowestPartition(first.times, [["0", 10]], rule).times["0"]![0], 50, "it never goes back");
});

Deno.test("rows without an event time neither hold nor move the watermark of idleAfter", () => {
  const stats = { count: 2, min: 0, max: 0, avg: 0 };
  const rule = { delay: 5, idleAfter: 100, clock: 1000 };
  const newest = newestByPartition(
    [["0", 2], ["1", 2], ["2", 0]],
    Float64Array.of(NaN, NaN, 50, NaN),
  );
  deepEqual(newest, [["1", 50]]);
  deepEqual(nextWatermark({ watermark: 0 }, { stats, newest }, rule), {
    watermark: 45,
    partitions: { "1": [50, 1000] },
  });
  // Only such rows, and the partition that had others is idle: the watermark stays, and is no Infinity.
  const before = { watermark: 45, partitions: { "1": [50, 1000] } } as const;
  const later = nextWatermark(before, { stats, newest: [] }, { ...rule, clock: 2000 });
  deepEqual(later, before);
});

Deno.test("withWatermark(idleAfter) keeps a slow partition's rows, over a restart, and lets an idle one go", async () => {
  const dir = await Deno.makeTempDir();
  const append = (partition: number, ...rows: number[]) =>
    Deno.writeTextFile(
      join(dir, "topic", `partition-${partition}.jsonl`),
      rows.map((row) => `${at(row)}\n`).join(""),
      { append: true },
    );
  await Deno.mkdir(join(dir, "topic"));
  const sink = new MemorySink();
  let clock = 0;
  /** Runs a new start of the query until there is nothing to do; returns the late rows of all starts. */
  async function drain(name: string, options: { idleAfter?: string }): Promise<number> {
    const query = await readStream(await TopicLog.open(dir, "topic"), SCHEMA)
      .withWatermark("t", "0 seconds", options)
      .groupByWindow("t", "10 seconds")
      .agg({ n: count() })
      .writeStream(sink, {
        outputMode: "append",
        checkpointLocation: join(dir, name),
        trigger: "available-now",
        now: () => clock,
      });
    await query.awaitTermination();
    return query.lastProgress!.rows.total.late;
  }
  try {
    //  0         10        20        30
    //  [----A----)[---B----)[---C----)
    await append(0, 1, 25); // partition 0 is fast
    await append(1, 2); //     partition 1 is slow: A is still open for it
    equal(await drain("flink", { idleAfter: "1 minute" }), 0);
    equal(await drain("spark", {}), 0);
    await append(1, 3, 12);
    clock = 1000;
    equal(
      await drain("flink", { idleAfter: "1 minute" }),
      0,
      "the slow partition holds the watermark",
    );
    equal(await drain("spark", {}), 2, "Spark's rule goes by the fast partition");
    await append(0, 31); // partition 1 has been silent for a minute by now
    clock = 62_000;
    await drain("flink", { idleAfter: "1 minute" });
    await append(1, 4);
    clock = 63_000;
    equal(await drain("flink", { idleAfter: "1 minute" }), 1, "an idle partition does not hold it");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
