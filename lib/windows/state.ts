import type { OutputMode } from "../core/types.ts";
import { isClosed } from "./window.ts";

/** Partial aggregates of one window and key: what the state holds and what a batch adds to it. */
export interface Group {
  /** Window start, epoch ms. */
  readonly start: number;
  /** Values of the grouping columns beside the window. */
  readonly keys: readonly Key[];
  /** Rows in the group, for the accounting. */
  readonly rows: number;
  /** One value a slot; null where no row had a value. */
  readonly slots: readonly Value[];
}

export type Key = Value | string | boolean;

/** A number, null for none; a bigint only where it is whole and a number would not hold it. */
export type Value = number | bigint | null;

/** How two values of a slot become one; `addWhole` adds as int64 does, exactly and wrapping. */
export type Merge = "add" | "addWhole" | "min" | "max";

/** The open windows. */
export interface State {
  /** By window start, the groups of a window by `keyId`. */
  readonly windows: Map<number, Map<string, Group>>;
  /** Groups, and rows in them. */
  size: number;
  rows: number;
  /** The first window start; Infinity if there is none. */
  oldest: number;
}

/** What one batch does to the state. */
export interface Step {
  /** Groups that are new or have changed and stay open, by `groupId`. */
  readonly changed: ReadonlyMap<string, Group>;
  /** Starts of the windows that leave the state. */
  readonly closed: readonly number[];
  /** Groups to write, by window start. */
  readonly emitted: readonly Group[];
  readonly numRowsUpdated: number;
  readonly numRowsRemoved: number;
  /** Late groups, as Spark counts dropped "rows". */
  readonly numRowsDroppedByWatermark: number;
  /** Rows in the late groups. */
  readonly lateRows: number;
  /** Rows in the groups that left the state: they are final. */
  readonly finalRows: number;
}

/** Returns a state of these groups. */
export function newState(groups: Iterable<Group> = []): State {
  const state: State = { windows: new Map(), size: 0, rows: 0, oldest: Infinity };
  for (const group of groups) putGroup(state, group);
  return state;
}

/** Gives all groups, windows in the order they were opened. */
export function groupsOf({ windows }: State): IteratorObject<Group> {
  return windows.values().flatMap((groups) => groups.values());
}

/** Returns all groups, windows in the order they were opened. */
export function groupsIn(state: State): Group[] {
  return groupsOf(state).toArray();
}

/** Carries a step out on the state it was found for, in place: only what changes is touched. */
export function applyStep(
  state: State,
  { changed, closed }: { changed: { values(): Iterable<Group> }; closed: readonly number[] },
): void {
  for (const start of closed) {
    for (const { rows } of state.windows.get(start)?.values() ?? []) {
      state.size--;
      state.rows -= rows;
    }
    state.windows.delete(start);
  }
  if (closed.length > 0) {
    state.oldest = state.windows.keys().reduce((a, b) => Math.min(a, b), Infinity);
  }
  for (const group of changed.values()) putGroup(state, group);
}

function putGroup(state: State, group: Group): void {
  const id = keyId(group);
  const groups = state.windows.getOrInsertComputed(group.start, () => new Map());
  const old = groups.get(id);
  if (old === undefined) state.size++;
  state.rows += group.rows - (old?.rows ?? 0);
  state.oldest = Math.min(state.oldest, group.start);
  groups.set(id, group);
}

/** Identifies a group in its window; a text stands for itself, so that it is in memory once. */
function keyId({ keys }: Group): string {
  const [key] = keys;
  const isText = keys.length === 1 && typeof key === "string" && !key.startsWith("\0");
  return isText ? key : `\0${keys.length > 0 ? JSON.stringify(keys.map(plainKey)) : ""}`;
}

/** Identifies a group among all. */
export function groupId({ start, keys }: Group): string {
  return keys.length === 0 ? String(start) : JSON.stringify([start, ...keys.map(plainKey)]);
}

/** Returns a key as JSON can carry it: numbers that JSON has not are given as text in an object. */
export function plainKey(key: Key): unknown {
  if (typeof key === "bigint" || (typeof key === "number" && !Number.isFinite(key))) {
    return { number: String(key) };
  }
  return key;
}

/** Returns a whole number as a number where that holds it. */
export function narrow(whole: bigint): number | bigint {
  const number = Number(whole);
  return Number.isSafeInteger(number) ? number : whole;
}

/**
 * Decides what a batch's partial aggregates do to the state, in Spark's order: drop late groups, merge,
 * emit, evict. It looks at the groups of the batch and of the windows that close, not at all.
 *
 * A group is late when its window's end is at or before the watermark of the *previous* batch, and
 * leaves the state when it is at or before that of *this* batch. In complete mode nothing is late
 * and nothing leaves. Without a watermark (`null`) the same holds.
 *
 * ```text
 * //  0         10         20
 * //  [----A----)[----B----)
 * //             ^ watermark 10: A is closed, B is open
 * ```
 */
export function advanceState(
  state: State,
  partials: readonly Group[],
  { mode, size, merges, lateWatermark, watermark }: {
    mode: OutputMode;
    /** Window size in ms. */
    size: number;
    merges: readonly Merge[];
    lateWatermark: number | null;
    watermark: number | null;
  },
): Step {
  const isBefore = (start: number, mark: number | null) =>
    mode !== "complete" && isClosed(start + size, mark);
  const updated = new Map<string, Group>();
  const replaced = new Set<Group>();
  const late = new Set<string>();
  let lateRows = 0;
  // In order, since Polars groups in any: the same batch leaves the same file.
  const inOrder = partials.map((group): Entry => [groupId(group), group]).sort(byWindow);
  for (const [id, partial] of inOrder) {
    if (isBefore(partial.start, lateWatermark)) {
      late.add(id);
      lateRows += partial.rows;
      continue;
    }
    const kept = state.windows.get(partial.start)?.get(keyId(partial));
    if (kept !== undefined) replaced.add(kept);
    const old = updated.get(id) ?? kept;
    updated.set(id, old === undefined ? partial : mergeGroups(old, partial, merges));
  }
  const closed = isBefore(state.oldest, watermark)
    ? [...state.windows.keys()].filter((start) => isBefore(start, watermark))
    : [];
  const others = (starts: readonly number[]) =>
    starts.flatMap((start) => [...state.windows.get(start)!.values()])
      .filter((group) => !replaced.has(group)).map((group): Entry => [groupId(group), group]);
  const closing = [...updated].filter(([, { start }]) => isBefore(start, watermark));
  const removed = [...others(closed), ...closing];
  const emitted = mode === "append"
    ? removed
    : mode === "update"
    ? [...updated]
    : [...others([...state.windows.keys()]), ...updated];
  const numRowsUpdated = updated.size;
  for (const [id] of closing) updated.delete(id);
  return {
    changed: updated,
    closed,
    emitted: emitted.sort(byWindow).map(([, group]) => group),
    numRowsUpdated,
    numRowsRemoved: removed.length,
    numRowsDroppedByWatermark: late.size,
    lateRows,
    finalRows: removed.reduce((sum, [, { rows }]) => sum + rows, 0),
  };
}

type Entry = readonly [id: string, group: Group];

function mergeGroups(a: Group, b: Group, merges: readonly Merge[]): Group {
  const slots = merges.map((merge, i) => mergeSlots(a.slots[i]!, b.slots[i]!, merge));
  return { ...a, rows: a.rows + b.rows, slots };
}

function mergeSlots(a: Value, b: Value, merge: Merge): Value {
  if (a === null || b === null) return a ?? b;
  if (merge === "add") return Number(a) + Number(b);
  if (merge === "addWhole") return narrow(BigInt.asIntN(64, BigInt(a) + BigInt(b)));
  // NaN is the greatest number, as in Spark.
  const isGreater = Number.isNaN(a) || (a > b && !Number.isNaN(b));
  return isGreater === (merge === "max") ? a : b;
}

function byWindow([id, a]: Entry, [other, b]: Entry): number {
  return a.start - b.start || (id < other ? -1 : id > other ? 1 : 0);
}
