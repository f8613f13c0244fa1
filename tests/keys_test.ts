import { deepEqual, rejects } from "node:assert/strict";
import fc from "fast-check";
import pl, { type DataType, type Expr } from "polars";
import { count, MemorySink, MemorySource, readStream, type Schema, sum } from "lib";

const SCHEMA: Schema = [
  { name: "t", type: "timestamp" },
  { name: "x", type: "double" },
  { name: "s", type: "string" },
];

/**
 * Counts rows by one key, in complete mode: a block of texts of `field` is a batch, and each batch is
 * run by a new start of the query. Returns [key as text, rows], sorted.
 */
async function countByKey(
  field: "x" | "s",
  blocks: readonly (readonly string[])[],
  key: Expr = pl.col(field),
): Promise<[string | null, number][]> {
  const source = new MemorySource();
  const sink = new MemorySink();
  const checkpointLocation = await Deno.makeTempDir();
  const rows = readStream(source, SCHEMA).withColumns(key.alias("key"));
  for (const block of blocks) {
    source.addData(block.map((text) => `{"t":"2024-01-01T10:00:01Z","${field}":${text}}`));
    const query = await rows.groupByWindow("t", "1 minute", { keys: ["key"] }).agg({ n: count() })
      .writeStream(sink, { outputMode: "complete", checkpointLocation, trigger: "available-now" });
    await query.awaitTermination();
  }
  await Deno.remove(checkpointLocation, { recursive: true });
  const table = sink.batch(blocks.length - 1)!.select("key", "n");
  const asText = table.withColumns(pl.col("key").cast(pl.Utf8));
  return asText.rows()
    .map(([key, n]): [string | null, number] => [key === null ? null : String(key), Number(n)])
    .sort(([a], [b]) => String(a) < String(b) ? -1 : 1);
}

Deno.test("NaN, the infinities, null and both zeros are keys as in Spark, over restarts too", async () => {
  const texts = ["NaN", "null", "Infinity", "-Infinity", "0.0", "-0.0", "1", '"NaN"'];
  const expected = [
    ["-inf", 2],
    ["0.0", 4],
    ["1.0", 2],
    ["NaN", 4],
    ["inf", 2],
    [null, 2],
  ];
  deepEqual(await countByKey("x", [texts, texts]), expected);
  deepEqual(await countByKey("x", [[...texts, ...texts]]), expected);
});

Deno.test("keys of any text are groups of their own over restarts", async () => {
  const texts = [
    "",
    "null",
    "NaN",
    "a\0",
    "a",
    'a"b',
    "a\\",
    "é",
    "e\u0301",
    "😀",
    "1",
    '{"number":"1"}',
  ];
  const json = texts.map((text) => JSON.stringify(text));
  const counts = await countByKey("s", [[...json, "null"], [...json, "null"]]);
  const expected = [...texts, null].map((text): [string | null, number] => [text, 2]);
  deepEqual(counts, expected.sort(([a], [b]) => String(a) < String(b) ? -1 : 1));
});

Deno.test("keys of whole numbers, times and booleans are exact, over restarts too", async () => {
  const x = pl.col("x");
  const base = pl.lit("9007199254740993").cast(pl.Int64);
  const long = (type: DataType = pl.Int64) => base.plus(x.cast(pl.Int64)).cast(type);
  const cases: [Expr, string[]][] = [
    [long(), ["9007199254740993", "9007199254740994"]],
    [pl.lit("-1").cast(pl.Int64).mul(long()), ["-9007199254740993", "-9007199254740994"]],
    [long(pl.UInt64), ["9007199254740993", "9007199254740994"]],
    [x.cast(pl.UInt8), ["0", "1"]],
    [x.eq(1), ["false", "true"]],
    [x.cast(pl.Int64).cast(pl.Date), ["1970-01-01", "1970-01-02"]],
    [x.cast(pl.Float32), ["0.0", "1.0"]],
  ];
  for (const [key, names] of cases) {
    const expected = [...names, null].map((name) => [name, 2])
      .sort(([a], [b]) => String(a) < String(b) ? -1 : 1);
    const block = ["0", "1", "null"];
    deepEqual(await countByKey("x", [block, block], key), expected, String(key));
  }
  // A microsecond apart, which no Date in JavaScript can tell.
  const instants = await countByKey(
    "x",
    [["0", "1"], ["0"]],
    long().cast(pl.Datetime("us", "UTC")),
  );
  deepEqual(instants.map(([, n]) => n), [2, 1]);
});

Deno.test("a restart with keys or sums of another type is refused: the state holds the old ones", async () => {
  const checkpointLocation = await Deno.makeTempDir();
  const start = async (key: Expr, of: Expr) => {
    const query = await readStream(new MemorySource(), SCHEMA).withColumns(key.alias("s"))
      .groupByWindow("t", "1 minute", { keys: ["s"] }).agg({ n: sum(of) })
      .writeStream(new MemorySink(), {
        outputMode: "complete",
        checkpointLocation,
        trigger: "available-now",
      });
    await query.awaitTermination();
  };
  const [text, x] = [pl.col("s"), pl.col("x")];
  await start(text, x);
  await rejects(start(x, x), /types was s String, n Float64 and is now s Float64, n Float64/);
  await rejects(start(text, x.cast(pl.Int64)), /types was .* and is now s String, n Int64/);
  await start(text, x.mul(2));
  await Deno.remove(checkpointLocation, { recursive: true });
});

Deno.test("columns may be called as the engine's own once were", async () => {
  const source = new MemorySource();
  source.addData(['{"t":"2024-01-01T10:00:01Z","#window":"w","#0":"z","#0 of":2}']);
  const sink = new MemorySink();
  const query = await readStream(source, [
    { name: "t", type: "timestamp" },
    ...["#window", "#0"].map((name) => ({ name, type: "string" } as const)),
    { name: "#0 of", type: "double" },
  ]).groupByWindow("t", "1 minute", { keys: ["#window", "#0"] })
    .agg({ "#rows": sum(pl.col("#0 of").mul(2)), k: sum("#0 of") })
    .writeStream(sink, {
      outputMode: "complete",
      checkpointLocation: await Deno.makeTempDir(),
      trigger: "available-now",
    });
  await query.awaitTermination();
  deepEqual(sink.rows().drop("window_start", "window_end").rows(), [["w", "z", 4, 2]]);
});

Deno.test("random keys count the same in one batch as over many, each run by a new start", async () => {
  const number = fc.oneof(
    fc.constantFrom("NaN", "null", "Infinity", "-Infinity", "0", "-0.0", "9007199254740993"),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  );
  const text = fc.oneof(
    fc.constantFrom("null", '"null"', '"NaN"', '""'),
    fc.string({ unit: "binary", maxLength: 3 }).map((value) => JSON.stringify(value)),
  );
  const blocksOf = (key: fc.Arbitrary<string>) =>
    fc.array(fc.array(key, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 3 });
  for (const [field, key] of [["x", number], ["s", text]] as const) {
    await fc.assert(
      fc.asyncProperty(blocksOf(key), async (blocks) => {
        deepEqual(await countByKey(field, blocks), await countByKey(field, [blocks.flat()]));
      }),
      { seed: 17, numRuns: 25 },
    );
  }
});
