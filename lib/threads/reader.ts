import { byteLengthOf, type Chunk, joinChunks, type Slice } from "./chunk.ts";
import { CHUNKS_AHEAD } from "./threads.ts";
import { limitOffsets, sameOffsets } from "../core/offsets.ts";
import { askBatch } from "../core/source_calls.ts";
import type { Offsets, Source } from "../core/types.ts";

/** What a chunk may hold, so that memory stays bounded whatever the size of a batch or of a message. */
const MAX_CHUNK_ROWS = 8_000;
const MAX_CHUNK_BYTES = 16 * 1024 * 1024;
/** Rows of the first chunk of a source that cannot say before how large they are. */
const FIRST_ROWS = 100;
/** Rows that a chunk takes of a partition in a file, if they are there. */
const MIN_RANGE_ROWS = 2_000;
/** Chunks are joined up to here, so that a call of Polars costs less than its work. */
const JOINED_ROWS = 48_000;
const JOINED_BYTES = 48 * 1024 * 1024;

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
  /** Rows of a chunk, as far as the last one tells. */
  #chunkRows = FIRST_ROWS;

  constructor(source: Source, read: (slices: readonly Slice[]) => Promise<Chunk>) {
    this.#source = source;
    this.#read = read;
  }

  /** Yields `[start, end)` in chunks. `[end, likelyEnd)` is the range expected after it. */
  async *chunks(start: Offsets, end: Offsets, likelyEnd: Offsets): AsyncGenerator<Chunk> {
    let ready: Chunk[] = [];
    for (let at = start; !sameOffsets(at, end);) {
      if (this.#ahead[0] && !isNext(this.#ahead[0], at, end)) this.#ahead = [];
      const reading = this.#ahead.shift() ?? await this.#begin(at, end);
      const chunk = await reading.chunk;
      this.#fitTo(chunk);
      at = reading.end;
      await this.#fill(at, end, likelyEnd);
      ready.push(chunk);
      const { rows, bytes } = sizeOf(ready);
      if (rows < JOINED_ROWS && bytes < JOINED_BYTES && !sameOffsets(at, end)) continue;
      yield joinChunks(ready);
      ready = [];
    }
  }

  /** Begins to read the chunks after `at`. */
  async #fill(at: Offsets, end: Offsets, likelyEnd: Offsets): Promise<void> {
    let from = this.#ahead.at(-1)?.end ?? at;
    while (this.#ahead.length < CHUNKS_AHEAD) {
      const isWithin = Object.keys(end).every((partition) => from[partition]! <= end[partition]!);
      const until = isWithin && !sameOffsets(from, end) ? end : likelyEnd;
      if (sameOffsets(from, until)) return;
      const reading = await this.#begin(from, until).catch(() => undefined);
      if (!reading) return; // raised once it is to be read, if it ever is
      reading.chunk.catch(() => {}); // so is this
      this.#ahead.push(reading);
      from = reading.end;
    }
  }

  async #begin(start: Offsets, until: Offsets): Promise<Reading> {
    const source = this.#source;
    if (source.locate) return await this.#beginInFiles(start, until);
    const end = limitOffsets(start, until, this.#chunkRows);
    return { start, end, chunk: askBatch(source, start, end).then(this.#read) };
  }

  /** Plans a chunk by where its rows are, so that it has as many as fit. */
  async #beginInFiles(start: Offsets, until: Offsets): Promise<Reading> {
    for (let rows = MAX_CHUNK_ROWS;;) {
      const end = longestFirst(start, until, rows, MIN_RANGE_ROWS);
      const wanted = Object.entries(end).filter(([partition, stop]) => start[partition]! < stop);
      const ranges = await this.#source.locate!(start, Object.fromEntries(wanted));
      const bytes = ranges.reduce((sum, range) => sum + byteLengthOf(range), 0);
      if (bytes <= MAX_CHUNK_BYTES || rows === 1) return { start, end, chunk: this.#read(ranges) };
      rows = Math.max(1, Math.floor(Math.min(rows / 2, rows * MAX_CHUNK_BYTES / bytes)));
    }
  }

  #fitTo(chunk: Chunk): void {
    const { rows, bytes } = sizeOf([chunk]);
    if (rows === 0) return;
    const fitting = Math.floor(MAX_CHUNK_BYTES / (bytes / rows));
    this.#chunkRows = Math.max(1, Math.min(MAX_CHUNK_ROWS, 4 * this.#chunkRows, fitting));
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

/**
 * Limits a chunk to `max` offsets of the partitions with the longest backlogs, at least `least` of each
 * where it has them: short ranges of many partitions take longer to read than long ones of few.
 */
function longestFirst(
  start: Offsets,
  latest: Offsets,
  max: number,
  least: number,
): Offsets {
  const sizes = Object.entries(latest)
    .map(([partition, end]) => [partition, Math.max(0, end - start[partition]!)] as const)
    .sort(([, a], [, b]) => b - a);
  const share = Math.max(least, Math.ceil(max / sizes.length));
  const end = Object.fromEntries(sizes.map(([partition]) => [partition, start[partition]!]));
  let rest = max;
  for (const most of [share, Infinity]) { // what the short ones leave goes to the long ones
    for (const [partition] of sizes) {
      const left = latest[partition]! - end[partition]!;
      const taken = Math.max(0, Math.min(left, most, rest));
      end[partition]! += taken;
      rest -= taken;
    }
  }
  return end;
}
