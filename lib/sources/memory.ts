import { Buffer } from "node:buffer";
import type { Messages, Offsets, Source } from "../core/types.ts";

/**
 * Holds messages in memory, for tests and first steps, as Spark's `MemoryStream` does: one partition,
 * and an offset counts *blocks*, so `maxOffsetsPerTrigger: 1` takes one block a batch and an empty
 * block is a batch of 0 rows. It lives as long as the process, so a checkpoint outlives it.
 */
export class MemorySource implements Source {
  readonly topic = "memory";
  readonly description = "MemorySource";
  readonly countsBlocks = true;
  readonly #rows: (Uint8Array | null)[] = [];
  /** Rows before block `i`. */
  readonly #firstRows = [0];

  /** Appends one block of messages; null is a message without a value. */
  addData(values: readonly (string | Uint8Array | null)[]): void {
    const isMessage = (value: unknown) =>
      typeof value === "string" || value instanceof Uint8Array || value === null;
    if (!Array.isArray(values) || !values.every(isMessage)) {
      throw new TypeError("addData takes a list of messages: texts, bytes, or null for no value");
    }
    const encoder = new TextEncoder();
    for (const value of values) {
      this.#rows.push(typeof value === "string" ? encoder.encode(value) : value?.slice() ?? null);
    }
    this.#firstRows.push(this.#rows.length);
  }

  earliestOffsets(): Promise<Offsets> {
    return Promise.resolve({ "0": 0 });
  }

  latestOffsets(): Promise<Offsets> {
    return Promise.resolve({ "0": this.#firstRows.length - 1 });
  }

  getBatch(start: Offsets, end: Offsets): Promise<readonly Messages[]> {
    return Promise.try(() => {
      const [first, last] = [this.#firstRows[start["0"] ?? 0], this.#firstRows[end["0"] ?? 0]];
      if (first === undefined || last === undefined) {
        throw new RangeError(`Cannot read blocks ${start["0"]} to ${end["0"]}: add them first`);
      }
      const rows = this.#rows.slice(first, last);
      let length = 0;
      const ends = Uint32Array.from(rows, (row) => length += row?.length ?? 0);
      return [{
        partition: "0",
        offsets: Float64Array.from(rows, (_, i) => first + i),
        bytes: Buffer.concat(rows.filter((row) => row !== null)),
        starts: ends.map((end, i) => end - (rows[i]?.length ?? 0)),
        ends,
        tombstones: Uint8Array.from(rows, (row) => row === null ? 1 : 0),
      }];
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
