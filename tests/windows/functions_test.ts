import { deepEqual, equal, throws } from "node:assert/strict";
import pl, { type DataType, type Series } from "polars";
import { advanceState, applyStep, groupsIn, newState } from "../../lib/windows/state.ts";
import { typeGrouping } from "../../lib/windows/aggregation.ts";
import { partialGroups, rowsOf } from "../../lib/windows/frame.ts";
import { type Aggregate, avg, count, countIf, max, min, sum } from "../../lib/windows/functions.ts";

const x = () => pl.col("x");

/** The result over batches of a column, each merged into those before, and its type. */
function over(
  aggregate: Aggregate,
  ...batches: readonly Series[]
): [result: unknown, type: string] {
  const window = { size: 1, slide: 1, offset: 0 };
  const grouping = { window, keys: [], aggregates: { a: aggregate } };
  const aggregation = typeGrouping(pl.DataFrame([batches[0]!]).limit(0), grouping);
  const merges = aggregation.slots.map(({ merge }) => merge);
  const marks = { lateWatermark: null, watermark: null };
  const state = newState();
  for (const series of batches) {
    const frame = pl.DataFrame([series]);
    const groups = partialGroups(frame, new Float64Array(frame.height), aggregation);
    const how = { mode: "complete" as const, size: 1, merges, ...marks };
    applyStep(state, advanceState(state, groups, how));
  }
  const result = rowsOf(groupsIn(state), aggregation).select("a");
  const { variant } = result.getColumn("a").dtype;
  const isExact = /Int64/.test(variant); // as text, since Polars gives an int64 as a double
  return [result.select(isExact ? pl.col("a").cast(pl.Utf8) : pl.col("a")).rows()[0]![0], variant];
}

/** A column of integers that a double may not hold. */
function integers(type: DataType, ...values: readonly (bigint | number | null)[]): Series {
  const texts = values.map((value) => value === null ? null : String(value));
  return pl.Series("x", texts, pl.Utf8).cast(pl.Int64).cast(type);
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
    const series = batches.map((values) => pl.Series("x", values, pl.Float64));
    const [result, type] = over(aggregate, ...series);
    equal(type === "Int64" ? Number(result) : result, expected, name);
  }
});

Deno.test("sums of integers of any type are int64, exact, and the same however rows fall into batches", () => {
  const greatest = (bits: number) => 2n ** BigInt(bits - 1) - 1n;
  const types: [DataType, bigint][] = [
    [pl.Int8, greatest(8)],
    [pl.Int16, greatest(16)],
    [pl.Int32, greatest(32)],
    [pl.Int64, 2n ** 53n + 1n],
    [pl.UInt8, 255n],
    [pl.UInt16, 65_535n],
    [pl.UInt32, 2n ** 32n - 1n],
    [pl.UInt64, 2n ** 53n + 1n],
  ];
  for (const [type, value] of types) {
    const one = integers(type, value);
    const three = integers(type, value, null, value, value);
    for (const batches of [[three], [one, one, one], [integers(type, value, value), one]]) {
      deepEqual(over(sum("x"), ...batches), [String(3n * value), "Int64"], String(type));
      const [mean, meanType] = over(avg("x"), ...batches);
      deepEqual([Math.round(Number(mean)), meanType], [Number(value), "Float64"], String(type));
      deepEqual(over(count("x"), ...batches), ["3", "Int64"]);
    }
    const extremes = over(max("x"), integers(type, 1), three, integers(type, 0));
    deepEqual(extremes.map(String), [String(value), type.variant]);
    deepEqual(over(min("x"), three, integers(type, 1)).map(String), ["1", type.variant]);
  }
  const most = integers(pl.Int64, 2n ** 63n - 1n);
  const wrapped = [String(-(2n ** 63n)), "Int64"]; // as Spark without ANSI
  deepEqual(over(sum("x"), most, integers(pl.Int64, 1)), wrapped);
  deepEqual(over(sum("x"), integers(pl.Int64, 2n ** 63n - 1n, 1)), wrapped);
});

Deno.test("an aggregate keeps to Spark's types: doubles of float32, min and max in the type of the column", () => {
  const series = (type: DataType, ...values: (number | null)[]) =>
    pl.Series("x", values as number[], pl.Float64).cast(pl.Int64).cast(type);
  const float = pl.Series("x", [0.1, 0.2], pl.Float64).cast(pl.Float32);
  deepEqual(over(sum("x"), float), [Math.fround(0.1) + Math.fround(0.2), "Float64"]);
  deepEqual(over(max("x"), float), [Math.fround(0.2), "Float32"]);
  deepEqual(over(max("x"), series(pl.Bool, 0, null), series(pl.Bool, 1)), [true, "Bool"]);
  deepEqual(over(min("x"), series(pl.Bool, 0, 1), series(pl.Bool, null)), [false, "Bool"]);
  const dates = [series(pl.Date, 3, null), series(pl.Date, 5)];
  deepEqual(over(max("x"), ...dates), [new Date(5 * 86_400_000), "Date"]);
  const instants = pl.Datetime("us", "UTC");
  deepEqual(over(min("x"), series(instants, 7_000_000), series(instants, 3_000_000)), [
    new Date(3_000),
    "Datetime",
  ]);
  const nulls = pl.DataFrame({ y: [1] }).select(pl.lit(null).alias("x")).getColumn("x");
  deepEqual(over(sum("x"), nulls), [null, "Float64"]);
  deepEqual(over(sum(pl.lit(2).cast(pl.Int32)), float, float), ["8", "Int64"]); // a literal counts each row
});

Deno.test("an aggregate refuses a column of a type that it cannot take, when it is built", () => {
  const cases: [Aggregate, DataType, RegExp][] = [
    [sum("x"), pl.Bool, /a: sum takes no column of type Bool; countIf counts what is true/],
    [avg("x"), pl.Bool, /avg takes no column of type Bool/],
    [sum("x"), pl.Utf8, /sum takes no column of type/],
    [min("x"), pl.Utf8, /min takes no column of type/],
    [avg("x"), pl.Datetime("ms", "UTC"), /avg takes no column of type Datetime/],
    [countIf("x"), pl.Int32, /count_if takes no column of type Int32/],
  ];
  for (const [aggregate, type, message] of cases) {
    const empty = pl.Series("x", [], pl.Float64).cast(pl.Int64).cast(type);
    throws(() => over(aggregate, empty), { name: "TypeError", message });
  }
  throws(() => over(sum("y"), integers(pl.Int32)), /agg: there is no column "y", only x/);
});
