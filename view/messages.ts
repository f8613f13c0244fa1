import pl, { type DataFrame } from "polars";
import type { Offsets, Source, StreamingQueryProgress } from "lib";
import { asTimestamps, doubles } from "../lib/windows/frame.ts";
import type { NumberColumn } from "../lib/core/types.ts";
import { parseMessages } from "../lib/json/from_json.ts";
import type { Values } from "../lib/json/rows.ts";
import { position } from "./run.ts";

/** Returns one column of messages as the query reads it: NaN where it is null. */
function readColumn(
  messages: readonly Values[],
  name: string,
  type: "timestamp" | "integer",
): Float64Array {
  const { columns } = parseMessages(messages, [{ name, type }]);
  const { values, nulls } = columns[name] as NumberColumn;
  return values.map((value, i) => nulls[i] === 1 ? NaN : value);
}

/** Returns the event times of messages in epoch ms; NaN where there is none that can be read. */
export function eventTimesOf(messages: readonly Values[]): Float64Array {
  return readColumn(messages, "event_time", "timestamp");
}

/** Counts the frauds among messages that were kept aside as text. */
export function countFrauds(texts: readonly (string | null)[]): number {
  const encoded = texts.map((text) => new TextEncoder().encode(text ?? ""));
  const starts = new Uint32Array(texts.length);
  const ends = new Uint32Array(texts.length);
  let length = 0;
  encoded.forEach((part, i) => {
    starts[i] = length;
    ends[i] = length += part.length;
  });
  const bytes = new Uint8Array(length);
  encoded.forEach((part, i) => bytes.set(part, starts[i]));
  return readColumn([{ bytes, starts, ends }], "Class", "integer").filter((c) => c === 1).length;
}

/**
 * Reads the event times of about `most` rows, spread evenly over what a run read, with the batch that
 * took them: columns event_time and batch_id. Rows without a readable event time are left out.
 */
export async function sampleEvents(
  source: Source,
  progress: readonly StreamingQueryProgress[],
  { most = 3000 }: { most?: number } = {},
): Promise<DataFrame> {
  const all = progress.reduce((sum, { numInputRows }) => sum + numInputRows, 0);
  const every = Math.max(1, Math.ceil(all / most));
  const [times, batches]: [number[], number[]] = [[], []];
  for (const { batchId, sources } of progress) {
    if (position(sources, "endOffset") <= position(sources, "startOffset")) continue;
    const [start, end] = (["startOffset", "endOffset"] as const)
      .map((at) => sources[0]![at][source.topic]!) as [Offsets, Offsets];
    const messages = await source.getBatch(start, end);
    const some = messages.map(({ bytes, starts, ends, tombstones }): Values => {
      const isSome = (_: number, i: number) => i % every === batchId % every;
      return {
        bytes,
        starts: starts.filter(isSome),
        ends: ends.filter(isSome),
        ...tombstones && { tombstones: tombstones.filter(isSome) },
      };
    });
    for (const time of eventTimesOf(some)) {
      if (!(Math.abs(time) <= 8.64e15)) continue; // none, or beyond what a Date can hold
      times.push(time);
      batches.push(batchId);
    }
  }
  return pl.DataFrame([
    asTimestamps(doubles("event_time", times)),
    doubles("batch_id", batches).cast(pl.Int64),
  ]);
}
