// What JavaScript does for the fast path in assembly/rows.ts: lay out its memory, and take the columns.
import { countLines, heap, memory, parseRows, powers, splitLines } from "./rows.wasm";
import type { FieldType, FileRange, Messages, Schema } from "../core/types.ts";

/** Rows as far as they are plain; they lie in the parser's memory until it reads again. */
export interface Rows {
  /** Shape [n] a field: epoch ms, doubles or integers; empty for a field of strings. */
  readonly numbers: readonly Float64Array[];
  /** Shape [n] a field of strings, empty for others. */
  readonly strings: readonly (string | null)[][];
  /** Shape [n] a field, 1 where the value is null. */
  readonly nulls: readonly Uint8Array[];
  /** The rows that are not plain, in order; the columns hold nothing meant there. */
  readonly left: readonly LeftRow[];
  /** Shape [n, features]. */
  readonly matrix: Float32Array;
  /** Shape [n], 1 where a feature is missing. */
  readonly unscored: Uint8Array;
}

/** A row that was not read. */
export interface LeftRow {
  readonly row: number;
  readonly bytes: Uint8Array;
  readonly isTombstone: boolean;
}

const types: readonly FieldType[] = ["double", "integer", "timestamp", "string"];
const fieldWords = 14;
/** A double that only the model reads. */
const featureType = 4;
/** A bit a field. */
const maxFields = 64;
/** Zeros behind the text, which end every token. */
const padding = 64;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What is read of a file at once: it stays in the processor's cache until it is parsed. */
const BLOCK_BYTES = 512 * 1024;
const BLOCK_LINES = 4_096;

const base = align(heap());
fillPowers();

/** The values of messages. */
export type Values = Pick<Messages, "bytes" | "starts" | "ends" | "tombstones">;

/**
 * Yields the lines of files for `readPlainRows` with the same arguments, some at a time: each time in
 * place of the ones before. Throws a `RangeError` that names the file if the lines are not there.
 */
export function* linesInBlocks(
  ranges: readonly FileRange[],
  schema: Schema,
  features: readonly string[],
): Generator<Values> {
  const length = ranges.reduce((sum, { start, stop }) => sum + stop - start, 0);
  const startsAt = layoutOf(schema, length, features.length).blockAt;
  const endsAt = startsAt + 4 * BLOCK_LINES;
  const textAt = endsAt + 4 * BLOCK_LINES;
  for (const { file, from, to, skip, start, stop } of ranges) {
    if (start === stop) continue;
    using handle = Deno.openSync(file);
    let size = BLOCK_BYTES;
    for (let [line, position, before] = [start, from, skip]; line < stop;) {
      const wanted = Math.min(size, to - position);
      reserve(textAt + wanted + padding);
      handle.seekSync(position, Deno.SeekMode.Start);
      const bytes = new Uint8Array(memory.buffer, textAt, wanted);
      const read = handle.readSync(bytes) ?? 0;
      new Uint8Array(memory.buffer, textAt + read, padding).fill(0);
      const most = Math.min(BLOCK_LINES, stop - line);
      const n = splitLines(textAt, read, before, most, startsAt, endsAt);
      if (n > 0) {
        const starts = new Uint32Array(memory.buffer, startsAt, n);
        const ends = new Uint32Array(memory.buffer, endsAt, n);
        yield { bytes, starts, ends };
        [line, position, before] = [line + n, position + ends[n - 1]! + 1, 0];
      } else if (read === size) size *= 2;
      else throw lostMessages(file, `lost bytes while offsets ${start} to ${stop} were read`);
    }
  }
}

/**
 * Counts lines in the next `size` bytes of a file, on from `line`. Says how many bytes there were, where
 * in them the lines start whose number `stride` divides, and where the last line ends, 0 if none does.
 */
export function markLines(file: Deno.FsFile, size: number, line: number, stride: number) {
  const textAt = base + 4 * (Math.ceil(size / stride) + 2);
  reserve(textAt + size + padding);
  const length = file.readSync(new Uint8Array(memory.buffer, textAt, size)) ?? 0;
  const count = countLines(textAt, length, line, stride, base);
  const n = Math.floor(count / stride) - Math.floor(line / stride);
  const ends = new Uint32Array(memory.buffer, base, n + 1);
  return { length, count, marks: ends.subarray(0, n), end: ends[n]! };
}

/** Says what is lost in a file of lines. */
export function lostMessages(file: string, what: string): RangeError {
  return new RangeError(
    `Messages are lost: ${file} has ${what}; restore it, or start with a new checkpoint`,
  );
}

/** Says where in memory the parts for `length` rows are; the text lies behind all others. */
function layoutOf(schema: Schema, length: number, features: number) {
  const width = schema.length;
  const keys = schema.map(({ name }) => encoder.encode(`,${JSON.stringify(name)}:`));
  const keysAt = base + 4 * fieldWords * width;
  const valuesAt = align(keysAt + keys.reduce((sum, key) => sum + key.length, 0) + 8);
  const nullsAt = valuesAt + 8 * length * width;
  const doneAt = nullsAt + length * width;
  const unscoredAt = doneAt + length;
  const matrixAt = align(unscoredAt + length);
  const blockAt = align(matrixAt + 4 * length * features);
  return { keys, keysAt, valuesAt, nullsAt, doneAt, unscoredAt, matrixAt, blockAt };
}

/** Reads `length` rows as far as they are plain; see assembly/rows.ts for what that is. */
export function readPlainRows(
  messages: Iterable<Values>,
  length: number,
  schema: Schema,
  features: readonly string[] = [],
  wanted: readonly string[] = [],
): Rows {
  const width = schema.length;
  const { keys, keysAt, valuesAt, nullsAt, doneAt, unscoredAt, matrixAt, blockAt } = layoutOf(
    schema,
    length,
    features.length,
  );
  reserve(blockAt);
  new Uint8Array(memory.buffer).fill(0, nullsAt, matrixAt);
  let keyAt = keysAt;
  for (const [i, key] of keys.entries()) {
    const { name, type } = schema[i]!;
    const feature = features.indexOf(name);
    const isFeature = feature >= 0 && type === "double" && !wanted.includes(name);
    const field = new Uint32Array(memory.buffer, base + 4 * fieldWords * i, fieldWords);
    field.set([
      keyAt,
      key.length,
      isFeature ? featureType : types.indexOf(type),
      valuesAt + 8 * length * i,
      nullsAt + length * i,
      base + 4 * fieldWords * ((i + 1) % width),
      feature >= 0 ? matrixAt + 4 * feature : 0,
      0,
      i < 32 ? 1 << i : 0,
      i < 32 ? 0 : 1 << (i - 32),
      ...new Uint32Array(Uint8Array.from({ length: 8 }, (_, i) => key[i] ?? 0).buffer),
      ...new Uint32Array(Uint8Array.from({ length: 8 }, (_, i) => i < key.length ? 255 : 0).buffer),
    ]);
    new Uint8Array(memory.buffer).set(key, keyAt);
    keyAt += key.length;
  }
  const strings: (string | null)[][] = schema.map(({ type }) =>
    type === "string" ? new Array(length).fill(null) : []
  );
  const left: LeftRow[] = [];
  const hasBits = width > 0 && width <= maxFields;
  let first = 0;
  for (const { bytes, starts, ends, tombstones } of messages) {
    const n = starts.length;
    let [startsAt, endsAt, textAt] = [starts.byteOffset, ends.byteOffset, bytes.byteOffset];
    if (bytes.buffer !== memory.buffer) {
      [startsAt, endsAt, textAt] = [blockAt, blockAt + 4 * n, blockAt + 8 * n];
      reserve(textAt + bytes.length + padding);
      new Uint32Array(memory.buffer, startsAt, n).set(starts);
      new Uint32Array(memory.buffer, endsAt, n).set(ends);
      new Uint8Array(memory.buffer, textAt, bytes.length).set(bytes);
      new Uint8Array(memory.buffer, textAt + bytes.length, padding).fill(0);
    }
    const stride = 4 * features.length;
    const unread = hasBits
      ? parseRows(textAt, startsAt, endsAt, n, base, width, first, doneAt, stride, unscoredAt)
      : n;
    const done = new Uint8Array(memory.buffer, doneAt + first, n);
    for (let i = 0; i < n && (unread > 0 || tombstones); i++) {
      const isTombstone = tombstones?.[i] === 1;
      if (done[i] === 1 && !isTombstone) continue;
      done[i] = 0;
      left.push({ row: first + i, bytes: bytes.slice(starts[i], ends[i]), isTombstone });
    }
    for (const [i, column] of strings.entries()) {
      if (column.length === 0) continue;
      const places = new Uint32Array(memory.buffer, valuesAt + 8 * length * i, 2 * length);
      const nulls = new Uint8Array(memory.buffer, nullsAt + length * i, length);
      for (let row = first; row < first + n; row++) {
        if (done[row - first] === 0 || nulls[row] === 1) continue;
        column[row] = decoder.decode(bytes.subarray(places[2 * row], places[2 * row + 1]));
      }
    }
    first += n;
  }
  return {
    numbers: schema.map(({ type }, i) =>
      new Float64Array(memory.buffer, valuesAt + 8 * length * i, type === "string" ? 0 : length)
    ),
    strings,
    nulls: schema.map((_, i) => new Uint8Array(memory.buffer, nullsAt + length * i, length)),
    left,
    matrix: new Float32Array(memory.buffer, matrixAt, length * features.length),
    unscored: new Uint8Array(memory.buffer, unscoredAt, length),
  };
}

/** Writes 5^-27 … 5^22, each cut to 128 bits (rounded up if it is a fraction). */
function fillPowers(): void {
  const words = new BigUint64Array(memory.buffer, powers(), 100);
  for (let q = -27; q <= 22; q++) {
    const power = 5n ** BigInt(Math.abs(q));
    const bits = power.toString(2).length;
    const entry = q >= 0 ? power << BigInt(128 - bits) : (1n << BigInt(127 + bits)) / power + 1n;
    words.set([entry >> 64n, entry & 0xffff_ffff_ffff_ffffn], 2 * (q + 27));
  }
}

/** Grows the memory to `bytes`, which ends all views of it. */
function reserve(bytes: number): void {
  const more = bytes - memory.buffer.byteLength;
  if (more > 0) memory.grow(Math.ceil(more / 65_536));
}

function align(address: number): number {
  return Math.ceil(address / 8) * 8;
}
