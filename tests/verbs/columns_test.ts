import { deepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import pl, { type Expr } from "polars";
import { sum } from "lib";
import { fieldsRead, readsOf } from "../../lib/expressions.ts";
import { addColumns, aggregationOf, sampleOf } from "../../lib/verbs/columns.ts";
import type { Schema } from "../../lib/core/types.ts";

const NAMES = ["a", "b", "c", 'q"uote', "co(l", "Sum", "^d"];
const SCHEMA: Schema = NAMES.map((name) => ({ name, type: "double" }));
const { col, lit } = pl;

/** Random expressions of one row over columns of doubles, whose values are doubles. */
const { expr } = fc.letrec<{ expr: Expr; condition: Expr }>((tie) => {
  const two = fc.tuple(tie("expr"), tie("expr"));
  return {
    expr: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(...NAMES).map((name) => col(name === "^d" ? "a" : name)),
      fc.constantFrom(1, 0.5).map((value) => lit(value)),
      two.map(([a, b]) => a.plus(b)),
      two.map(([a, b]) => a.fillNull(b)),
      fc.tuple(tie("condition"), two).map(([c, [a, b]]) => pl.when(c).then(a).otherwise(b)),
      two.map(([a, b]) => pl.struct([a.alias("x"), b.alias("y")]).struct.field("y")),
      two.map(([a, b]) => pl.concatList([a, b]).lst.sum()),
      tie("expr").map((a) => a.cast(pl.Int64, false).cast(pl.Float64)),
      tie("expr").map((a) => a.alias("Sum")),
      fc.constantFrom(
        () => pl.sumHorizontal(pl.all()),
        () => pl.sumHorizontal(pl.exclude("a")),
        () => pl.sumHorizontal(col("^[ab]$")),
        () => pl.sumHorizontal(pl.cols("b", "c")),
      ).map((make) => make()),
    ),
    condition: fc.oneof(
      two.map(([a, b]) => a.gt(b)),
      tie("expr").map((a) => a.isNull()),
      tie("expr").map((a) => a.eq(1).and(a.isNotNull())),
      tie("expr").map((a) => a.isIn([0, 1])),
    ),
  };
});

Deno.test("random expressions give the same over the fields found for them as over all", () => {
  const sample = sampleOf(SCHEMA);
  let narrow = 0;
  fc.assert(
    fc.property(expr, (value) => {
      const step = [value.alias("result")];
      const whole = addColumns(sample, step, "withColumns").select("result");
      for (const inAggregate of [true, false]) {
        const plan = { schema: SCHEMA, sample, columns: inAggregate ? [] : [step] };
        const aggregates = inAggregate ? { n: sum(value) } : {};
        const aggregation = aggregationOf(plan, { ...GROUPING, aggregates });
        const fields = fieldsRead(plan, aggregation).map(({ name }) => name);
        ok(sample.select(...fields).withColumns(...step).select("result").frameEqual(whole, true));
        if (fields.length < NAMES.length) narrow++;
      }
    }),
    { seed: 17, numRuns: 300 },
  );
  ok(narrow > 100); // it does not find all columns in any
});

const GROUPING = { window: { size: 1, slide: 1, offset: 0 }, keys: [], aggregates: {} };

Deno.test("a query reads the fields of its keys, its aggregates and its steps, and no others", () => {
  const sample = sampleOf(SCHEMA);
  const plan = {
    schema: SCHEMA,
    sample,
    columns: [[col("a").mul(2).alias("x")], [col("x").gt(1)]],
  };
  const grouping = { ...GROUPING, keys: ["Sum"], aggregates: { s: sum("c"), t: sum(col("co(l")) } };
  const fields = fieldsRead(plan, aggregationOf(plan, grouping));
  deepEqual(fields.map(({ name }) => name), ["a", "c", "co(l", "Sum"]);
  const none = fieldsRead({ ...plan, columns: [] }, aggregationOf(plan, GROUPING));
  deepEqual(none.map(({ name }) => name), ["a"]);
  deepEqual(readsOf(lit('col("b")')).columns, new Set());
  deepEqual(readsOf(col("a").isIn([1, 2])).isOfOneRow, true);
  deepEqual(readsOf(col("a").isIn(col("c"))).isOfOneRow, false); // of any row
});
