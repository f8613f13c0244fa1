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

/** Each property is tried on the same cases every time. */
export const SETTINGS = { seed: 20240101, numRuns: 15 };

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
export interface Row {
  readonly time: number;
  readonly segment: string | null;
  readonly amount: number | null;
}

type Block = readonly (Row | null)[];

const SPAN = 300_000;

export const row = fc.record<Row>({
  time: fc.integer({ min: 0, max: SPAN }),
  segment: fc.constantFrom("card", "cash", "", null),
  amount: fc.option(fc.integer({ min: -50, max: 50 }), { freq: 10 }),
});

export const rows = fc.array(row, { minLength: 1, maxLength: 40 });

export const blocks = fc.array(fc.array(fc.option(row, { freq: 8 }), { maxLength: 8 }), {
  minLength: 1,
  maxLength: 7,
});

export const delay = fc.constantFrom("0 seconds", "30 seconds", "2 minutes");

export const slide = fc.constantFrom("1 minute", "25 seconds");

export interface Play {
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
export async function play(all: readonly Block[], settings: Play): Promise<Played> {
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

export function plain(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

/** A row so late in event time that every window before it closes. */
export const LAST: Row = { time: 10 * SPAN, segment: null, amount: 0 };
