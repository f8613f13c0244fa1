import { deepEqual, equal } from "node:assert/strict";
import {
  advanceState,
  applyStep,
  type Group,
  groupId,
  groupsIn,
  newState,
  type State,
  type Step,
  type Value,
} from "../../lib/windows/state.ts";

/** Windows of 10 with one count and one greatest value. */
function group(start: number, rows = 1, most: number | null = rows, key?: string): Group {
  return { start, keys: key === undefined ? [] : [key], rows, slots: [rows, most] };
}

/** What a batch does, and the state that it leaves. */
function advance(state: State, groups: readonly Group[], marks: {
  mode?: "append" | "update" | "complete";
  late?: number | null;
  mark?: number | null;
} = {}): Step & { state: State } {
  const { mode = "append", late = 0, mark = late } = marks;
  const step = advanceState(state, groups, {
    mode,
    size: 10,
    merges: ["add", "max"],
    lateWatermark: late,
    watermark: mark,
  });
  const next = newState(groupsIn(state));
  applyStep(next, step);
  return { ...step, state: next };
}

function stateOf(...groups: readonly Group[]): State {
  return newState(groups);
}

const starts = (groups: Iterable<Group>) => Array.from(groups, ({ start }) => start);

Deno.test("advanceState() closes a window when the watermark reaches its end", () => {
  //  0         10        20        30
  //  [----A----)[----B---)[----C---)
  //                      ^ 20: A and B are closed
  for (const [mark, closed] of [[9, []], [10, [0]], [19, [0]], [20, [0, 10]]] as const) {
    const step = advance(stateOf(group(0), group(10), group(20)), [], { mark, late: 0 });
    deepEqual(starts(step.emitted), closed);
    deepEqual(starts(groupsIn(step.state)), [0, 10, 20].slice(closed.length));
    equal(step.numRowsRemoved, closed.length);
  }
});

Deno.test("advanceState() closes windows in the order of time, in whatever order they were opened", () => {
  const state = newState();
  for (const opened of [[30, 10], [0], [20]]) {
    applyStep(state, advance(state, opened.map((start) => group(start))));
  }
  for (
    const [mark, closed] of [[9, []], [10, [0]], [20, [10]], [29, []], [40, [20, 30]]] as const
  ) {
    const step = advance(state, [], { mark });
    deepEqual(starts(step.emitted), closed);
    applyStep(state, step);
  }
  equal(state.size, 0);
});

Deno.test("advanceState() drops by the watermark before, and closes by the watermark now", () => {
  const kept = advance(newState(), [group(0)], { late: 9, mark: 10 });
  deepEqual(starts(kept.emitted), [0]); // taken, closed and written in one batch
  equal(kept.numRowsDroppedByWatermark, 0);
  const dropped = advance(newState(), [group(0, 3)], { late: 10, mark: 20 });
  deepEqual(dropped.emitted, []);
  equal(dropped.numRowsDroppedByWatermark, 1);
  equal(dropped.lateRows, 3);
});

Deno.test("advanceState() writes by output mode: closed, touched or all", () => {
  const state = stateOf(group(0), group(10), group(20));
  const batch = [group(0), group(20)];
  const written = {
    append: [0, 10],
    update: [0, 20], // also what it closes
    complete: [0, 10, 20],
  };
  for (const mode of ["append", "update", "complete"] as const) {
    const step = advance(state, batch, { mode, late: 0, mark: 20 });
    deepEqual(starts(step.emitted), written[mode]);
    equal(step.numRowsUpdated, 2);
    equal(step.state.size, mode === "complete" ? 3 : 1);
  }
});

Deno.test("advanceState() drops and closes nothing in complete mode or without a watermark", () => {
  const ways = [{ mode: "complete", late: 100 }, { mode: "update", late: null }] as const;
  for (const { mode, late } of ways) {
    const step = advance(stateOf(group(0)), [group(0), group(10)], { mode, late });
    deepEqual(step.changed.get("0"), group(0, 2, 1));
    deepEqual(starts(groupsIn(step.state)), [0, 10]);
    equal(step.lateRows + step.finalRows, 0);
  }
});

Deno.test("advanceState() merges slots; null is no value, and NaN is the greatest", () => {
  const cases: [a: number | null, b: number | null, least: number | null, most: number | null][] = [
    [1, 2, 1, 2],
    [2, 1, 1, 2],
    [null, 1, 1, 1],
    [1, null, 1, 1],
    [null, null, null, null],
    [NaN, 1, 1, NaN],
    [1, NaN, 1, NaN],
    [NaN, NaN, NaN, NaN],
  ];
  for (const [a, b, least, most] of cases) {
    const one = (slot: number | null): Group => ({
      start: 0,
      keys: [],
      rows: 1,
      slots: [slot, slot],
    });
    const { changed } = advanceState(stateOf(one(a)), [one(b)], {
      mode: "update",
      size: 10,
      merges: ["min", "max"],
      lateWatermark: 0,
      watermark: 0,
    });
    deepEqual(changed.get("0")!.slots, [least, most]);
  }
});

Deno.test("advanceState() keeps keys apart, orders by window and key, and leaves its state as it was", () => {
  const before = stateOf(group(0, 1, 1, "b"));
  const batch = [group(10, 1, 1, "a"), group(0, 1, 1, "a"), group(0, 2, 5, "b")];
  const step = advance(before, batch, { mode: "update", late: 0 });
  const written = step.emitted.map(({ start, keys, slots }) => [start, ...keys, ...slots]);
  deepEqual(written, [[0, "a", 1, 1], [0, "b", 3, 5], [10, "a", 1, 1]]);
  deepEqual(groupsIn(before), [group(0, 1, 1, "b")]);
});

Deno.test("advanceState() counts a late window once, in however many parts it comes", () => {
  const batch = [group(0, 2), group(0, 3), group(10)];
  const step = advance(newState(), batch, { late: 20 });
  equal(step.numRowsDroppedByWatermark, 2);
  equal(step.lateRows, 6);
});

Deno.test("groupId() tells keys of different types apart", () => {
  const ids = [
    [1],
    ["1"],
    [null],
    ["null"],
    ["a", "b"],
    ['a","b'],
    [],
    [NaN],
    ["NaN"],
    [Infinity],
    [-Infinity],
    [2n ** 60n],
    [2n ** 60n + 1n],
    ["a\0"],
    ["a"],
    [true],
    ["true"],
  ].map((keys) => groupId({ start: 0, keys, rows: 0, slots: [] }));
  equal(new Set(ids).size, ids.length);
});

Deno.test("advanceState() adds whole numbers as int64 does: exactly, and wrapping", () => {
  const add = (a: Value, b: Value) =>
    advanceState(
      newState(),
      [group(0, 1), group(0, 1)].map((g, i) => ({ ...g, slots: [[a, b][i]!] })),
      {
        mode: "complete",
        size: 10,
        merges: ["addWhole"],
        lateWatermark: null,
        watermark: null,
      },
    ).changed.get("0")!.slots[0];
  equal(add(2 ** 53 - 1, 1), 2n ** 53n);
  equal(add(2n ** 53n, 1), 2n ** 53n + 1n);
  equal(add(2n ** 53n, -5), 2 ** 53 - 5); // a number again where that is exact
  equal(add(2n ** 63n - 1n, 1), -(2n ** 63n));
});
