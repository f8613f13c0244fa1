import { join } from "node:path";
import { narrow } from "../core/plain_rows.ts";
import {
  applyStep,
  type Group,
  groupId,
  groupsIn,
  type Key,
  newState,
  plainKey,
  type State,
  type Step,
  type Value,
} from "../windows/state.ts";
import type { RowTotals } from "../windows/accounting.ts";
import { readFile, writeFile } from "../files.ts";
import { checkedLines, damaged, sealPieces } from "./lines.ts";

/** The state after a batch, and what became of all rows so far. */
export interface StateEntry {
  readonly state: State;
  readonly total: RowTotals;
}

/** What a batch does to the state. */
export type Changes = Pick<Step, "changed" | "closed">;

/** One file: all groups, or with `base` what changed since the batch before. */
interface StateFile extends Changes {
  readonly total: RowTotals;
  /** The last batch before it whose file holds all groups. */
  readonly base?: number | undefined;
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
    const state = newState();
    if (batchId < 0) return { state, total: { read: 0, counted: 0, late: 0, rejected: 0 } };
    const last = await this.#file(batchId);
    const base = last.base ?? batchId;
    [this.#last, this.#base, this.#changes] = [batchId, base, 0];
    for (let id = base; id <= batchId; id++) {
      const file = id === batchId ? last : await this.#file(id);
      if (id > base) this.#changes += file.changed.size;
      applyStep(state, file);
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
      : [{ total }, groupsIn(state)];
    // An earlier program, which takes a file for all groups, must refuse one that is not.
    const version = "base" in header ? 2 : 1;
    const pieces = sealPieces(place, header, Iterator.from(groups).map(lineOf), version);
    await writeFile(join(this.#dir, place), pieces);
    if (changes && isShort) [this.#last, this.#changes] = [batchId, more];
    else [this.#last, this.#base, this.#changes] = [batchId, batchId, 0];
  }

  /** The first file that the state after a batch is read from; 0 if its own is not there. */
  async base(batchId: number): Promise<number> {
    const bytes = new Uint8Array(60); // the first of its header, since all of it may be long
    try {
      using file = await Deno.open(join(this.#dir, `state/${batchId}`));
      await file.read(bytes);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return 0;
      throw error;
    }
    return Number(/^v2\n\{"base":(\d+),/.exec(new TextDecoder().decode(bytes))?.[1] ?? batchId);
  }

  async #file(batchId: number): Promise<StateFile> {
    const place = `state/${batchId}`;
    const path = join(this.#dir, place);
    const text = await readFile(path);
    if (text === undefined) throw damaged(path, "it is missing");
    const lines = checkedLines(path, place, text, 2).values();
    const { total, base, closed = [] } = JSON.parse(lines.next().value!) as StateFile;
    const groups = lines.map((line) => groupOf(JSON.parse(line)));
    const changed = new Map(groups.map((group) => [groupId(group), group]));
    return { total, base, closed, changed };
  }
}

/** JSON has no NaN, no infinities, no -0 and no int64, so they are written as text. */
function lineOf({ start, keys, rows, slots }: Group): string {
  const isPlain = (v: Value) => v === null || (Number.isFinite(v) && !Object.is(v, -0));
  const plain = (v: Value) => isPlain(v) ? v : Object.is(v, -0) ? "-0" : String(v);
  return JSON.stringify({ start, keys: keys.map(plainKey), rows, slots: slots.map(plain) });
}

/** Reads a group from a line of `state/N`. */
export function groupOf(line: Record<string, unknown>): Group {
  const keys = line.keys as (Key | { number: string })[];
  return {
    start: line.start as number,
    keys: keys.map((key) => typeof key === "object" && key ? valueOf(key.number) : key),
    rows: line.rows as number,
    slots: (line.slots as (number | string | null)[]).map(valueOf),
  };
}

function valueOf(value: number | string | null): Value {
  if (typeof value !== "string") return value;
  return /^-?[1-9]\d*$/.test(value) ? narrow(BigInt(value)) : Number(value);
}
