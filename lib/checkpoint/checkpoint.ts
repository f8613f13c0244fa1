import { existsSync } from "node:fs";
import { join } from "node:path";
import { type CommitEntry, type Cursor, type Logged, type OffsetEntry, resume } from "./resume.ts";
import { makeFolder, readFile, syncFolder, writeFile } from "../files.ts";
import { damaged, openLines, sealLines } from "./lines.ts";
import { Lock } from "./lock.ts";
import { type Changes, type StateEntry, StateLog } from "./state_log.ts";

const FOLDERS = ["offsets", "state", "commits", join("sources", "0")];

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
  readonly #lock: Lock;
  readonly #states: StateLog;

  /** `id` identifies the query over all its restarts. */
  private constructor(readonly dir: string, readonly id: string, topic: string, lock: Lock) {
    this.#topic = topic;
    this.#lock = lock;
    this.#states = new StateLog(dir);
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
    const lock = await Lock.take(join(dir, "lock"));
    try {
      if (lock.staleOwner !== undefined) {
        console.warn(`Took over "${dir}" from process ${lock.staleOwner}, which ended abruptly`);
      }
      const path = join(dir, "metadata");
      const text = await readFile(path);
      if (text !== undefined) return new Checkpoint(dir, idOf(path, text, identity), topic, lock);
      for (const folder of FOLDERS) {
        if ((await batchIds(join(dir, folder))).length > 0) throw damaged(path, "it is missing");
      }
      // Spark's file is one line without a version, which a reader of both can tell.
      await writeFile(path, sealLines("metadata", { id, query: identity }).slice("v1\n".length));
      return new Checkpoint(dir, id, topic, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Reads where the query goes on, from the two logs. */
  async cursor(): Promise<Cursor> {
    const planned = (await batchIds(this.#path("offsets"))).slice(-2);
    const committed = (await batchIds(this.#path("commits"))).slice(-1);
    const offsets: Logged<OffsetEntry>[] = [];
    for (const batchId of planned) {
      offsets.push({ batchId, entry: await this.#readOffsets(`offsets/${batchId}`) });
    }
    const commits: Logged<CommitEntry>[] = [];
    for (const batchId of committed) {
      const [entry] = await this.#read(`commits/${batchId}`);
      commits.push({ batchId, entry: entry as unknown as CommitEntry });
    }
    return resume({
      previousOffsets: offsets.at(-2),
      lastOffsets: offsets.at(-1),
      lastCommit: commits[0],
    });
  }

  /** Where the first batch begins: as kept, so that a restart begins there too, or else `found`, which it keeps. */
  async initialOffsets(found: InitialOffsets | undefined): Promise<InitialOffsets> {
    const place = "sources/0/0";
    if (hasStart(this.dir)) return await this.#readOffsets<InitialOffsets>(place);
    const isNew = (await batchIds(this.#path("offsets"))).length === 0;
    if (!isNew || found === undefined) throw damaged(this.#path(place), "it is missing");
    const { end, sourceId } = found;
    await this.#write(place, { sourceId }, [JSON.stringify({ [this.#topic]: end })]);
    return found;
  }

  writeOffsets(batchId: number, { end, ...metadata }: OffsetEntry): Promise<void> {
    return this.#write(`offsets/${batchId}`, metadata, [JSON.stringify({ [this.#topic]: end })]);
  }

  writeCommit(batchId: number, entry: CommitEntry): Promise<void> {
    return this.#write(`commits/${batchId}`, entry);
  }

  /** Returns the state after a batch; that before the first batch, -1, is empty. */
  readState(batchId: number): Promise<StateEntry> {
    return this.#states.read(batchId);
  }

  /** Keeps the state after a batch; `step` is what the batch did to the state before. */
  writeState(batchId: number, entry: StateEntry, step?: Changes): Promise<void> {
    return this.#states.write(batchId, entry, step);
  }

  /** Removes the files that nothing from batch `oldest` on needs. */
  async purge(oldest: number): Promise<void> {
    const needed = { offsets: oldest, state: await this.#states.base(oldest), commits: oldest };
    for (const [folder, first] of Object.entries(needed)) {
      for (const batchId of await batchIds(this.#path(folder))) {
        if (batchId < first) await Deno.remove(this.#path(folder, String(batchId)));
      }
    }
  }

  close(): Promise<void> {
    return this.#lock.release();
  }

  #path(...parts: readonly string[]): string {
    return join(this.dir, ...parts);
  }

  async #read(place: string): Promise<Record<string, unknown>[]> {
    const path = this.#path(place);
    const text = await readFile(path);
    if (text === undefined) throw damaged(path, "it is missing");
    const [{ checksum: _, ...first } = {}, ...rest] = openLines(path, place, text);
    return [first, ...rest];
  }

  /** Reads a file whose second line holds offsets. */
  async #readOffsets<Entry extends InitialOffsets>(place: string): Promise<Entry> {
    const [entry, source] = await this.#read(place);
    const [end] = Object.values(source ?? {});
    if (end === undefined) throw damaged(this.#path(place), "it holds no offsets");
    return { ...entry, end } as Entry;
  }

  #write(place: string, first: object, rest?: readonly string[]): Promise<void> {
    return writeFile(this.#path(place), sealLines(place, first, rest));
  }
}

/** Whether a checkpoint says where its first batch begins. */
export function hasStart(dir: string): boolean {
  return existsSync(join(dir, "sources", "0", "0"));
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

function idOf(path: string, text: string, identity: QueryIdentity): string {
  const [metadata] = openLines(path, "metadata", `v1\n${text}`);
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
