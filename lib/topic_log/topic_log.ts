import { existsSync } from "node:fs";
import { join } from "node:path";
import { readLines } from "../json/lines.ts";
import { LineIndex, refuseOther } from "./line_index.ts";
import type { FileRange, Messages, Offsets, Source } from "../core/types.ts";
import { giveTopicId, topicId } from "./topic_id.ts";

/** After which an unfinished line seems to be forgotten. */
const QUIET_MS = 5_000;
/** Bytes from which a thread counts too. */
const SHARED_BYTES = 32 * 1024 * 1024;

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
  readonly description: string;
  readonly #partitions = new Map<string, LineIndex>();
  #identity: string | undefined;

  private constructor(readonly topic: string, readonly folder: string) {
    this.description = `TopicLog[${topic}]`;
  }

  /** Opens the log of `topic` in `dir`. Throws a `RangeError` if it has no partition there. */
  static async open(dir: string, topic: string): Promise<TopicLog> {
    const log = new TopicLog(topic, topicFolder(dir, topic));
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
    const [theirs, ours]: [Promise<void>[], LineIndex[]] = [[], []];
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

  #lines(partition: string): LineIndex {
    const file = join(this.folder, `partition-${partition}.jsonl`);
    if (!this.#partitions.has(partition)) this.#partitions.set(partition, new LineIndex(file));
    return this.#partitions.get(partition)!;
  }
}
