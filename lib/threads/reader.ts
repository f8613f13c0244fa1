import { byteLengthOf, type Chunk, joinChunks, type Slice } from "./chunk.ts";
import { CHUNKS_AHEAD } from "./threads.ts";
import { limitOffsets, longestFirst, sameOffsets } from "../core/plan.ts";
import type { Offsets, Source } from "../core/types.ts";

/** Rows of a chunk at the start, before the size of messages is known. */
const FIRST_CHUNK_ROWS = 5_000;
/** What a chunk may hold, so that memory stays bounded whatever the size of a batch. */
const MAX_CHUNK_ROWS = 8_000;
const MAX_CHUNK_BYTES = 16 * 1024 * 1024;
/** Rows that a chunk takes of a partition in a file, if they are there. */
const MIN_RANGE_ROWS = 2_000;
/** Chunks are joined up to here, so that a call of Polars costs less than its work. */
const JOINED_ROWS = 24_000;
const JOINED_BYTES = 32 * 1024 * 1024;

/** A chunk that is being read. */
interface Reading {
  readonly start: Offsets;
  readonly end: Offsets; // exclusive
  readonly chunk: Promise<Chunk>;
}

/**
 * Reads ranges of offsets chunk by chunk, and always a little ahead: also into the range that is
 * likely to come next, so that it is read and scored while this one is computed and committed.
 */
export class ChunkReader {
  readonly #source: Source;
  readonly #read: (slices: readonly Slice[]) => Promise<Chunk>;
  #ahead: Reading[] = [];
  #chunkRows = FIRST_CHUNK_ROWS;

  constructor(source: Source, read: (slices: readonly Slice[]) => Promise<Chunk>) {
    this.#source = source;
    this.#read = read;
  }

  /** Yields `[start, end)` in chunks. `[end, likelyEnd)` is the range expected after it. */
  async *chunks(start: Offsets, end: Offsets, likelyEnd: Offsets): AsyncGenerator<Chunk> {
    let ready: Chunk[] = [];
    for (let at = start; !sameOffsets(at, end);) {
      if (this.#ahead[0] && !isNext(this.#ahead[0], at, end)) this.#ahead = [];
      const reading = this.#ahead.shift() ?? this.#begin(at, end);
      const chunk = await reading.chunk;
      this.#fitTo(chunk);
      at = reading.end;
      this.#fill(at, end, likelyEnd);
      ready.push(chunk);
      const { rows, bytes } = sizeOf(ready);
      if (rows < JOINED_ROWS && bytes < JOINED_BYTES && !sameOffsets(at, end)) continue;
      yield joinChunks(ready);
      ready = [];
    }
  }

  /** Begins to read the chunks after `at`. */
  #fill(at: Offsets, end: Offsets, likelyEnd: Offsets): void {
    let from = this.#ahead.at(-1)?.end ?? at;
    while (this.#ahead.length < CHUNKS_AHEAD) {
      const isWithin = Object.keys(end).every((partition) => from[partition]! <= end[partition]!);
      const until = isWithin && !sameOffsets(from, end) ? end : likelyEnd;
      if (sameOffsets(from, until)) return;
      const reading = this.#begin(from, until);
      reading.chunk.catch(() => {}); // raised where it is awaited, if it ever is
      this.#ahead.push(reading);
      from = reading.end;
    }
  }

  #begin(start: Offsets, until: Offsets): Reading {
    const rows = this.#chunkRows;
    const end = this.#source.locate
      ? longestFirst(start, until, rows, MIN_RANGE_ROWS)
      : limitOffsets(start, until, rows);
    return { start, end, chunk: this.#readRange(start, end) };
  }

  async #readRange(start: Offsets, end: Offsets): Promise<Chunk> {
    const source = this.#source;
    if (!source.locate) return await this.#read(await source.getBatch(start, end));
    const wanted = Object.entries(end).filter(([partition, stop]) => start[partition]! < stop);
    return await this.#read(await source.locate(start, Object.fromEntries(wanted)));
  }

  #fitTo(chunk: Chunk): void {
    const { rows, bytes } = sizeOf([chunk]);
    if (rows === 0) return;
    const fitting = Math.floor(MAX_CHUNK_BYTES / (bytes / rows));
    this.#chunkRows = Math.max(1, Math.min(MAX_CHUNK_ROWS, fitting));
  }
}

/** Whether a chunk begins at `at` and does not go beyond `end`. */
function isNext({ start, end: chunkEnd }: Reading, at: Offsets, end: Offsets): boolean {
  return sameOffsets(start, at) && Object.keys(end).every((p) => chunkEnd[p]! <= end[p]!);
}

function sizeOf(chunks: readonly Chunk[]): { rows: number; bytes: number } {
  const slices = chunks.flatMap(({ slices }) => slices);
  return {
    rows: chunks.reduce((sum, { parsed }) => sum + parsed.length, 0),
    bytes: slices.reduce((sum, slice) => sum + byteLengthOf(slice), 0),
  };
}
