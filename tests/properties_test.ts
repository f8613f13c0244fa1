import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { OutputMode } from "lib";
import pl from "polars";
import { blocks, delay, LAST, plain, play, type Row, SETTINGS, slide } from "./random_rows.ts";

Deno.test("the watermark never goes back, whatever comes late and whatever the delay is changed to", () =>
  fc.assert(
    fc.asyncProperty(
      blocks,
      fc.array(delay, { minLength: 7, maxLength: 7 }),
      async (all, delays) => {
        const { batches } = await play(all, {
          mode: "update",
          delay: delays[0]!,
          restarts: delays,
        });
        const watermarks = batches.map(({ eventTime }) => Date.parse(eventTime.watermark!));
        deepEqual(watermarks, watermarks.toSorted((a, b) => a - b));
      },
    ),
    SETTINGS,
  ));

Deno.test("append emits a window once, and only when it is closed", () =>
  fc.assert(
    fc.asyncProperty(blocks, delay, slide, fc.boolean(), async (all, delay, slide, restarts) => {
      const { batches, sink } = await play([...all, [LAST]], {
        mode: "append",
        delay,
        slide,
        restarts,
      });
      const windows: string[] = [];
      for (const { batchId, eventTime } of batches) {
        for (const { window_start, window_end, segment } of sink.batch(batchId)!.toRecords()) {
          windows.push(JSON.stringify([window_start, segment]));
          ok((window_end as unknown as Date).getTime() <= Date.parse(eventTime.watermark!));
        }
      }
      equal(new Set(windows).size, windows.length);
    }),
    SETTINGS,
  ));

Deno.test("complete equals one group-by over all rows, late ones included", () =>
  fc.assert(
    fc.asyncProperty(blocks, delay, fc.boolean(), async (all, delay, restarts) => {
      const { batches, sink } = await play(all, { mode: "complete", delay, restarts });
      const table = sink.batch(batches.at(-1)!.batchId)!;
      const read = all.flat().filter((row) => row !== null);
      const series = (name: keyof Row) => read.map((row) => row[name]);
      const expected = pl.DataFrame([
        pl.Series("start", read.map(({ time }) => Math.floor(time / 60_000) * 60_000), pl.Float64),
        pl.Series("segment", series("segment"), pl.Utf8),
        pl.Series("amount", series("amount"), pl.Float64),
      ]).groupBy("start", "segment").agg(
        pl.len().alias("n"),
        pl.when(pl.col("amount").count().gt(0)).then(pl.col("amount").sum()).otherwise(pl.lit(null))
          .alias("total"),
        pl.col("amount").min().alias("least"),
        pl.col("amount").max().alias("most"),
        pl.col("amount").mean().alias("mean"),
      ).toRecords().map((record) => JSON.stringify(record, plain)).sort();
      const got = table.toRecords().map(({ window_start, window_end: _, ...rest }) =>
        JSON.stringify({ start: (window_start as unknown as Date).getTime(), ...rest }, plain)
      );
      deepEqual(got.sort(), expected);
    }),
    SETTINGS,
  ));

Deno.test("after every batch: read = counted + late + rejected + open", () =>
  fc.assert(
    fc.asyncProperty(
      blocks,
      delay,
      slide,
      fc.constantFrom<OutputMode>("append", "update", "complete"),
      async (all, delay, slide, mode) => {
        const { batches } = await play([...all, [LAST]], { mode, delay, slide });
        let input = 0;
        for (const { numInputRows, rows: { total } } of batches) {
          const { read, counted, late, rejected, open } = total;
          equal(read, counted + late + rejected + open);
          input += numInputRows;
          // In sliding windows a row is read once for each window it is in.
          if (slide === "1 minute") equal(read, input);
          else ok(read >= input);
        }
        equal(batches.at(-1)!.rows.total.rejected, all.flat().filter((row) => row === null).length);
      },
    ),
    SETTINGS,
  ));
