import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { windowSpec } from "lib";
import { alike, readScoredRows, sweep } from "../../lab/mod.ts";
import { model, plainRow, type Row, runEngine, SCHEMA, THRESHOLD } from "./engine.ts";
import { sourceOf } from "./topics.ts";

/** Five rows a batch that spans half a minute; the last of every second batch is 40 s to 130 s old. */
const blocks = Array.from({ length: 24 }, (_, k) =>
  Array.from({ length: 5 }, (_, i): Row => ({
    time: 600_000 + k * 30_000 + i * 5000 - (i === 4 && k % 2 === 0 ? 40_000 + k % 5 * 30_000 : 0),
    risk: 0,
    label: 0,
  })));

Deno.test("alike() names the delays at which the engine writes the same table, and no other", async () => {
  const options = { model, schema: SCHEMA, maxOffsetsPerTrigger: 1 };
  const delays = Float64Array.from({ length: 151 }, (_, i) => i * 1000);
  const rows = await readScoredRows(sourceOf(blocks), options);
  const swept = sweep(rows, { window: windowSpec("1 minute"), threshold: THRESHOLD, delays });
  const tableAt = async (delay: number) => {
    const run = await runEngine(sourceOf(blocks), {
      delay: `${delay / 1000} seconds`,
      window: "1 minute",
    });
    return run.sink.rows().drop("watermark").sort("window_start").toRecords().map(plainRow);
  };
  for (const delay of [30_000, 75_000]) {
    const { table, lost } = alike(swept, delay);
    ok(table.from < table.to && lost.from <= table.from && table.to <= lost.to);
    const expected = await tableAt(delay);
    deepEqual(await tableAt(table.from), expected);
    deepEqual(await tableAt(table.to), expected);
    for (const beyond of [table.from - 1000, table.to + 1000]) {
      ok(JSON.stringify(await tableAt(beyond)) !== JSON.stringify(expected), `${beyond} ms`);
    }
  }
  equal(alike(swept, 30_000).table.from % 1000, 0);
  throws(() => alike(swept, 30_500), RangeError);
});
