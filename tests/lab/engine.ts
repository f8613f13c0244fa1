/** What the lab's tests share: random topics, a model that reads a field, and runs of the engine. */
import type { DataFrame } from "polars";
import {
  isAlert,
  isoTime,
  MemorySink,
  readStream,
  type Schema,
  type Scorer,
  type Sink,
  type Source,
  type StreamingQueryProgress,
  windowKpis,
} from "lib";
import type { NumberColumn } from "../../lib/core/types.ts";

export const SCHEMA: Schema = [
  { name: "event_time", type: "timestamp" },
  { name: "risk", type: "double" },
  { name: "Class", type: "integer" },
];
export const THRESHOLD = 0.5;

/** Gives each row its field `risk` as its probability. */
export const model: Scorer = {
  sha256: "a test",
  score({ risk }) {
    const { values, nulls } = risk as NumberColumn;
    const probabilities = values.map((value, row) => nulls[row] === 1 ? 0 : value);
    return Promise.resolve({ probabilities, unscored: nulls.reduce((sum, n) => sum + n, 0) });
  },
};

/** A row of a topic; null cannot be read, a time of null is no time. */
export type Row =
  | { readonly time: number | null; risk: number | null; label: number | null }
  | null;

export function messageOf(row: Row): string {
  if (row === null) return "{";
  const { time, risk, label } = row;
  return JSON.stringify({ event_time: time === null ? null : isoTime(time), risk, Class: label });
}

export interface EngineRun {
  readonly sink: MemorySink;
  readonly open: DataFrame;
  readonly progress: readonly StreamingQueryProgress[];
}

/** Runs the KPI query over all that a topic holds. */
export async function runEngine(
  source: Source,
  {
    delay,
    window,
    slide,
    maxOffsetsPerTrigger = 1,
    outputMode = "append",
    rejected,
    sink,
    ...rest
  }: {
    delay: string;
    window: string;
    slide?: string;
    maxOffsetsPerTrigger?: number;
    outputMode?: "append" | "complete";
    rejected?: Sink;
    sink?: Sink;
    /** What the query reads and scores with, if not this file's. */
    scored?: { schema: Schema; model: Scorer; threshold: number };
  },
): Promise<EngineRun> {
  const checkpointLocation = await Deno.makeTempDir({ prefix: "lab-" });
  const progress: StreamingQueryProgress[] = [];
  const memory = new MemorySink();
  try {
    const { schema, model: scorer, threshold } = rest.scored ??
      { schema: SCHEMA, model, threshold: THRESHOLD };
    const rows = readStream(source, schema, { maxOffsetsPerTrigger }).score(scorer)
      .withColumns(isAlert(threshold));
    const query = await windowKpis(rows, {
      watermark: delay,
      window,
      ...slide !== undefined && { slide },
    }).writeStream(sink ?? memory, {
      outputMode,
      checkpointLocation,
      trigger: "available-now",
      now: () => 0,
      ...rejected && { rejected },
      onProgress: (batch) => progress.push(batch),
    });
    await query.awaitTermination();
    return { sink: memory, open: query.openWindows, progress };
  } finally {
    await Deno.remove(checkpointLocation, { recursive: true });
  }
}

/** A row of a table without Dates and bigints, so that it can be compared. */
export function plainRow(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === "bigint" || value instanceof Date ? Number(value) : value,
    ]),
  );
}
