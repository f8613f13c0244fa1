import { findLines, memory } from "./lines.wasm";
import { loadLines, type Values } from "./rows.ts";
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

/** Reads messages that are lines of a file. Throws a `RangeError` that names it if they are not there. */
export function readLines(range: FileRange): Messages {
  const { partition, start, stop } = range;
  const [values] = loadLines([range], []) as [Values];
  const [bytes, starts, ends] = [values.bytes.slice(), values.starts.slice(), values.ends.slice()];
  const offsets = Float64Array.from({ length: stop - start }, (_, i) => start + i);
  return { partition, offsets, bytes, starts, ends };
}
