import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { MemorySource, ParquetSink, readParquetFolder } from "lib";
import pl, { type DataFrame } from "polars";
import { COUNTS, lateRows, rejectedRows, repair } from "../../lab/mod.ts";
import { messageOf, model, plainRow, runEngine, SCHEMA, THRESHOLD } from "./engine.ts";
import { sourceOf, topics } from "./topics.ts";

const OPTIONS = { model, threshold: THRESHOLD, window: "1 minute", schema: SCHEMA };

/** Runs a query that loses rows, then puts them back. */
async function lose(source: MemorySource, delay: string) {
  const dir = await Deno.makeTempDir({ prefix: "aside-" });
  try {
    const sink = new ParquetSink(join(dir, "kpi"));
    const rejected = new ParquetSink(join(dir, "aside"));
    const { progress } = await runEngine(source, { delay, window: "1 minute", sink, rejected });
    const kpi = await readParquetFolder(sink.dir);
    const late = await lateRows(rejected.dir);
    const { total } = progress.at(-1)!.rows;
    equal((await rejectedRows(rejected.dir)).height, total.rejected);
    equal(late.height, total.late);
    return { kpi, late, ...await repair(kpi, late, OPTIONS).then((r) => ({ repaired: r })) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function rowsOf(table: DataFrame) {
  return table.drop("watermark").sort("window_start").toRecords().map(plainRow);
}

Deno.test("a repaired table is that of a query that drops nothing, over its windows", async () => {
  let [late, onlyLate] = [0, 0];
  await fc.assert(
    fc.asyncProperty(topics, fc.constantFrom("0 seconds", "30 seconds"), async (all, delay) => {
      const source = sourceOf(all);
      const { kpi, late: lost, repaired } = await lose(source, delay);
      const truth = await runEngine(source, { delay, window: "1 minute", outputMode: "complete" });
      const starts = (table: DataFrame) => table.getColumn("window_start").toArray().map(Number);
      const expected = new Set([...starts(kpi), ...starts(lost)]);
      const all_ = truth.sink.batch(truth.progress.at(-1)!.batchId)!;
      deepEqual(
        rowsOf(repaired.kpi),
        rowsOf(all_).filter(({ window_start }) => expected.has(Number(window_start))),
      );
      late += lost.height;
      const changes = repaired.changes.toRecords().map(plainRow);
      onlyLate += changes.filter(({ only_late_rows }) => only_late_rows).length;
      equal(changes.length, new Set(starts(lost)).size);
      equal(
        changes.reduce((n, row) => n + Number(row.n_txn) - Number(row.n_txn_was), 0),
        lost.height,
      );
    }),
    { seed: 20240101, numRuns: 15 },
  );
  ok(late > 100 && onlyLate > 10, `${late} late rows, ${onlyLate} windows of them alone`);
});

Deno.test("a late row that is not UTF-8 is repaired from its bytes", async () => {
  const source = new MemorySource();
  const row = { risk: 1, label: 1 };
  for (const time of [10_000, 200_000, 200_000]) source.addData([messageOf({ ...row, time })]);
  const bytes = new TextEncoder().encode(
    messageOf({ ...row, time: 20_000 }).replace("{", '{"x":"?",'),
  );
  source.addData([bytes.map((byte) => byte === 63 ? 0xff : byte)]);
  const { late, repaired } = await lose(source, "0 seconds");
  deepEqual(late.getColumn("encoding").toArray(), ["base64"]);
  const [first] = repaired.changes.toRecords().map(plainRow);
  deepEqual([first!.n_txn_was, first!.n_txn, first!.tp_was, first!.tp], [1, 2, 1, 2]);
});

Deno.test("nothing late leaves the table as it is", async () => {
  const source = sourceOf([[{ time: 1000, risk: 1, label: 0 }], [{
    time: 90_000,
    risk: 0,
    label: 1,
  }]]);
  const { kpi, repaired } = await lose(source, "0 seconds");
  equal(kpi.height, 1);
  ok(repaired.kpi.frameEqual(kpi));
  equal(repaired.changes.height, 0);
});

Deno.test("windows that overlap cannot be repaired", async () => {
  const at = (name: string, ms: number[]) =>
    pl.Series(name, ms, pl.Float64).cast(pl.Int64).cast(pl.Datetime("ms", "UTC"));
  const kpi = pl.DataFrame([
    at("window_start", [0, 30_000]),
    at("window_end", [60_000, 90_000]),
    ...COUNTS.map((name) => pl.Series(name, [1, 1], pl.Int64)),
  ]);
  await rejects(repair(kpi, pl.DataFrame({ value: [] }), OPTIONS), /windows that overlap/);
});
