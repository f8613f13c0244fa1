import { join } from "node:path";
import {
  applyStep,
  type Group,
  groupsOf,
  type Key,
  narrow,
  newState,
  plainKey,
  type State,
  type Step,
  type Value,
} from "../windows/state.ts";
import type { RowTotals } from "../windows/accounting.ts";
import { readBytes, readFile, writeFile } from "../files.ts";
import { damaged, openLines, sealLines } from "./lines.ts";

/** The state after a batch, and what became of all rows so far. */
export interface StateEntry {
  readonly state: State;
  readonly total: RowTotals;
}

/** What a batch does to the state. */
export type Changes = Pick<Step, "changed" | "closed">;

/** The first line of a file of all groups, or with `base` of those that changed since the batch before. */
interface Header {
  readonly total: RowTotals;
  /** The last batch before it whose file holds all groups. */
  readonly base?: number | undefined;
  readonly closed?: readonly number[];
}

/** Batches in a row that keep only what they changed: a start reads all of them. */
const MOST_IN_A_ROW = 50;

/**
 * Keeps the state after each batch in `state/N`. While a batch changes little, its file holds only that:
 * the groups that changed and the starts of the windows that closed. All groups are written again once
 * the files since hold half as many, so a batch costs what it changes, and a start at most a half more
 * than the state.
 */
export class StateLog {
  readonly #dir: string;
  /** The last batch read or written, its base, and the groups in the files between. */
  #last = NaN;
  #base = NaN;
  #changes = 0;

  /** `dir` is the checkpoint's. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Returns the state after a batch; that before the first, -1, is empty. */
  async read(batchId: number): Promise<StateEntry> {
    let state = newState();
    if (batchId < 0) return { state, total: { read: 0, counted: 0, late: 0, rejected: 0 } };
    const last = await this.#file(batchId);
    const base = last.base ?? batchId;
    [this.#last, this.#base, this.#changes] = [batchId, base, 0];
    for (let id = base; id <= batchId; id++) {
      const { closed = [], groups } = id === batchId ? last : await this.#file(id);
      if (id === base) state = newState(groups);
      else {
        const changed = groups.toArray();
        this.#changes += changed.length;
        applyStep(state, { changed, closed });
      }
    }
    return { state, total: last.total };
  }

  /** Writes the state after a batch; without `changes`, or if they are many, all of it. */
  async write(batchId: number, { state, total }: StateEntry, changes?: Changes): Promise<void> {
    const more = this.#changes + (changes?.changed.size ?? 0);
    const isShort = batchId === this.#last + 1 && more <= state.size / 2 &&
      batchId - this.#base <= MOST_IN_A_ROW;
    const place = `state/${batchId}`;
    const [header, groups] = changes && isShort
      ? [{ base: this.#base, total, closed: changes.closed }, changes.changed.values()]
      : [{ total }, groupsOf(state)];
    // An earlier program, which takes a file for all groups, must refuse one that is not.
    const version = "base" in header ? 2 : 1;
    const pieces = sealLines(place, header, groups.map(lineOf), version);
    await writeFile(join(this.#dir, place), pieces);
    // They may be many MB, and V8 would keep them until it looks at its old objects.
    for (const { buffer } of pieces.slice(1)) (buffer as ArrayBuffer).transfer(0);
    if (changes && isShort) [this.#last, this.#changes] = [batchId, more];
    else [this.#last, this.#base, this.#changes] = [batchId, batchId, 0];
  }

  /** The first file that the state after a batch is read from; 0 if its own is not there. */
  async base(batchId: number): Promise<number> {
    const head = await readFile(join(this.#dir, `state/${batchId}`), 60); // all may be long
    if (head === undefined) return 0;
    return Number(/^v2\n\{"base":(\d+),/.exec(head)?.[1] ?? batchId);
  }

  async #file(batchId: number): Promise<Header & { readonly groups: IteratorObject<Group> }> {
    const place = `state/${batchId}`;
    const path = join(this.#dir, place);
    const bytes = await readBytes(path);
    if (bytes === undefined) throw damaged(path, "it is missing");
    const pieces = openLines(path, place, bytes, 2);
    const [header] = pieces.next().value!;
    return {
      ...header as unknown as Header,
      groups: pieces.flatMap((lines) => lines as unknown as GroupLine[]).map(groupOf),
    };
  }
}

/** A group as a line of `state/N`. */
interface GroupLine extends Omit<Group, "keys" | "slots"> {
  readonly keys: readonly (Exclude<Key, bigint> | { readonly number: string })[];
  readonly slots: readonly (number | string | null)[];
}

/** JSON has no NaN, no infinities, no -0 and no int64, so they are written as text. */
function lineOf(group: Group): string {
  const { start, keys, rows, slots } = group;
  if (slots.every(isPlain) && keys.every((key) => typeof key === "string")) {
    return JSON.stringify(group);
  }
  const plain = (v: Value) => isPlain(v) ? v : Object.is(v, -0) ? "-0" : String(v);
  return JSON.stringify({ start, keys: keys.map(plainKey), rows, slots: slots.map(plain) });
}

function isPlain(value: Value): boolean {
  return value === null || (Number.isFinite(value) && !Object.is(value, -0));
}

function groupOf(line: GroupLine): Group {
  const { start, keys, rows, slots } = line;
  const isObject = (key: unknown) => typeof key === "object" && key !== null;
  const isText = (slot: unknown) => typeof slot === "string";
  if (!slots.some(isText) && !keys.some(isObject)) return line as Group;
  return {
    start,
    keys: keys.map((key) => typeof key === "object" && key ? valueOf(key.number) : key),
    rows,
    slots: slots.map(valueOf),
  };
}

function valueOf(value: number | string | null): Value {
  if (typeof value !== "string") return value;
  return /^-?[1-9]\d*$/.test(value) ? narrow(BigInt(value)) : Number(value);
}
