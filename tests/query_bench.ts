import type { DataFrame } from "polars";
import {
  count,
  isoTime,
  MemorySink,
  MemorySource,
  type ReadOptions,
  readStream,
  type Schema,
  type Sink,
  type StreamingQuery,
  type StreamingQueryProgress,
  type WriteOptions,
} from "lib";

export const SCHEMA: Schema = [
  { name: "event_time", type: "timestamp" },
  { name: "segment", type: "string" },
  { name: "amount", type: "double" },
];

/** What a test may set about its query; the rest is the same in all. */
export interface Settings extends Partial<WriteOptions> {
  readonly read?: ReadOptions;
  readonly schema?: Schema;
  readonly delay?: string;
  readonly window?: string;
  readonly slide?: string;
  readonly startTime?: string;
  readonly keys?: readonly string[];
  readonly aggregates?: Parameters<
    ReturnType<ReturnType<typeof readStream>["groupByWindow"]>["agg"]
  >[0];
}

/** A source, a sink and a checkpoint, and the queries started on them one after the other. */
export class Bench {
  readonly source = new MemorySource();
  readonly memory = new MemorySink();
  readonly checkpoint = Deno.makeTempDirSync({ prefix: "query-" });
  readonly batches: StreamingQueryProgress[] = [];
  #queries: StreamingQuery[] = [];

  /** Adds one block; a row is a time in seconds, or [time, segment, amount]. */
  add(...rows: readonly (number | readonly [number, string | null, number?])[]): void {
    this.source.addData(rows.map((row) => {
      const [time, segment = null, amount = null] = typeof row === "number" ? [row] : row;
      return JSON.stringify({ event_time: isoTime(time * 1000), segment, amount });
    }));
  }

  async start(settings: Settings = {}, sink: Sink = this.memory): Promise<StreamingQuery> {
    const {
      schema = SCHEMA,
      startTime,
      delay = "10 seconds",
      window = "5 seconds",
      slide,
      keys = [],
      read,
      aggregates = { n: count() },
      ...write
    } = settings;
    const query = await readStream(this.source, schema, read)
      .withWatermark("event_time", delay)
      .groupByWindow("event_time", window, {
        keys,
        slide,
        startTime,
      })
      .agg(aggregates)
      .writeStream(sink, {
        outputMode: "append",
        checkpointLocation: this.checkpoint,
        now: () => 0,
        onProgress: (progress) => this.batches.push(progress),
        ...write,
      });
    this.#queries.push(query);
    return query;
  }

  /** The rows of a batch: the window's start in seconds, then the other columns. */
  rows(batchId: number): unknown[][] {
    return rowsOf(this.memory.batch(batchId)!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const query of this.#queries) await query.stop();
    await Deno.remove(this.checkpoint, { recursive: true });
  }
}

export function rowsOf(frame: DataFrame): unknown[][] {
  return frame.toRecords().map(({ window_start, window_end: _, ...rest }) => [
    (window_start as unknown as Date).getTime() / 1000,
    ...Object.values(rest).map((value) => typeof value === "bigint" ? Number(value) : value),
  ]);
}

/** [batch id, rows read] of each batch so far. */
export function inputs({ batches }: Bench): number[][] {
  return batches.map(({ batchId, numInputRows }) => [batchId, numInputRows]);
}
