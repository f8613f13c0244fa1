import { deepEqual, equal, match, rejects } from "node:assert/strict";
import pl from "polars";
import { ConsoleSink, MemorySink } from "lib";
import { asTimestamps, doubles } from "../../lib/windows/frame.ts";
import { isoText } from "../../lib/core/time.ts";

Deno.test("MemorySink keeps one table a batch id, in order of batches", async () => {
  const sink = new MemorySink();
  await sink.addBatch(0, pl.DataFrame({ n: [1] }));
  await sink.addBatch(1, pl.DataFrame({ n: [2] }));
  await sink.addBatch(1, pl.DataFrame({ n: [3] }));
  deepEqual([...sink.rows().getColumn("n")], [1, 3]);
  equal(sink.batch(2), undefined);
  equal(sink.batch(1)!.height, 1);
});

Deno.test("MemorySink holds one query: the next one's rows are in place of its own, not among them", async () => {
  const sink = new MemorySink();
  await sink.open("a");
  await sink.addBatch(0, pl.DataFrame({ n: [1] }));
  await sink.addBatch(1, pl.DataFrame({ n: [2] }));
  await rejects(sink.open("b"), /Another query writes to this MemorySink/);
  await sink.close();
  await sink.open("a"); // a restart goes on
  equal(sink.rows().height, 2);
  await sink.close();
  await sink.open("b");
  await sink.addBatch(0, pl.DataFrame({ n: [3] }));
  deepEqual([...sink.rows().getColumn("n")], [3]);
});

Deno.test("ConsoleSink prints dates as Spark does, and whole numbers with all their digits", async () => {
  const printed: string[] = [];
  await new ConsoleSink({ print: (text) => printed.push(text) }).addBatch(
    0,
    pl.DataFrame([
      pl.Series("d", [19_723, null], pl.Float64).cast(pl.Int32).cast(pl.Date),
      pl.Series("n", ["9007199254740993", "-7"], pl.Utf8).cast(pl.Int64),
    ]),
  );
  match(printed[0]!, /^\|2024-01-01\|9007199254740993\|\n\| {6}NULL\| {14}-7\|$/m);
});

/** What `show` of Spark 3.5 prints for the rows below. */
const TABLE = `-------------------------------------------
Batch: 7
-------------------------------------------
+--------------------+--------------------+---+---------+
|        window_start|                   k|  n|precision|
+--------------------+--------------------+---+---------+
| 2024-01-01 10:00:00|                   a|  1|      0.5|
|2024-01-01 10:00:...|abcdefghijklmnopq...|  2|   1.0E-4|
|+270000-01-01 00:...|                日本|  3|     NULL|
|+293506-05-25 11:...|                a\\nb|  4|      1.0|
+--------------------+--------------------+---+---------+
only showing top 4 rows
`;
const TIMES = [1_704_103_200_000, 1_704_103_200_500, Date.UTC(270_000, 0), 9.2e15, 0];

Deno.test("ConsoleSink prints a batch as Spark does: cut, aligned, in any year", async () => {
  const printed: string[] = [];
  const sink = new ConsoleSink({ print: (text) => printed.push(text), numRows: 4 });
  const rows = pl.DataFrame([
    asTimestamps(pl.Series("window_start", TIMES, pl.Float64)),
    pl.Series("k", ["a", "abcdefghijklmnopqrstuvwxyz", "日本", "a\nb", "e"], pl.Utf8),
    pl.Series("n", [1, 2, 3, 4, 5], pl.Float64).cast(pl.Int64),
    doubles("precision", [0.5, 1e-4, null, 1, 1]),
  ]);
  await sink.addBatch(7, rows);
  equal(printed[0], TABLE);
  await sink.addBatch(8, rows.limit(0).select("n"));
  match(printed[1]!, /Batch: 8\n-{43}\n\+---\+\n\| {2}n\|\n\+---\+\n\+---\+\n$/);
});

Deno.test("isoText() writes every instant that an event time can be, each once", () => {
  const times = [...TIMES, 8.64e15, 8.64e15 + 1, -8.64e15 - 1, -9.2e15];
  deepEqual(times.slice(0, 5).map(isoText), [
    "2024-01-01T10:00:00.000Z",
    "2024-01-01T10:00:00.500Z",
    "+270000-01-01T00:00:00.000Z",
    "+293506-05-25T11:33:20.000Z",
    "1970-01-01T00:00:00.000Z",
  ]);
  equal(new Set(times.map(isoText)).size, times.length);
});
