import { findLines, memory } from "./lines.wasm";
import type { FileRange, Messages } from "../lib/core/types.ts";

const size = 1 << 20;
/** What the search may look at behind the block. */
const padding = 16;
memory.grow(Math.ceil((5 * size + padding) / 65_536)); // every byte may end a line
const [block, found] = [new Uint8Array(memory.buffer, 0, size), size + padding];

/**
 * Reads the bytes `[from, to)` of a file and calls back with each block of them, its position, and
 * where in it "\n" stands; both are gone after the call.
 */
export function scanLines(
  { file, from, to }: Pick<FileRange, "file" | "from" | "to">,
  see: (position: number, bytes: Uint8Array, newlines: Uint32Array) => void,
): void {
  if (from >= to) return;
  using handle = Deno.openSync(file);
  handle.seekSync(from, Deno.SeekMode.Start);
  for (let position = from; position < to;) {
    const length = handle.readSync(block.subarray(0, Math.min(size, to - position)));
    if (length === null) return; // it shrank meanwhile
    const newlines = new Uint32Array(memory.buffer, found, findLines(0, length, found));
    see(position, block.subarray(0, length), newlines);
    position += length;
  }
}

/**
 * Reads messages that are lines of a file into `bytes`, as many as the range has. Throws a `RangeError`
 * that names the file if they are not there.
 */
export function readLines(
  range: FileRange,
  bytes: Uint8Array = new Uint8Array(range.to - range.from),
): Messages {
  const { partition, file, from, skip, start, stop } = range;
  const n = stop - start;
  const [offsets, starts, ends] = [new Float64Array(n), new Uint32Array(n), new Uint32Array(n)];
  let next = 0;
  let i = -skip;
  scanLines(range, (position, block, newlines) => {
    bytes.set(block, position - from);
    for (const newline of newlines) {
      const end = position - from + newline;
      if (i >= 0 && i < n) [offsets[i], starts[i], ends[i]] = [start + i, next, end];
      next = end + 1;
      i++;
    }
  });
  if (i < n) throw lostMessages(file, `lost bytes while offsets ${start} to ${stop} were read`);
  return { partition, offsets, bytes, starts, ends };
}

/** Says what is lost in a file of lines. */
export function lostMessages(file: string, what: string): RangeError {
  return new RangeError(
    `Messages are lost: ${file} has ${what}; restore it, or start with a new checkpoint`,
  );
}
