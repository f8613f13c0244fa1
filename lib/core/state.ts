import type { OutputMode } from "./types.ts";
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

/** Open windows by `groupId`. */
export type State = ReadonlyMap<string, Group>;

/** What one batch does to the state. */
export interface Step {
  readonly state: State;
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

/** Identifies a group in the state. */
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
 * Adds a batch's partial aggregates to the state, in Spark's order: drop late groups, merge, emit,
 * evict.
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
  const isBefore = ({ start }: Group, mark: number | null) =>
    mode !== "complete" && isClosed(start + size, mark);
  const next = new Map(state);
  const updated = new Map<string, Group>();
  const late = new Set<string>();
  let lateRows = 0;
  // In order, since Polars groups in any: the same batch leaves the same file.
  for (const partial of partials.toSorted(byWindow)) {
    const id = groupId(partial);
    if (isBefore(partial, lateWatermark)) {
      late.add(id);
      lateRows += partial.rows;
      continue;
    }
    const old = next.get(id);
    const group = old === undefined ? partial : mergeGroups(old, partial, merges);
    next.set(id, group);
    updated.set(id, group);
  }
  const removed = [...next.values()].filter((group) => isBefore(group, watermark));
  const emitted = mode === "append" ? removed : [...(mode === "update" ? updated : next).values()];
  for (const group of removed) next.delete(groupId(group));
  return {
    state: next,
    emitted: emitted.toSorted(byWindow),
    numRowsUpdated: updated.size,
    numRowsRemoved: removed.length,
    numRowsDroppedByWatermark: late.size,
    lateRows,
    finalRows: removed.reduce((sum, { rows }) => sum + rows, 0),
  };
}

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

function byWindow(a: Group, b: Group): number {
  if (a.start !== b.start) return a.start - b.start;
  return groupId(a) < groupId(b) ? -1 : 1;
}
