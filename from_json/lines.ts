import { linesOf, loadLines, type Values } from "./rows.ts";
import type { FileRange, Messages } from "../lib/core/types.ts";

const BLOCK_BYTES = 1 << 20;

/**
 * Looks for lines in the bytes `[from, to)` of a file and calls back with the position behind each
 * "\n", block by block.
 */
export function scanLines(
  { file, from, to }: Pick<FileRange, "file" | "from" | "to">,
  see: (position: number) => void,
): void {
  if (from >= to) return;
  using handle = Deno.openSync(file);
  handle.seekSync(from, Deno.SeekMode.Start);
  for (let position = from; position < to;) {
    const { length, ends } = linesOf(handle, Math.min(BLOCK_BYTES, to - position));
    if (length === 0) return; // it shrank meanwhile
    for (const end of ends) see(position + end + 1);
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
