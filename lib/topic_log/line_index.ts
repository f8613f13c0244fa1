import { statSync } from "node:fs";
import { countLinesOf, type LineCount } from "../json/lines.ts";
import { lostMessages } from "../json/rows.ts";
import type { FileRange } from "../core/types.ts";
import { threads } from "../threads/threads.ts";

/** Lines between two remembered byte positions. */
const STRIDE = 32;

/** Where the complete lines of a growing file are: counted here or in a thread, and found by their number. */
export class LineIndex {
  /** Byte position of line `i * STRIDE`. */
  readonly #marks = [0];
  #count = 0;
  /** Where the complete lines end. */
  #bytes = 0;
  /** Where an unfinished line began that was told; undefined before anybody has counted. */
  #warnedAt: number | undefined;

  constructor(readonly file: string) {}

  unreadBytes(): number {
    return (statSync(this.file, { throwIfNoEntry: false })?.size ?? 0) - this.#bytes;
  }

  /** Reads synchronously, so that two queries that share a log never see an index half grown. */
  count(): number {
    const size = statSync(this.file, { throwIfNoEntry: false })?.size ?? 0;
    if (size < this.#bytes) {
      throw lostMessages(
        this.file,
        `${size} bytes, but offsets 0 to ${this.#count} took ${this.#bytes}`,
      );
    }
    const range = { file: this.file, from: this.#bytes, to: size };
    this.#add(countLinesOf(range, this.#count, STRIDE));
    this.#warnedAt ??= -1;
    return this.#count;
  }

  /** Has a thread count, if there is one; what another call has counted meanwhile stays as it is. */
  async countInThread(): Promise<void> {
    const [from, line] = [this.#bytes, this.#count];
    const range = { file: this.file, from, to: from + this.unreadBytes() };
    const lines = await threads.count({ scan: range, line, stride: STRIDE });
    if (lines && this.#bytes === from) this.#add(lines);
  }

  #add({ count, marks, end }: LineCount): void {
    this.#count = count;
    this.#bytes = end;
    for (const mark of marks) this.#marks.push(mark);
  }

  /** Finds lines `[start, stop)`: they lie between the mark before `start` and the one after `stop`. */
  locate(start: number, stop: number): Omit<FileRange, "partition"> {
    if (stop > this.count() || start > stop) {
      throw lostMessages(
        this.file,
        `${this.#count} messages, but offsets ${start} to ${stop} are to be read`,
      );
    }
    const mark = Math.floor(start / STRIDE);
    const end = Math.ceil(stop / STRIDE);
    return {
      file: this.file,
      from: this.#marks[mark]!,
      to: this.#marks[end] ?? this.#bytes,
      lines: Math.min(end * STRIDE, this.#count) - mark * STRIDE,
      skip: start - mark * STRIDE,
      start,
      stop,
    };
  }

  /** Says once that the last line waits for its end, if nobody has written for `quietMs`. */
  warnOfUnfinished(quietMs = 0): void {
    const { size = 0, mtime } = statSync(this.file, { throwIfNoEntry: false }) ?? {};
    if (size <= this.#bytes || this.#warnedAt === undefined || endsLine(this.file)) return;
    if (Date.now() - mtime!.getTime() < quietMs) return;
    const line = this.count() + 1;
    if (this.#warnedAt === this.#bytes) return;
    this.#warnedAt = this.#bytes;
    console.warn(
      `Line ${line} of "${this.file}" is not read: its ${
        size - this.#bytes
      } bytes do not end with ` +
        `"\\n" yet. If the line is complete, append one before anything else`,
    );
  }
}

/** Whether the last byte of a file ends a line. */
function endsLine(file: string): boolean {
  using handle = Deno.openSync(file);
  handle.seekSync(-1, Deno.SeekMode.End);
  const last = new Uint8Array(1);
  return handle.readSync(last) === null || last[0] === 10;
}

/** Throws a `TypeError` for what would not be read or would never end: a folder, a pipe, a link to nothing. */
export function refuseOther(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile()) return;
  const kind = found?.isDirectory()
    ? "a folder"
    : found
    ? "a pipe or a device"
    : "a link to nothing";
  throw new TypeError(
    `Cannot read the topic log "${file}": it is ${kind}, and a partition should be a text file; ` +
      `move it away, or write a file in its place`,
  );
}
