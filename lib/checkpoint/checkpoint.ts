import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  checkLogs,
  type CommitEntry,
  type Cursor,
  NO_COMMIT,
  NO_OFFSETS,
  type OffsetEntry,
  resume,
} from "./resume.ts";
import { makeFolder, readBytes, syncFolder, writeFile } from "../files.ts";
import type { Offsets } from "../core/types.ts";
import { damaged, openLines, sealLines } from "./lines.ts";
import { releaseLock, takeLock } from "./lock.ts";
import { StateLog } from "./state_log.ts";

const FOLDERS = ["offsets", "state", "commits", join("sources", "0")];
/** The first line of every file but `metadata`. */
const VERSION = Buffer.from("v1\n");

/** What a restart may not change: source, schema, window, keys, aggregates and their types, kind of output mode. */
export type QueryIdentity = Readonly<Record<string, string>>;

/** Where the first batch begins, as the end of one before it. */
export type InitialOffsets = Pick<OffsetEntry, "end" | "sourceId">;

/**
 * The folder that a query restarts from, in Spark's layout:
 *
 * ```text
 * metadata      {"id":…} and what may not change
 * sources/0/0   where the first batch begins
 * offsets/N     written before batch N is read
 * state/N       written after the sink took batch N: all groups, or those that changed since N - 1
 * commits/N     written last: batch N is done
 * ```
 */
export class Checkpoint {
  readonly #topic: string;
  readonly #lock: Deno.FsFile;
  readonly states: StateLog;

  /** `id` identifies the query over all its restarts. */
  private constructor(readonly dir: string, readonly id: string, topic: string, lock: Deno.FsFile) {
    this.#topic = topic;
    this.#lock = lock;
    this.states = new StateLog(dir);
  }

  /**
   * Opens a checkpoint, or makes one with the query's `id`. Throws if another query runs on it, if
   * it belongs to a query that differs, or if a file in it is damaged.
   */
  static async open(
    dir: string,
    identity: QueryIdentity,
    topic: string,
    id: string = crypto.randomUUID(),
  ): Promise<Checkpoint> {
    for (const folder of FOLDERS) await makeFolder(join(dir, folder));
    // What a killed process left here may not be durable yet.
    for (const folder of [...FOLDERS, "."]) await syncFolder(join(dir, folder));
    const lock = await takeLock(join(dir, "lock"));
    try {
      const path = join(dir, "metadata");
      const bytes = await readBytes(path);
      if (bytes) return new Checkpoint(dir, idOf(path, bytes, identity), topic, lock);
      for (const folder of FOLDERS) {
        if ((await batchIds(join(dir, folder))).length > 0) throw damaged(path, "it is missing");
      }
      // Spark's file is one line without a version, which a reader of both can tell.
      const [sealed] = sealLines("metadata", { id, query: identity });
      await writeFile(path, sealed!.subarray(VERSION.length));
      return new Checkpoint(dir, id, topic, lock);
    } catch (error) {
      await releaseLock(lock);
      throw error;
    }
  }

  /** Reads where the query goes on. One that kept no beginning begins at `first`, and keeps it for a restart. */
  async cursor(first?: InitialOffsets): Promise<Cursor> {
    const planned = await batchIds(this.#path("offsets"));
    const [done = -1] = (await batchIds(this.#path("commits"))).slice(-1);
    checkLogs(planned, done);
    if (first && planned.length === 0 && !hasStart(this.dir)) await this.writeOffsets(-1, first);
    const offsets = new Map<number, OffsetEntry>();
    for (const id of new Set([done, ...planned.slice(-1)])) {
      offsets.set(id, await this.#readOffsets(placeOf(id)));
    }
    const [commit] = done < 0 ? [NO_COMMIT] : await this.#read(`commits/${done}`);
    return resume(offsets, new Map([[done, commit as unknown as CommitEntry]]));
  }

  writeOffsets(batchId: number, { end, ...entry }: OffsetEntry | InitialOffsets): Promise<void> {
    return this.#write(placeOf(batchId), entry, [JSON.stringify({ [this.#topic]: end })]);
  }

  writeCommit(batchId: number, entry: CommitEntry): Promise<void> {
    return this.#write(`commits/${batchId}`, entry);
  }

  /** Removes the files that nothing from batch `oldest` on needs. */
  async purge(oldest: number): Promise<void> {
    const needed = { offsets: oldest, state: await this.states.base(oldest), commits: oldest };
    const old: string[] = [];
    for (const [folder, first] of Object.entries(needed)) {
      const ids = (await batchIds(this.#path(folder))).filter((batchId) => batchId < first);
      old.push(...ids.map((batchId) => this.#path(folder, String(batchId))));
    }
    // Side by side takes less time than one after the other; all have ended if one fails.
    const removals = await Promise.allSettled(old.map((path) => Deno.remove(path)));
    for (const removal of removals) if (removal.status === "rejected") throw removal.reason;
  }

  close(): Promise<void> {
    return releaseLock(this.#lock);
  }

  #path(...parts: readonly string[]): string {
    return join(this.dir, ...parts);
  }

  async #read(place: string): Promise<Record<string, unknown>[]> {
    const path = this.#path(place);
    const bytes = await readBytes(path);
    if (bytes === undefined) throw damaged(path, "it is missing");
    const [{ checksum: _, ...first } = {}, ...rest] = [...openLines(path, place, bytes)].flat();
    return [first, ...rest];
  }

  /** Reads a file whose second line holds offsets. */
  async #readOffsets(place: string): Promise<OffsetEntry> {
    const [entry, source] = await this.#read(place);
    const [end] = Object.values(source ?? {});
    if (end === undefined) throw damaged(this.#path(place), "it holds no offsets");
    return { ...NO_OFFSETS, ...entry, end: end as Offsets };
  }

  #write(place: string, first: object, rest?: readonly string[]): Promise<void> {
    return writeFile(this.#path(place), sealLines(place, first, rest));
  }
}

/** Names the file with the offsets of a batch; -1 ends where the first one begins. */
function placeOf(batchId: number): string {
  return batchId < 0 ? "sources/0/0" : `offsets/${batchId}`;
}

/** Whether a checkpoint says where its first batch begins. */
export function hasStart(dir: string): boolean {
  return existsSync(join(dir, placeOf(-1)));
}

/**
 * Returns the batch ids in a log folder in order. Throws if there is a foreign file; a gap is none of
 * its business, since a power cut may bring old files back that were removed.
 */
export async function batchIds(folder: string): Promise<number[]> {
  const ids: number[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(".")) continue;
    if (!/^(0|[1-9]\d*)$/.test(name)) throw damaged(join(folder, name), "it is no batch id");
    ids.push(Number(name));
  }
  return ids.sort((a, b) => a - b);
}

function idOf(path: string, bytes: Uint8Array, identity: QueryIdentity): string {
  const [metadata] = openLines(path, "metadata", Buffer.concat([VERSION, bytes])).next().value!;
  const { id, query } = metadata as { id: string; query: QueryIdentity };
  const changed = Object.keys({ ...query, ...identity })
    .filter((k) => query[k] !== identity[k] && !isOlder(k, query[k], identity[k]));
  if (changed.length > 0) {
    const told = changed.filter((key) => key !== "types" || changed.length === 1); // they follow
    const list = told.map((key) => `${key} was ${query[key]} and is now ${identity[key]}`);
    throw new TypeError(
      `Cannot restart from "${path}": ${list.join("; ")}. ` +
        `Undo the change, or start over with a new checkpoint`,
    );
  }
  return id;
}

/** Whether the first is as older checkpoints had it: without types, with expressions as Polars printed them. */
function isOlder(what: string, was: string | undefined, is: string | undefined): boolean {
  if (was === undefined) return what === "types";
  const names = (text = "") => text.match(/(?<=^|, )[^,=]+ = \w+(?=\()/g)?.join();
  return /\bcol\("/.test(was) && names(was) === names(is);
}
