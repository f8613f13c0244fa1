import { deepEqual, match, ok, rejects, throws } from "node:assert/strict";
import pl, { type Expr } from "polars";
import { count, isoTime, MemorySink, MemorySource, readStream, type Schema, sum } from "lib";
import { Bench, SCHEMA } from "../query_bench.ts";

Deno.test("a trigger that is no duration is refused before anything runs", async () => {
  await using bench = new Bench();
  await rejects(bench.start({ trigger: "sometimes" }), SyntaxError);
  await (await bench.start()).stop(); // the checkpoint is free again
});

Deno.test("append without a watermark is refused: no window would ever be final", async () => {
  await using bench = new Bench();
  const rows = readStream(bench.source, SCHEMA).groupByWindow("event_time", "5 seconds")
    .agg({ n: count() });
  const options = { outputMode: "append", checkpointLocation: bench.checkpoint } as const;
  await rejects(rows.writeStream(new MemorySink(), options), /Cannot append without withWatermark/);
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
    col("a").sample({ frac: 1 }),
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
    ...[undefined, null, [count()]].map((given): [() => unknown, RegExp] => [
      () => window().agg(given as never),
      /agg: aggregates must be given by name/,
    ]),
    ...[{ kind: "median", of: "a" }, null, sum(undefined!), sum(5 as never), sum({} as never)].map((
      given,
    ): [() => unknown, RegExp] => [
      () => window().agg({ n: given as never }),
      /"n" must be count, countIf, sum/,
    ]),
    [() => window().agg({ n: count() }).select(pl.lit(1)), /select: name a column of the result/],
    [() => window().agg({ n: count() }).select(col("n").sum()), /select: name a column of the/],
    [() => window().agg({ n: sum("nope") }), /there is no column "nope"/],
    [() => window().agg({ n: sum(col("nope")) }), /unable to find column "nope"/],
    [() => window().agg({ n: count(pl.all()) }), /n is computed from 4 columns, not one/],
    [() => window().agg({ n: count() }).select("m"), /select: .*"m" not found/],
    [() => window().agg({ n: count() }).withColumns(col("m")), /unable to find column "m"/],
  ];
  for (const [build, message] of cases) throws(build, { name: "TypeError", message });
});
