import { deepEqual, equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { avg, count, isoTime, MemorySink, MemorySource, readStream, sum } from "lib";
import { checkpointDiff, readCheckpoint } from "../../lab/mod.ts";
import { plainRow } from "./engine.ts";

/** Runs a query over three blocks, with keys and a mean, and leaves its checkpoint. */
async function leave(dir: string) {
  const source = new MemorySource();
  // [10:00--------)[10:01--------)[10:02
  //   0,0        1        1      2      the block that brings a row; delay 0
  for (const [block, ...times] of [[0, 5, 6], [1, 50, 70], [2, 130]]) {
    source.addData(
      times.map((time) =>
        JSON.stringify({ time: isoTime(time * 1000), kind: `k${block! % 2}`, amount: time })
      ),
    );
  }
  const query = await readStream(source, [
    { name: "time", type: "timestamp" },
    { name: "kind", type: "string" },
    { name: "amount", type: "double" },
  ], { maxOffsetsPerTrigger: 1 })
    .withWatermark("time", "0 seconds")
    .groupByWindow("time", "1 minute", { keys: ["kind"] })
    .agg({ n: count(), total: sum("amount"), mean: avg("amount") })
    .writeStream(new MemorySink(), {
      outputMode: "append",
      checkpointLocation: dir,
      trigger: "available-now",
      now: () => 1000,
    });
  await query.awaitTermination();
}

Deno.test("readCheckpoint() gives offsets, commits and state of each batch, and their difference", async () => {
  const dir = await Deno.makeTempDir({ prefix: "checkpoint-" });
  try {
    await leave(dir);
    const tables = await readCheckpoint(dir);
    deepEqual(tables.offsets.toRecords().map((row) => Object.values(plainRow(row))), [
      [0, "0", 1, 0, 1000],
      [1, "0", 2, 6000, 1000],
      [2, "0", 3, 70_000, 1000],
      [3, "0", 3, 130_000, 1000],
    ]);
    deepEqual(tables.commits.toRecords().map((row) => Object.values(plainRow(row))), [
      [0, 6000],
      [1, 70_000],
      [2, 130_000],
      [3, 130_000],
    ]);
    deepEqual(tables.state.columns.slice(4), ["n", "total", "total_values", "mean", "mean_values"]);
    deepEqual(tables.state.toRecords().map((row) => Object.values(plainRow(row))), [
      [0, 0, "k0", 2, 2, 11, 2, 11, 2],
      [1, 0, "k0", 2, 2, 11, 2, 11, 2],
      [1, 0, "k1", 1, 1, 50, 1, 50, 1],
      [1, 60_000, "k1", 1, 1, 70, 1, 70, 1],
      [2, 60_000, "k1", 1, 1, 70, 1, 70, 1],
      [2, 120_000, "k0", 1, 1, 130, 1, 130, 1],
      [3, 120_000, "k0", 1, 1, 130, 1, 130, 1],
    ]);
    const { state, offsets } = checkpointDiff(tables, { from: 1, to: 2 });
    deepEqual(state.toRecords().map((row) => Object.values(plainRow(row))), [
      [0, "k0", 2, null, "closed"],
      [0, "k1", 1, null, "closed"],
      [60_000, "k1", 1, 1, "same"],
      [120_000, "k0", null, 1, "opened"],
    ]);
    equal(Number(offsets.getColumn("rows_read").get(0)), 1);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("readCheckpoint() refuses a damaged file and a folder that is no checkpoint", async () => {
  const dir = await Deno.makeTempDir({ prefix: "checkpoint-" });
  try {
    await rejects(readCheckpoint(dir), /is no checkpoint/);
    await leave(dir);
    const state = join(dir, "state", "2");
    const text = await Deno.readTextFile(state);
    await Deno.writeTextFile(state, text.replace("130", "131"));
    await rejects(readCheckpoint(dir), SyntaxError);
    await Deno.writeTextFile(state, text);
    await Deno.writeTextFile(join(dir, "commits", "1"), "v1\n{}");
    await rejects(readCheckpoint(dir), /commits.1": its checksum/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
