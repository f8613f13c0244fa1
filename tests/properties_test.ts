import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  avg,
  count,
  isoTime,
  max,
  MemorySink,
  MemorySource,
  min,
  type OutputMode,
  readStream,
  type Schema,
  type StreamingQuery,
  type StreamingQueryProgress,
  sum,
} from "lib";
import pl from "polars";

/** Each property is tried on the same cases every time. */
const SETTINGS = { seed: 20240101, numRuns: 15 };
const SCHEMA: Schema = [
  { name: "event_time", type: "timestamp" },
  { name: "segment", type: "string" },
  { name: "amount", type: "integer" },
];
const AGGREGATES = {
  n: count(),
  total: sum("amount"),
  least: min("amount"),
  most: max("amount"),
  mean: avg("amount"),
};

/** A row of the stream; time in ms, null where the message cannot be read. */
interface Row {
  readonly time: number;
  readonly segment: string | null;
  readonly amount: number | null;
}
type Block = readonly (Row | null)[];

const SPAN = 300_000;
const row = fc.record<Row>({
  time: fc.integer({ min: 0, max: SPAN }),
  segment: fc.constantFrom("card", "cash", "", null),
  amount: fc.option(fc.integer({ min: -50, max: 50 }), { freq: 10 }),
});
const rows = fc.array(row, { minLength: 1, maxLength: 40 });
const blocks = fc.array(fc.array(fc.option(row, { freq: 8 }), { maxLength: 8 }), {
  minLength: 1,
  maxLength: 7,
});
const delay = fc.constantFrom("0 seconds", "30 seconds", "2 minutes");
const slide = fc.constantFrom("1 minute", "25 seconds");

interface Play {
  readonly mode: OutputMode;
  readonly delay: string;
  readonly slide?: string;
  readonly noDataMicroBatches?: boolean;
  /** Starts the query anew before each block; with a delay a block, each start has its own. */
  readonly restarts?: boolean | readonly string[];
  /** All blocks are there before the first batch. */
  readonly backlog?: boolean;
}

interface Played {
  readonly batches: readonly StreamingQueryProgress[];
  readonly sink: MemorySink;
}

/** Plays blocks through a query on a checkpoint of its own. */
async function play(all: readonly Block[], settings: Play): Promise<Played> {
  const { mode, slide = "1 minute", noDataMicroBatches = true, restarts = false } = settings;
  const checkpointLocation = await Deno.makeTempDir({ prefix: "property-" });
  const source = new MemorySource();
  const sink = new MemorySink();
  const batches: StreamingQueryProgress[] = [];
  const start = (delay: string): Promise<StreamingQuery> =>
    readStream(source, SCHEMA, { maxOffsetsPerTrigger: 1 })
      .withWatermark("event_time", delay)
      .groupByWindow("event_time", "1 minute", { slide, keys: ["segment"] })
      .agg(AGGREGATES)
      .writeStream(sink, {
        outputMode: mode,
        checkpointLocation,
        noDataMicroBatches,
        now: () => 0,
        onProgress: (progress) => batches.push(progress),
      });
  if (settings.backlog) { for (const block of all) source.addData(block.map(messageOf)); }
  let query = await start(settings.delay);
  try {
    for (const [i, block] of all.entries()) {
      if (restarts !== false && i > 0) {
        await query.stop();
        query = await start(restarts === true ? settings.delay : restarts[i]!);
      }
      if (!settings.backlog) source.addData(block.map(messageOf));
      await query.processAllAvailable();
    }
  } finally {
    await query.stop();
    await Deno.remove(checkpointLocation, { recursive: true });
  }
  return { batches, sink };
}

function messageOf(row: Row | null): string {
  if (row === null) return "{";
  const { time, segment, amount } = row;
  return JSON.stringify({ event_time: isoTime(time), segment, amount });
}

/** Everything a sink got, in an order of its own. */
function contents(sink: MemorySink): string[] {
  return sink.rows().toRecords().map((record) => JSON.stringify(record, plain)).sort();
}

function plain(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

/** A row so late in event time that every window before it closes. */
const LAST: Row = { time: 10 * SPAN, segment: null, amount: 0 };

Deno.test("any split of the same rows into batches gives the same append output if nothing is late", () =>
  fc.assert(
    fc.asyncProperty(
      rows,
      fc.array(fc.nat(7)),
      fc.boolean(),
      slide,
      async (all, cuts, backlog, slide) => {
        const settings: Play = { mode: "append", delay: "300 seconds", slide };
        const whole = await play([all, [LAST]], settings);
        const split = await play([...cut(all, cuts), [LAST]], { ...settings, backlog });
        deepEqual(contents(split.sink), contents(whole.sink));
        ok(contents(whole.sink).length > 0);
        equal(split.batches.at(-1)!.rows.total.late, 0);
      },
    ),
    SETTINGS,
  ));

/** Cuts rows into blocks of the given lengths, the last block takes the rest. */
function cut(all: readonly Row[], lengths: readonly number[]): Row[][] {
  const blocks: Row[][] = [];
  let from = 0;
  for (const length of lengths) blocks.push(all.slice(from, from += length));
  return [...blocks, all.slice(from)];
}

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

Deno.test("a restart at every batch boundary equals a run without restarts", () =>
  fc.assert(
    fc.asyncProperty(
      blocks,
      delay,
      slide,
      fc.boolean(),
      async (all, delay, slide, noDataMicroBatches) => {
        for (const mode of ["append", "update", "complete"] as const) {
          const settings = { mode, delay, slide, noDataMicroBatches };
          const once = await play([...all, [LAST]], settings);
          const often = await play([...all, [LAST]], { ...settings, restarts: true });
          deepEqual(often.batches.map(stable), once.batches.map(stable));
          deepEqual(contents(often.sink), contents(once.sink));
        }
      },
    ),
    { ...SETTINGS, numRuns: 8 },
  ));

/** What does not depend on when and by whom a batch was run. */
function stable(
  { batchId, numInputRows, eventTime, stateOperators, rows }: StreamingQueryProgress,
) {
  return { batchId, numInputRows, eventTime, stateOperators, rows };
}
