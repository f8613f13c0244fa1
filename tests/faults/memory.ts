import { equal, ok } from "node:assert/strict";
import { join } from "node:path";
import type { Messages, Offsets, Source } from "lib";
import { inspectCheckpoint } from "../../lab/inspect.ts";
import { runQuery } from "./in_process.ts";
import { type FaultTable, placeIn, transactions } from "./program.ts";

const BATCH = 100_000;
const START = Date.UTC(2024, 0, 1);

/** A topic of any length that takes no room: row `i` happens `i` ms after the start. */
class GeneratedSource implements Source {
  readonly topic = "generated";
  readonly description = "Generated[generated]";
  readonly #row = new TextEncoder().encode(transactions(1, 2)[0]!);
  readonly #time = new TextDecoder().decode(this.#row).indexOf("2024-");

  constructor(readonly rows: number) {}

  earliestOffsets(): Promise<Offsets> {
    return Promise.resolve({ "0": 0 });
  }

  latestOffsets(): Promise<Offsets> {
    return Promise.resolve({ "0": this.rows });
  }

  getBatch(start: Offsets, end: Offsets): Promise<readonly Messages[]> {
    const from = start["0"]!, n = end["0"]! - from, size = this.#row.length;
    const bytes = new Uint8Array(n * size);
    const starts = Uint32Array.from({ length: n }, (_, i) => i * size);
    const encoder = new TextEncoder();
    for (let i = 0; i < n; i++) {
      bytes.set(this.#row, i * size);
      const time = new Date(START + from + i).toISOString();
      encoder.encodeInto(time, bytes.subarray(i * size + this.#time));
    }
    const offsets = Float64Array.from({ length: n }, (_, i) => from + i);
    return Promise.resolve([
      { partition: "0", offsets, bytes, starts, ends: starts.map((at) => at + size) },
    ]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Runs a long topic; the resident memory of its second half is that of its first, within 10 %. */
export async function memorySuite(
  { dir, table }: { dir: string; table: FaultTable },
  rows: number,
): Promise<void> {
  const place = placeIn(join(dir, "memory"));
  const sizes: number[] = [];
  await runQuery(place, {
    source: new GeneratedSource(rows),
    read: { maxOffsetsPerTrigger: BATCH },
    write: {
      minBatchesToRetain: 10,
      onProgress: () => sizes.push(Deno.memoryUsage().rss / 2 ** 20),
    },
  });
  const { rows: found } = await inspectCheckpoint(place.checkpoint);
  equal(found!.read, rows);
  equal(found!.counted + found!.open, rows);
  const steady = sizes.slice(Math.ceil(sizes.length / 5)); // the heap grows to its size first
  const mean = (list: readonly number[]) => list.reduce((sum, size) => sum + size, 0) / list.length;
  const half = steady.length >> 1;
  const [before, after] = [mean(steady.slice(0, half)), mean(steady.slice(half))];
  ok(after < 1.1 * before, `memory grows: ${before} MiB, then ${after} MiB`);
  table.add(
    `${rows.toLocaleString("en")} rows in ${sizes.length} batches`,
    `memory flat: ${before.toFixed(0)} MiB in the first half, ${
      after.toFixed(0)
    } MiB in the second`,
  );
}
