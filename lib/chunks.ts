import { CHUNKS_AHEAD } from "../from_json/pool.ts";
import { limitOffsets, sameOffsets } from "./core/plan.ts";
import type { Offsets } from "./core/types.ts";

/** Rows of a chunk at the start, before the size of messages is known. */
const FIRST_CHUNK_ROWS = 5_000;
/** What a chunk may hold, so that memory stays bounded whatever the size of a batch. */
const MAX_CHUNK_ROWS = 8_000;
const MAX_CHUNK_BYTES = 16 * 1024 * 1024;

/** A range of offsets, and what was read from it. */
interface Chunk<Rows> {
  readonly start: Offsets;
  readonly end: Offsets; // exclusive
  readonly rows: Promise<Rows>;
}

/**
 * Reads ranges of offsets chunk by chunk, and always a little ahead: also into the range that is
 * likely to come next, so that it is read and parsed while this one is computed and committed.
 */
export class ChunkReader<Rows extends { readonly length: number; readonly byteLength: number }> {
  readonly #read: (start: Offsets, end: Offsets) => Promise<Rows>;
  #ahead: Chunk<Rows>[] = [];
  #chunkRows = FIRST_CHUNK_ROWS;

  constructor(read: (start: Offsets, end: Offsets) => Promise<Rows>) {
    this.#read = read;
  }

  /** Yields `[start, end)` in chunks. `[end, likelyEnd)` is the range expected after it. */
  async *chunks(start: Offsets, end: Offsets, likelyEnd: Offsets): AsyncGenerator<Rows> {
    for (let at = start; !sameOffsets(at, end);) {
      if (this.#ahead[0] && !isNext(this.#ahead[0], at, end)) this.#ahead = [];
      const chunk = this.#ahead.shift() ?? this.#begin(at, end);
      const rows = await chunk.rows;
      this.#fitTo(rows);
      at = chunk.end;
      this.#fill(at, end, likelyEnd);
      yield rows;
    }
  }

  /** Begins to read the chunks after `at`. */
  #fill(at: Offsets, end: Offsets, likelyEnd: Offsets): void {
    let from = this.#ahead.at(-1)?.end ?? at;
    while (this.#ahead.length < CHUNKS_AHEAD) {
      const isWithin = Object.keys(end).every((partition) => from[partition]! <= end[partition]!);
      const until = isWithin && !sameOffsets(from, end) ? end : likelyEnd;
      if (sameOffsets(from, until)) return;
      const chunk = this.#begin(from, until);
      chunk.rows.catch(() => {}); // raised where it is awaited, if it ever is
      this.#ahead.push(chunk);
      from = chunk.end;
    }
  }

  #begin(start: Offsets, until: Offsets): Chunk<Rows> {
    const end = limitOffsets(start, until, this.#chunkRows);
    return { start, end, rows: this.#read(start, end) };
  }

  #fitTo({ length, byteLength }: Rows): void {
    if (length === 0) return;
    const fitting = Math.floor(MAX_CHUNK_BYTES / (byteLength / length));
    this.#chunkRows = Math.max(1, Math.min(MAX_CHUNK_ROWS, fitting));
  }
}

/** Whether a chunk begins at `at` and does not go beyond `end`. */
function isNext({ start, end: chunkEnd }: Chunk<unknown>, at: Offsets, end: Offsets): boolean {
  return sameOffsets(start, at) && Object.keys(end).every((p) => chunkEnd[p]! <= end[p]!);
}
