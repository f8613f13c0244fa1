import { linesInBlocks, markLines } from "./rows.ts";
import type { FileRange, Messages } from "../core/types.ts";

const BLOCK_BYTES = 1 << 19;

/** Lines of a file: how many, where those start whose number a stride divides, where the last one ends. */
export interface LineCount {
  readonly count: number;
  readonly marks: readonly number[];
  readonly end: number;
}

/** Counts the lines in the bytes `[from, to)` of a file, on from `line`, block by block. */
export function countLinesOf(
  { file, from, to }: Pick<FileRange, "file" | "from" | "to">,
  line: number,
  stride: number,
): LineCount {
  let [count, end, position] = [line, from, from];
  const marks: number[] = [];
  if (from >= to) return { count, marks, end };
  using handle = Deno.openSync(file);
  handle.seekSync(from, Deno.SeekMode.Start);
  while (position < to) {
    const block = markLines(handle, Math.min(BLOCK_BYTES, to - position), count, stride);
    if (block.length === 0) break; // it shrank meanwhile
    for (const mark of block.marks) marks.push(position + mark);
    if (block.count > count) end = position + block.end;
    count = block.count;
    position += block.length;
  }
  return { count, marks, end };
}

/** Reads messages that are lines of a file. Throws a `RangeError` that names it if they are not there. */
export function readLines(range: FileRange): Messages {
  const { partition, start, stop } = range;
  const [parts, starts, ends]: [Uint8Array[], number[], number[]] = [[], [], []];
  let size = 0;
  for (const block of linesInBlocks([range], [], [])) {
    const behind = block.ends.at(-1)!;
    parts.push(block.bytes.slice(0, behind));
    for (const at of block.starts) starts.push(size + at);
    for (const at of block.ends) ends.push(size + at);
    size += behind;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  const offsets = Float64Array.from({ length: stop - start }, (_, i) => start + i);
  return {
    partition,
    offsets,
    bytes,
    starts: new Uint32Array(starts),
    ends: new Uint32Array(ends),
  };
}
