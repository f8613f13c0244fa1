import {
  limitOffsets,
  type Offsets,
  type Schema,
  type Scorer,
  type Source,
  TRANSACTION_SCHEMA,
} from "lib";
import { ChunkReader } from "../lib/threads/reader.ts";
import { sameOffsets } from "../lib/core/offsets.ts";
import type { NumberColumn } from "../lib/core/types.ts";
import { lengthOf } from "../lib/threads/chunk.ts";
import { ChunkPool } from "../lib/threads/pool.ts";

/** What the lab needs to know of each row of a topic, in the order of reading; shape [n]. */
export interface ScoredRows {
  /** Batches of data; one may be without rows. */
  readonly batches: number;
  /** The batch that reads the row, from 0. */
  readonly batch: Uint32Array;
  /** Epoch ms; NaN for a row in no window. */
  readonly eventTime: Float64Array;
  /** What the model says; 0.0 where a row could not be scored. */
  readonly probability: Float64Array;
  /** 1 is a fraud, 0 is none, -1 is unknown: null or another number. */
  readonly label: Int8Array;
  /**
   * Seconds of the rows' own clock, the field `Time`, that pass in a second of event time: a replay may
   * play a day in an hour. 1 if absent.
   */
  readonly pace?: number;
}

/** Scored rows with what leads back to each. */
export interface TracedRows extends ScoredRows {
  /** The field Amount; NaN where it is null or the schema has none. */
  readonly amount: Float64Array;
  /** Where the row is in the topic. */
  readonly partition: Uint32Array;
  readonly offset: Float64Array;
}

/**
 * Reads and scores a topic once, from its beginning to its end as it is now, in the batches that a
 * query with this limit makes of a backlog, or in those of a query whose batches had these `ends`. The
 * source stays open.
 */
export async function readScoredRows(
  source: Source,
  { model, maxOffsetsPerTrigger, ends, schema = TRANSACTION_SCHEMA }: {
    model: Scorer;
    maxOffsetsPerTrigger?: number;
    ends?: readonly Offsets[];
    schema?: Schema;
  },
): Promise<TracedRows> {
  const pool = new ChunkPool();
  const names = ["event_time", "Class", "Amount", "Time"];
  const columns = names.filter((name) => schema.some((field) => field.name === name));
  // The engine's own chunks: a model may score a row differently in other company, by a bit.
  const reader = new ChunkReader(
    source,
    (slices) => pool.read(slices, { schema, columns, model }),
  );
  const [event, own] = [new Span(), new Span()];
  const rows: Record<Exclude<keyof TracedRows, "batches" | "pace">, number[]> = {
    batch: [],
    eventTime: [],
    probability: [],
    label: [],
    amount: [],
    partition: [],
    offset: [],
  };
  let batches = 0;
  try {
    const latest = await source.latestOffsets();
    let start = await source.earliestOffsets();
    const endOf = (batch: number, start: Offsets) =>
      ends ? ends[batch] ?? start : limitOffsets(start, latest, maxOffsetsPerTrigger);
    for (; ends ? batches < ends.length : !sameOffsets(start, latest); batches++) {
      const end = endOf(batches, start);
      const likelyEnd = endOf(batches + 1, end);
      for await (const { parsed, scores, slices } of reader.chunks(start, end, likelyEnd)) {
        const [time, label, amount, clock] = names.map((name) =>
          parsed.columns[name] as NumberColumn
        );
        for (const slice of slices) {
          for (let i = 0; i < lengthOf(slice); i++) {
            rows.partition.push(Number(slice.partition));
            rows.offset.push("file" in slice ? slice.start + i : slice.offsets[i]!);
          }
        }
        for (let row = 0; row < parsed.length; row++) {
          const [ms, value] = [time!.values[row]!, label!.values[row]!];
          rows.batch.push(batches);
          rows.eventTime.push(time!.nulls[row] === 1 ? NaN : ms);
          rows.probability.push(scores!.probabilities[row]!);
          rows.label.push(label!.nulls[row] === 0 && (value === 0 || value === 1) ? value : -1);
          if (clock?.nulls[row] === 0 && time!.nulls[row] !== 1) {
            event.add(ms / 1000);
            own.add(clock.values[row]!);
          }
          rows.amount.push(amount?.nulls[row] === 0 ? amount.values[row]! : NaN);
        }
      }
      start = end;
    }
  } finally {
    pool.close();
  }
  const pace = own.length / event.length;
  return {
    batches,
    pace: pace > 0 && Number.isFinite(pace) ? pace : 1,
    batch: Uint32Array.from(rows.batch),
    eventTime: Float64Array.from(rows.eventTime),
    probability: Float64Array.from(rows.probability),
    label: Int8Array.from(rows.label),
    amount: Float64Array.from(rows.amount),
    partition: Uint32Array.from(rows.partition),
    offset: Float64Array.from(rows.offset),
  };
}

/** From the least to the greatest of some values. */
class Span {
  #from = Infinity;
  #to = -Infinity;

  add(value: number): void {
    if (value < this.#from) this.#from = value;
    if (value > this.#to) this.#to = value;
  }

  get length(): number {
    return this.#to - this.#from;
  }
}
