import { statfsSync } from "node:fs";
import { join } from "node:path";
import { type GeneratedTopic, WINDOW_MS, type WindowTable } from "./generate.ts";

/** Free space that has to be left, bytes. */
const RESERVE = 10e9;
/** Where a message's time stands: `{"event_time":"2024-01-01T10:00:00.000Z"`. */
export const TIME_AT = '{"event_time":"'.length;
const TIME_LENGTH = "2024-01-01T10:00:00.000Z".length;

/**
 * Makes a topic of `times` copies of another, each later than the one before, so that memory can be
 * measured over many rows. Throws if the disk has no room. Remove it after use.
 */
export async function repeatTopic(topic: GeneratedTopic, times: number): Promise<GeneratedTopic> {
  const dir = `${topic.dir}_times-${times}`;
  const { bavail, bsize } = statfsSync(join(topic.dir, ".."));
  if (bavail * bsize < topic.bytes * times + RESERVE) {
    throw new Error(`It takes ${Math.ceil((topic.bytes * times + RESERVE) / 1e9)} GB of free disk`);
  }
  const starts = Object.keys(topic.reference.lr).map(Number);
  const span = Math.max(...starts) - Math.min(...starts) + WINDOW_MS;
  await repeatLog(join(topic.dir, "transactions"), join(dir, "transactions"), { times, span });
  const { lr, rf } = topic.reference;
  return {
    ...topic,
    dir,
    rows: topic.rows * times,
    bytes: topic.bytes * times,
    maxEventTime: topic.maxEventTime + (times - 1) * span,
    reference: { lr: repeated(lr, times, span), rf: repeated(rf, times, span) },
  };
}

/** Writes a topic log as so many copies of another, each `span` ms later than the one before. */
export async function repeatLog(
  from: string,
  to: string,
  { times, span }: { readonly times: number; readonly span: number },
): Promise<void> {
  await Deno.remove(to, { recursive: true }).catch(() => {}); // what an interrupted run left
  await Deno.mkdir(to, { recursive: true });
  for (const name of partitionFiles(from)) {
    const bytes = await Deno.readFile(join(from, name));
    for (let copy = 0; copy < times; copy++) {
      if (copy > 0) shiftTimes(bytes, span);
      await Deno.writeFile(join(to, name), bytes, { append: true });
    }
  }
}

/** Names the files of a topic log. */
export function partitionFiles(folder: string): string[] {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  return names.filter((name) => name.endsWith(".jsonl"));
}

/** How large a topic log is. */
export function bytesOf(folder: string): number {
  return partitionFiles(folder).reduce(
    (sum, name) => sum + Deno.statSync(join(folder, name)).size,
    0,
  );
}

function shiftTimes(bytes: Uint8Array, span: number): void {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  for (let at = 0; at < bytes.length; at = bytes.indexOf(10, at) + 1) {
    const time = bytes.subarray(at + TIME_AT, at + TIME_AT + TIME_LENGTH);
    encoder.encodeInto(new Date(Date.parse(decoder.decode(time)) + span).toISOString(), time);
  }
}

function repeated(table: WindowTable, times: number, span: number): WindowTable {
  const copies = Array.from(
    { length: times },
    (_, copy) =>
      Object.entries(table).map(([start, counts]) => [Number(start) + copy * span, counts]),
  );
  return Object.fromEntries(copies.flat());
}
