import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { countLinesOf, type LineCount, readLines } from "../json/lines.ts";
import { lostMessages } from "../json/rows.ts";
import { threads } from "../threads/threads.ts";
import type { FileRange, Messages, Offsets, Source } from "../core/types.ts";
import { giveTopicId, topicId } from "./topic_id.ts";

/** Lines between two remembered byte positions. */
const STRIDE = 32;

/**
 * Names the folder of a topic, `DIR/<topic>`. Throws a `RangeError` if `topic` is not a name Kafka
 * allows, which also keeps it from leading out of `dir`.
 */
export function topicFolder(dir: string, topic: string): string {
  if (/^[a-zA-Z0-9._-]{1,249}$/.test(topic) && topic !== "." && topic !== "..") {
    return join(dir, topic);
  }
  throw new RangeError(
    `A topic's name should be 1 to 249 of the characters a-z, A-Z, 0-9, ".", "_" and "-", and not ` +
      `"." or "..", got ${JSON.stringify(topic)}`,
  );
}

/**
 * Reads a topic that is a folder of text files, `DIR/<topic>/partition-<p>.jsonl`: one message a
 * line, the offset is the line number from 0.
 *
 * The files only grow, and anyone may append to them. A last line without its `\n` is not there
 * yet, which `close` warns of; a `\r` before the `\n` belongs to the message; an empty line is an empty message. Partitions
 * may be added at any time. Once a file has lost lines every call fails with a `RangeError` that
 * names the file and the offsets, as `failOnDataLoss` does in Spark. The file `topic.id` tells the
 * log from another that is made in its place; `open` makes it where it may.
 */
export class TopicLog implements Source {
  readonly address: string;
  readonly description: string;
  readonly #partitions = new Map<string, Lines>();
  #identity: string | undefined;

  private constructor(dir: string, readonly topic: string, readonly folder: string) {
    this.address = `log:${dir}`;
    this.description = `TopicLog[${topic}]`;
  }

  /** Opens the log of `topic` in `dir`. Throws a `RangeError` if it has no partition there. */
  static async open(dir: string, topic: string): Promise<TopicLog> {
    const log = new TopicLog(dir, topic, topicFolder(dir, topic));
    if (!existsSync(log.folder) || Object.keys(await log.earliestOffsets()).length === 0) {
      throw new RangeError(
        `Cannot open the topic "${topic}": there is no ${join(log.folder, "partition-0.jsonl")}; ` +
          `publish to it first, as \`deno task replay\` does`,
      );
    }
    await giveTopicId(log.folder);
    await log.#list();
    return log;
  }

  get identity(): string | undefined {
    return this.#identity;
  }

  earliestOffsets(): Promise<Offsets> {
    return Promise.try(async () => {
      await this.#list();
      return Object.fromEntries(this.#partitions.keys().map((partition) => [partition, 0]));
    });
  }

  /** Counts the complete lines of each partition; reads only what was added since the last call. */
  latestOffsets(): Promise<Offsets> {
    return Promise.try(async () => {
      await this.#list();
      await this.#countInThread();
      return Object.fromEntries([...this.#partitions].map(([p, lines]) => {
        const count = lines.count();
        lines.warnOfUnfinished(QUIET_MS);
        return [p, count];
      }));
    });
  }

  unreadBytes(): number {
    return this.#partitions.values().reduce((sum, lines) => sum + lines.unreadBytes(), 0);
  }

  async getBatch(start: Offsets, end: Offsets): Promise<readonly Messages[]> {
    return (await this.locate(start, end)).map((range) => readLines(range));
  }

  locate(start: Offsets, end: Offsets): Promise<readonly FileRange[]> {
    // The keys of an object that are whole numbers come in ascending order.
    return Promise.try(() =>
      Object.entries(end).map(([partition, stop]) => {
        return { partition, ...this.#lines(partition).locate(start[partition] ?? 0, stop) };
      })
    );
  }

  /** Warns of last lines that are not finished, where it has counted lines. */
  close(): Promise<void> {
    return Promise.try(() =>
      this.#partitions.values().forEach((lines) => lines.warnOfUnfinished())
    );
  }

  /** Has a thread, if there is one, count half of what is new, and counts the other half meanwhile. */
  async #countInThread(): Promise<void> {
    let rest = this.unreadBytes() / 2;
    if (rest < SHARED_BYTES) return;
    const [theirs, ours]: [Promise<void>[], Lines[]] = [[], []];
    for (const lines of this.#partitions.values()) {
      const counting = rest >= lines.unreadBytes() / 2 ? lines.countInThread() : undefined;
      if (counting) theirs.push(counting);
      else ours.push(lines);
      if (counting) rest -= lines.unreadBytes();
    }
    for (const lines of ours) lines.count();
    await Promise.all(theirs);
  }

  async #list(): Promise<void> {
    const identity = await topicId(this.folder);
    if (this.#identity !== identity) this.#partitions.clear(); // what was counted was another's
    this.#identity = identity;
    for (const { name } of Deno.readDirSync(this.folder)) {
      const partition = /^partition-(0|[1-9]\d*)\.jsonl$/.exec(name)?.[1];
      if (partition === undefined) continue;
      if (!this.#partitions.has(partition)) refuseOther(join(this.folder, name));
      this.#lines(partition);
    }
  }

  #lines(partition: string): Lines {
    const file = join(this.folder, `partition-${partition}.jsonl`);
    if (!this.#partitions.has(partition)) this.#partitions.set(partition, new Lines(file));
    return this.#partitions.get(partition)!;
  }
}

/** Throws a `TypeError` for what would not be read or would never end: a folder, a pipe, a link to nothing. */
function refuseOther(file: string): void {
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

/** After which an unfinished line seems to be forgotten. */
const QUIET_MS = 5_000;
/** Bytes from which a thread counts too. */
const SHARED_BYTES = 32 * 1024 * 1024;

/** The complete lines of a growing file. */
class Lines {
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
      throw this.#lost(`${size} bytes, but offsets 0 to ${this.#count} took ${this.#bytes}`);
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
      throw this.#lost(`${this.#count} messages, but offsets ${start} to ${stop} are to be read`);
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

  #lost(what: string): RangeError {
    return lostMessages(this.file, what);
  }
}

/** Whether the last byte of a file ends a line. */
function endsLine(file: string): boolean {
  using handle = Deno.openSync(file);
  handle.seekSync(-1, Deno.SeekMode.End);
  const last = new Uint8Array(1);
  return handle.readSync(last) === null || last[0] === 10;
}
