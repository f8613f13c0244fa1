// What JavaScript does for the fast path in assembly/rows.ts: lay out its memory, and take the columns.
import { heap, memory, parseRows, powers, splitLines } from "./rows.wasm";
import type { FieldType, FileRange, Messages, Schema } from "../lib/core/types.ts";

/** Rows as far as they are plain; they lie in the parser's memory until it reads again. */
export interface Rows {
  /** Shape [n] a field: epoch ms, doubles or integers; empty for a field of strings. */
  readonly numbers: readonly Float64Array[];
  /** Shape [n] a field of strings, empty for others. */
  readonly strings: readonly (string | null)[][];
  /** Shape [n] a field, 1 where the value is null. */
  readonly nulls: readonly Uint8Array[];
  /** Shape [n], 1 where the row was read; the columns hold nothing meant in the other rows. */
  readonly done: Uint8Array;
}

const types: readonly FieldType[] = ["double", "integer", "timestamp", "string"];
const fieldWords = 6;
/** A bit a field. */
const maxFields = 64;
/** Zeros behind the text, which end every token. */
const padding = 64;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const base = align(heap());
fillPowers();

/** The values of messages. */
export type Values = Pick<Messages, "bytes" | "starts" | "ends" | "tombstones">;

/**
 * Reads lines of files to where `readPlainRows` with the same schema takes them without a copy; the next
 * call of either ends that. Throws a `RangeError` that names the file if the lines are not there.
 */
export function loadLines(ranges: readonly FileRange[], schema: Schema): Values[] {
  const length = ranges.reduce((sum, { start, stop }) => sum + stop - start, 0);
  const size = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  let { startsAt, endsAt, textAt } = layoutOf(schema, length);
  if (size > 0x7fff_ffff) {
    const files = ranges.map(({ file }) => file).join(", ");
    throw new RangeError(
      `A chunk is under 2 GiB, got ${size} bytes of ${files}: set maxOffsetsPerTrigger`,
    );
  }
  reserve(textAt + size + padding);
  new Uint8Array(memory.buffer).fill(0, textAt + size, textAt + size + padding);
  return ranges.map(({ file, from, to, skip, start, stop }) => {
    const n = stop - start;
    const bytes = new Uint8Array(memory.buffer, textAt, to - from);
    const read = readAt(file, from, bytes);
    if (splitLines(textAt, read, skip, n, startsAt, endsAt) < n) {
      throw lostMessages(file, `lost bytes while offsets ${start} to ${stop} were read`);
    }
    const starts = new Uint32Array(memory.buffer, startsAt, n);
    const ends = new Uint32Array(memory.buffer, endsAt, n);
    [textAt, startsAt, endsAt] = [textAt + bytes.length, startsAt + 4 * n, endsAt + 4 * n];
    return { bytes, starts, ends };
  });
}

/** Reads on in a file, up to `size` bytes, and says where in them "\n" stands; until the next call. */
export function linesOf(file: Deno.FsFile, size: number): { length: number; ends: Uint32Array } {
  const [startsAt, endsAt] = [base, base + 4 * size]; // every byte may end a line
  const textAt = endsAt + 4 * size;
  reserve(textAt + size + padding);
  const length = file.readSync(new Uint8Array(memory.buffer, textAt, size)) ?? 0;
  const count = splitLines(textAt, length, 0, length, startsAt, endsAt);
  return { length, ends: new Uint32Array(memory.buffer, endsAt, count) };
}

/** Says what is lost in a file of lines. */
export function lostMessages(file: string, what: string): RangeError {
  return new RangeError(
    `Messages are lost: ${file} has ${what}; restore it, or start with a new checkpoint`,
  );
}

/** Fills `bytes` from `position` on and returns how many bytes there were. */
function readAt(path: string, position: number, bytes: Uint8Array): number {
  using file = Deno.openSync(path);
  file.seekSync(position, Deno.SeekMode.Start);
  let length = 0;
  for (let read: number | null = 1; read; length += read ?? 0) {
    read = file.readSync(bytes.subarray(length));
  }
  return length;
}

/** Says where in memory the parts for `length` rows are; the text lies behind all others. */
function layoutOf(schema: Schema, length: number) {
  const width = schema.length;
  const keys = schema.map(({ name }) => encoder.encode(`,${JSON.stringify(name)}:`));
  const keysAt = base + 4 * fieldWords * width;
  const valuesAt = align(keysAt + keys.reduce((sum, key) => sum + key.length, 0) + 8);
  const nullsAt = valuesAt + 8 * length * width;
  const doneAt = nullsAt + length * width;
  const startsAt = align(doneAt + length);
  const endsAt = startsAt + 4 * length;
  return { keys, keysAt, valuesAt, nullsAt, doneAt, startsAt, endsAt, textAt: endsAt + 4 * length };
}

/** Reads the rows that are plain; see assembly/rows.ts for what that is. */
export function readPlainRows(messages: readonly Values[], schema: Schema): Rows {
  const length = messages.reduce((sum, { starts }) => sum + starts.length, 0);
  const width = schema.length;
  const layout = layoutOf(schema, length);
  const { keys, keysAt, valuesAt, nullsAt, doneAt, startsAt } = layout;
  const isLoaded = messages.length > 0 &&
    messages.every(({ bytes }) => bytes.buffer === memory.buffer);
  const size = messages.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (!isLoaded) reserve(layout.textAt + size + padding);
  const all = new Uint8Array(memory.buffer);
  all.fill(0, nullsAt, startsAt);
  const fields = new Uint32Array(memory.buffer, base, fieldWords * width);
  let keyAt = keysAt;
  for (const [i, key] of keys.entries()) {
    all.set(key, keyAt);
    fields.set([
      keyAt,
      key.length,
      types.indexOf(schema[i]!.type),
      valuesAt + 8 * length * i,
      nullsAt + length * i,
      base + 4 * fieldWords * ((i + 1) % width),
    ], fieldWords * i);
    keyAt += key.length;
  }
  const strings: (string | null)[][] = schema.map(({ type }) =>
    type === "string" ? new Array(length).fill(null) : []
  );
  const hasBits = width > 0 && width <= maxFields;
  let first = 0;
  let { textAt } = layout;
  for (const { bytes, starts, ends, tombstones } of hasBits ? messages : []) {
    const n = starts.length;
    const [starting, ending] = [startsAt + 4 * first, layout.endsAt + 4 * first];
    if (!isLoaded) {
      new Uint32Array(memory.buffer, starting, n).set(starts);
      new Uint32Array(memory.buffer, ending, n).set(ends);
      all.set(bytes, textAt);
      all.fill(0, textAt + bytes.length, textAt + bytes.length + padding);
    }
    parseRows(textAt, starting, ending, n, base, width, first, doneAt);
    textAt += bytes.length;
    tombstones?.forEach((isNull, i) => isNull && (all[doneAt + first + i] = 0));
    for (const [i, column] of strings.entries()) {
      if (column.length === 0) continue;
      const places = new Uint32Array(memory.buffer, valuesAt + 8 * length * i, 2 * length);
      for (let row = first; row < first + n; row++) {
        if (all[doneAt + row] === 0 || all[nullsAt + length * i + row] === 1) continue;
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
    done: new Uint8Array(memory.buffer, doneAt, length),
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
