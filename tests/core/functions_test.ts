import { deepEqual, equal } from "node:assert/strict";
import pl from "polars";
import { advanceState } from "../../lib/core/state.ts";
import { partialGroups } from "../../lib/core/frame.ts";
import { type Aggregate, avg, count, countIf, max, min, sum } from "../../lib/core/functions.ts";

const x = () => pl.col("x");

/** The result over batches of values, each merged into those before. */
function over(aggregate: Aggregate, ...batches: (number | null)[][]): number | null {
  const window = { size: 1, slide: 1, offset: 0 };
  let state: ReturnType<typeof advanceState>["state"] = new Map();
  for (const values of batches) {
    const frame = pl.DataFrame([pl.Series("x", values, pl.Float64)]);
    const grouping = { window, keys: [], aggregates: { a: aggregate } };
    const groups = partialGroups(frame, new Float64Array(values.length), grouping);
    const merges = aggregate.slots.map(({ merge }) => merge);
    const marks = { lateWatermark: null, watermark: null };
    state = advanceState(state, groups, { mode: "complete", size: 1, merges, ...marks }).state;
  }
  return aggregate.finish(state.get("0")!.slots);
}

Deno.test("an aggregate over batches is that over all rows, with Spark's nulls and NaN", () => {
  const cases: [string, Aggregate, (number | null)[][], number | null][] = [
    ["count(*)", count(), [[1, null], [2]], 3],
    ["count(x)", count("x"), [[1, null], [null]], 1],
    ["count_if", countIf(x().gt(1)), [[1, 2], [null, 3]], 2],
    ["sum", sum("x"), [[1, null], [2]], 3],
    ["sum of nulls", sum("x"), [[null], [null]], null],
    ["sum, a batch of nulls", sum("x"), [[null], [2]], 2],
    ["sum of an expression", sum(x().mul(2)), [[1], [2]], 6],
    ["avg", avg("x"), [[1], [2, 6, null]], 3],
    ["avg of nulls", avg("x"), [[null]], null],
    ["min", min("x"), [[3, null], [-2]], -2],
    ["min of nulls", min("x"), [[null]], null],
    ["max", max("x"), [[3, null], [-2]], 3],
    ["max of nulls", max("x"), [[null], [null]], null],
    // NaN is greater than any number
    ["min with NaN", min("x"), [[NaN], [1, NaN], [NaN]], 1],
    ["min of NaN", min("x"), [[NaN, null], [NaN]], NaN],
    ["max with NaN", max("x"), [[1], [2, NaN, null], [3]], NaN],
    ["sum with NaN", sum("x"), [[1], [NaN]], NaN],
    ["infinities", max("x"), [[1], [Infinity, -Infinity]], Infinity],
  ];
  for (const [name, aggregate, batches, expected] of cases) {
    equal(over(aggregate, ...batches), expected, name);
  }
});

Deno.test("an aggregate's text tells one from another: a restart compares it", () => {
  const aggregates = [
    count(),
    count("x"),
    count("y"),
    countIf(x().gt(1)),
    countIf(x().gt(2)),
    sum("x"),
    sum(x().mul(2)),
    avg("x"),
    min("x"),
    max("x"),
  ];
  const texts = aggregates.map(({ text }) => text);
  equal(new Set(texts).size, texts.length);
  deepEqual(count("x").text, count(x()).text);
});
