import { deepEqual, equal, match, ok } from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import pl, { type DataFrame } from "polars";
import { type Grouping, typeGrouping } from "../../lib/windows/aggregation.ts";
import { asTimestamps, doubles, partialGroups, rowsOf } from "../../lib/windows/frame.ts";
import { avg, count, max, min, sum } from "../../lib/windows/functions.ts";
import type { Group } from "../../lib/windows/state.ts";
import { windowSpec } from "../../lib/windows/window.ts";
import { leaveFrame } from "../../lib/leave_frame.ts";

const COUNT = { n: count() };

Deno.test("many groups are the same as few at a time, for keys and results of each type", () => {
  const many = 2_000;
  const [each, some] = [1, 7].map((nth) => (value: (i: number) => number) =>
    Array.from({ length: many }, (_, i) => nth > 1 && i % nth === 0 ? null : value(i))
  );
  const texts = (values: (string | null)[]) => pl.Series("t", values, pl.Utf8);
  const long = (shift: bigint) =>
    texts(Array.from({ length: many }, (_, i) => `${BigInt(i) * 10n ** 13n - shift}`)).cast(
      pl.Int64,
    );
  const all = pl.DataFrame([
    doubles("i", each!((i) => i)).cast(pl.Int32),
    long(0n).alias("k").cast(pl.UInt64), // some beyond 2^53
    texts(some!((i) => i).map((i) => i === null ? null : `n${i}`)).alias("text"),
    long(10n ** 16n).alias("long"), // both signs
    doubles("near", each!((i) => i - 1000)).cast(pl.Int64),
    doubles("real", some!((i) => i === 1 ? NaN : -i / 3)),
  ]);
  const aggregates = {
    ...{ long: sum("long"), near: min("near"), real: max("real"), mean: avg("real") },
    n: count(),
  };
  const grouping = { window: windowSpec("10 seconds"), keys: ["i", "k", "text"], aggregates };
  const aggregation = typeGrouping(all, grouping);
  const times = Float64Array.from({ length: many }, (_, i) => (i * 7919 % many - many / 2) * 1e4);
  const groups = (from: number, rows: number) =>
    partialGroups(all.slice(from, rows), times.subarray(from, from + rows), aggregation);
  const sorted = (rows: readonly Group[]) =>
    rows.toSorted((a, b) => Number(a.keys[0]) - Number(b.keys[0]));
  const few = Array.from({ length: many / 100 }, (_, i) => groups(100 * i, 100)).flat();
  equal(few.length, many);
  deepEqual(sorted(groups(0, many)), sorted(few));
});

/** Starts (s) and counts of the groups of times (s). */
function counts(seconds: readonly number[], window: Grouping["window"]): number[][] {
  const frame = pl.DataFrame([pl.Series("x", [...seconds], pl.Float64)]);
  const times = Float64Array.from(seconds, (time) => time * 1000);
  const sums = new Map<number, number>(); // a window may come in several parts
  const aggregation = typeGrouping(frame, { window, keys: [], aggregates: COUNT });
  for (const { start, rows } of partialGroups(frame, times, aggregation)) {
    sums.set(start / 1000, (sums.get(start / 1000) ?? 0) + rows);
  }
  return [...sums].sort(([a], [b]) => a - b);
}

Deno.test("partialGroups() puts a row in every window that contains it", () => {
  const tumbling = windowSpec("10 seconds");
  deepEqual(counts([0, 9.999, 10, -0.001], tumbling), [[-10, 1], [0, 2], [10, 1]]);

  // sliding, the window a multiple of the slide; before 1970 too
  const half = windowSpec("10 seconds", { slide: "5 seconds" });
  deepEqual(counts([13], half), [[5, 1], [10, 1]]);
  deepEqual(counts([-5], half), [[-10, 1], [-5, 1]]);

  // the window no multiple of the slide: a time is in 3 windows or in 4
  const third = windowSpec("10 seconds", { slide: "3 seconds" });
  deepEqual(counts([11], third), [[3, 1], [6, 1], [9, 1]]);
  deepEqual(counts([9], third), [[0, 1], [3, 1], [6, 1], [9, 1]]);

  // shifted
  const shifted = windowSpec("10 seconds", { slide: "5 seconds", startTime: "2 seconds" });
  deepEqual(counts([1.999, 2], shifted), [[-8, 1], [-3, 2], [2, 1]]);
});

Deno.test("partialGroups() leaves out a row without an event time", () => {
  deepEqual(counts([NaN, 1], windowSpec("10 seconds")), [[0, 1]]);
  deepEqual(counts([], windowSpec("10 seconds")), []);
});

Deno.test("partialGroups() and rowsOf() keep keys of each type, null is a key of its own", () => {
  const frame = pl.DataFrame([
    pl.Series("name", ["a", null, "a", ""], pl.Utf8),
    doubles("code", [1, 1, 1, null]).cast(pl.Int32),
    doubles("part", [0.5, null, 0.5, -1]),
    pl.Series("yes", [true, null, true, false], pl.Bool),
    asTimestamps(doubles("at", [1000, null, 1000, 2000])),
  ]);
  const keys = frame.columns;
  const grouping: Grouping = { window: windowSpec("10 seconds"), keys, aggregates: COUNT };
  const aggregation = typeGrouping(frame, grouping);
  const groups = partialGroups(frame, new Float64Array(4), aggregation);
  deepEqual(groups.map(({ keys, rows }) => JSON.stringify([...keys, rows])).sort(), [
    '["",null,-1,false,2000,1]',
    '["a",1,0.5,true,1000,2]',
    "[null,1,null,null,null,1]",
  ]);
  const kept = rowsOf(groups, aggregation).select(...keys);
  const sorted = (table: DataFrame) => table.toRecords().map((row) => JSON.stringify(row)).sort();
  deepEqual(sorted(kept), [...new Set(sorted(frame))]);
});

Deno.test("rowsOf() gives timestamps in UTC, the keys, then the aggregates with their types", () => {
  const frame = pl.DataFrame([
    pl.Series("name", ["a"], pl.Utf8),
    pl.Series("whole", [2], pl.Int32),
    pl.Series("part", [1.5], pl.Float64),
  ]);
  const aggregates = { n: count(), whole: sum("whole"), part: sum("part"), mean: avg("whole") };
  const grouping: Grouping = { window: windowSpec("10 seconds"), keys: ["name"], aggregates };
  const aggregation = typeGrouping(frame, grouping);
  const groups = partialGroups(frame, Float64Array.of(12_000), aggregation);
  const rows = rowsOf(groups, aggregation);
  deepEqual(rows.columns, ["window_start", "window_end", "name", "n", "whole", "part", "mean"]);
  const [row] = rows.toRecords();
  deepEqual(Object.values(row!).map((value) => typeof value === "bigint" ? Number(value) : value), [
    new Date(10_000),
    new Date(20_000),
    "a",
    1,
    2,
    1.5,
    2,
  ]);
  const ofType = rows.columns.map((name) => String(rows.getColumn(name).dtype));
  const names = ["Datetime", "Datetime", "Utf8|String", "Int64", "Int64", "Float64", "Float64"];
  for (const [i, name] of names.entries()) match(ofType[i]!, new RegExp(name));
  equal(rowsOf([], aggregation).columns.length, rows.columns.length); // no rows, same columns
});

Deno.test("leaveFrame() leaves no memory of Polars to a collection that comes late", async () => {
  const rows = 24_000;
  const times = Float64Array.from({ length: rows }, (_, row) => row);
  const grouping: Grouping = { window: windowSpec("1 minute"), keys: [], aggregates: COUNT };
  const frameOf = () => pl.DataFrame([pl.Series("v", times, pl.Float64)]);
  const aggregation = typeGrouping(frameOf(), grouping);
  const before = Deno.memoryUsage().rss;
  for (let i = 0; i < 1_000; i++) {
    const frame = frameOf();
    partialGroups(frame, times, aggregation);
    leaveFrame(frame);
    if (i % 5 === 0) await setTimeout(0); // what is collected is freed between tasks
  }
  const MiB = (Deno.memoryUsage().rss - before) / 2 ** 20;
  ok(MiB < 200, `${MiB} MiB more, of ${1_000 * rows * 16 / 2 ** 20} that were made`);
});
