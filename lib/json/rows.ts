// What JavaScript does for the fast path in assembly/rows.ts: bring the text, and take the columns.
import { FREE, type Layout, layoutOf, PADDING, reserve, writeFields } from "./layout.ts";
import { countLines, memory, parseRows, splitLines } from "./rows.wasm";
import type { FileRange, Messages, Schema } from "../core/types.ts";

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

/** A bit a field. */
const MAX_FIELDS = 64;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What is read of a file at once: it stays in the processor's cache until it is parsed. */
const BLOCK_BYTES = 512 * 1024;
const BLOCK_LINES = 4_096;

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
  const startsAt = layoutOf(schema, length, features.length).block;
  const endsAt = startsAt + 4 * BLOCK_LINES;
  const textAt = endsAt + 4 * BLOCK_LINES;
  for (const { file, from, to, skip, start, stop } of ranges) {
    if (start === stop) continue;
    using handle = Deno.openSync(file);
    let size = BLOCK_BYTES;
    for (let [line, position] = [start - skip, from]; line < stop;) {
      const wanted = Math.min(size, to - position);
      handle.seekSync(position, Deno.SeekMode.Start);
      const read = readText(handle, textAt, wanted);
      const n = splitLines(textAt, read, Math.min(BLOCK_LINES, stop - line), startsAt, endsAt);
      const before = Math.min(n, Math.max(0, start - line));
      const starts = new Uint32Array(memory.buffer, startsAt, n).subarray(before);
      const ends = new Uint32Array(memory.buffer, endsAt, n).subarray(before);
      if (n > 0) {
        position += new Uint32Array(memory.buffer, endsAt, n)[n - 1]! + 1;
        line += n;
        if (n > before) {
          yield { bytes: new Uint8Array(memory.buffer, textAt, wanted), starts, ends };
        }
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
  const textAt = FREE + 4 * (Math.ceil(size / stride) + 2);
  const length = readText(file, textAt, size);
  const count = countLines(textAt, length, line, stride, FREE);
  const n = Math.floor(count / stride) - Math.floor(line / stride);
  const ends = new Uint32Array(memory.buffer, FREE, n + 1);
  return { length, count, marks: ends.subarray(0, n), end: ends[n]! };
}

/** Reads up to `size` bytes of a file to `textAt`, and returns how many there were. */
function readText(file: Deno.FsFile, textAt: number, size: number): number {
  reserve(textAt + size + PADDING);
  const length = file.readSync(new Uint8Array(memory.buffer, textAt, size)) ?? 0;
  new Uint8Array(memory.buffer, textAt + length, PADDING).fill(0);
  return length;
}

/** Says what is lost in a file of lines. */
export function lostMessages(file: string, what: string): RangeError {
  return new RangeError(
    `Messages are lost: ${file} has ${what}; restore it, or start with a new checkpoint`,
  );
}

/** What to make of messages. */
export interface Reading {
  /** Of all messages together. */
  readonly length: number;
  readonly schema: Schema;
  /** What a model reads as a matrix, if it does. */
  readonly features?: readonly string[];
  /** Of the features, those wanted as columns too. */
  readonly wanted?: readonly string[];
}

/** Reads rows as far as they are plain; see assembly/rows.ts for what that is. */
export function readPlainRows(
  messages: Iterable<Values>,
  { length, schema, features = [], wanted = [] }: Reading,
): Rows {
  const width = schema.length;
  const layout = layoutOf(schema, length, features.length);
  reserve(layout.block);
  new Uint8Array(memory.buffer).fill(0, layout.nulls, layout.matrix);
  const hasBits = width > 0 && width <= MAX_FIELDS;
  if (hasBits) writeFields(fieldPlans(schema, features, wanted), length, layout);
  const strings: (string | null)[][] = schema.map(({ type }) =>
    type === "string" ? new Array(length).fill(null) : []
  );
  const left: LeftRow[] = [];
  let first = 0;
  for (const values of messages) {
    const { bytes, starts, ends, tombstones } = values;
    const n = starts.length;
    const stride = 4 * features.length;
    const [textAt, startsAt, endsAt] = bytes.buffer === memory.buffer
      ? [bytes.byteOffset, starts.byteOffset, ends.byteOffset]
      : copyIn(values, layout);
    const unread = hasBits
      ? parseRows(
        textAt,
        startsAt,
        endsAt,
        n,
        layout.fields,
        width,
        first,
        layout.done,
        stride,
        layout.unscored,
      )
      : n;
    const done = new Uint8Array(memory.buffer, layout.done + first, n);
    for (let i = 0; i < n && (unread > 0 || tombstones); i++) {
      const isTombstone = tombstones?.[i] === 1;
      if (done[i] === 1 && !isTombstone) continue;
      done[i] = 0;
      left.push({ row: first + i, bytes: bytes.slice(starts[i], ends[i]), isTombstone });
    }
    for (const [i, column] of strings.entries()) {
      if (column.length === 0) continue;
      const places = new Uint32Array(memory.buffer, layout.values + 8 * length * i, 2 * length);
      const nulls = new Uint8Array(memory.buffer, layout.nulls + length * i, length);
      for (let row = first; row < first + n; row++) {
        if (done[row - first] === 0 || nulls[row] === 1) continue;
        column[row] = decoder.decode(bytes.subarray(places[2 * row], places[2 * row + 1]));
      }
    }
    first += n;
  }
  const { buffer } = memory; // the last one: it may have grown
  return {
    numbers: schema.map(({ type }, i) =>
      new Float64Array(buffer, layout.values + 8 * length * i, type === "string" ? 0 : length)
    ),
    strings,
    nulls: schema.map((_, i) => new Uint8Array(buffer, layout.nulls + length * i, length)),
    left,
    matrix: new Float32Array(buffer, layout.matrix, length * features.length),
    unscored: new Uint8Array(buffer, layout.unscored, length),
  };
}

function fieldPlans(schema: Schema, features: readonly string[], wanted: readonly string[]) {
  return schema.map(({ name, type }) => {
    const feature = features.indexOf(name);
    const isColumn = wanted.includes(name);
    return { name, type, isColumn, feature: feature < 0 ? undefined : feature };
  });
}

/** Copies messages into the parser's memory, and says where their text, starts and ends are. */
function copyIn({ bytes, starts, ends }: Values, { block }: Layout): [number, number, number] {
  const n = starts.length;
  const [startsAt, endsAt, textAt] = [block, block + 4 * n, block + 8 * n];
  reserve(textAt + bytes.length + PADDING);
  new Uint32Array(memory.buffer, startsAt, n).set(starts);
  new Uint32Array(memory.buffer, endsAt, n).set(ends);
  new Uint8Array(memory.buffer, textAt, bytes.length).set(bytes);
  new Uint8Array(memory.buffer, textAt + bytes.length, PADDING).fill(0);
  return [textAt, startsAt, endsAt];
}
