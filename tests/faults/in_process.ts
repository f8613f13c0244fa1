import { join } from "node:path";
import {
  isAlert,
  type OutputMode,
  ParquetSink,
  type ReadOptions,
  readStream,
  type ResultStream,
  type RowStream,
  type Schema,
  type Scorer,
  type Sink,
  type Source,
  type StreamingQuery,
  TopicLog,
  TRANSACTION_SCHEMA,
  windowKpis,
  type WriteOptions,
} from "lib";
import type { NumberColumn } from "../../lib/core/types.ts";
import { type Effect, watchEffects } from "./effects.ts";
import { type Place } from "./program.ts";

/** A model that needs no native library: the probability is in the row. */
export const SCORER: Scorer = {
  sha256: "0".repeat(64),
  score({ V1 }, length) {
    const { values, nulls } = V1 as NumberColumn;
    const score = (v: number, i: number) => nulls[i] ? NaN : v > 2 ? 0.9 : 0.1;
    const probabilities = Float64Array.from(values.subarray(0, length), score);
    return Promise.resolve({ probabilities, unscored: 0 });
  },
};

/** What a run may differ in. */
export interface Settings {
  readonly source?: Source;
  /** The query over that source, already built (see `kpisOver`). */
  readonly result?: ResultStream;
  readonly topic?: string;
  readonly mode?: OutputMode;
  readonly sink?: Sink;
  readonly rejected?: Sink;
  readonly watermark?: string;
  readonly window?: string;
  readonly keys?: readonly string[];
  readonly threshold?: number;
  readonly model?: Scorer;
  readonly read?: ReadOptions;
  readonly schema?: Schema;
  readonly kpis?: (rows: RowStream) => ResultStream;
  readonly write?: Partial<WriteOptions>;
}

/** Builds the KPI query over a source. */
export function kpisOver(source: Source, settings: Settings = {}): ResultStream {
  const { watermark = "30 seconds", window = "1 minute" } = settings;
  const rows = readStream(source, settings.schema ?? TRANSACTION_SCHEMA, {
    maxOffsetsPerTrigger: 100,
    ...settings.read,
  }).score(settings.model ?? SCORER).withColumns(isAlert(settings.threshold ?? 0.5));
  return settings.kpis?.(rows) ??
    windowKpis(rows, { watermark, window, ...settings.keys && { keys: settings.keys } });
}

/** Starts the KPI query in this process. */
export async function startQuery(place: Place, settings: Settings = {}): Promise<StreamingQuery> {
  const { topic = "transactions", mode = "append" } = settings;
  const source = () => settings.source ?? TopicLog.open(join(place.dir, "topics"), topic);
  const result = settings.result ?? kpisOver(await source(), settings);
  return await result.writeStream(settings.sink ?? new ParquetSink(place.sink), {
    outputMode: mode,
    checkpointLocation: place.checkpoint,
    trigger: "available-now",
    rejected: settings.rejected ?? new ParquetSink(place.rejected),
    ...settings.write,
  });
}

/** Runs the query until all rows that are there are processed. */
export async function runQuery(place: Place, settings: Settings = {}): Promise<void> {
  await (await startQuery(place, settings)).awaitTermination();
}

/** The effects of a run, in order, those of its end included. */
export async function effectsOf(run: () => Promise<void>): Promise<Effect[]> {
  const effects: Effect[] = [];
  const off = watchEffects((effect, moment) => {
    if (moment === "after") effects.push(effect);
  });
  await run().finally(off);
  return effects;
}
