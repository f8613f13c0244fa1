import * as Plot from "@observablehq/plot";
import type { DataFrame } from "polars";
import { timeOf } from "../lib/core/time.ts";
import { colorAt, GREY } from "./colors.ts";
import { clock, count, type Displayable } from "./display.ts";
import { answersOf, figure, HIT, timeAxis } from "./figure.ts";
import type { Run } from "./run.ts";
import { greatest, summary } from "./statistics.ts";

const whole = (n: number) => Number.isInteger(n) ? count(n) : "";
const batchAxis = { label: "batch", tickFormat: whole };
const stairs = { x: "batch", curve: "step-after", stroke: "color", strokeWidth: 2 } as const;
const BY_BATCH = {
  watermark: {
    question: "How far does each watermark stay behind the newest event?",
    unit: "s behind",
    y: { label: "event time (UTC)" },
    note: "A batch works with the watermark that the batch before it left.",
  },
  windows: {
    question: "How much state does each watermark keep?",
    unit: "open",
    y: { label: "open windows", zero: true, tickFormat: whole },
    note: "Windows in the state store after each batch.",
  },
  groups: {
    question: "How much state does each watermark keep?",
    unit: "open",
    y: { label: "open groups", zero: true, tickFormat: whole },
    note: "Groups in the state store after each batch: windows, once for each of their keys.",
  },
} as const;

/** Shows each run's watermark under the newest event, or its open windows, batch by batch. */
export function byBatch(runs: readonly Run[], value: "watermark" | "windows"): Displayable {
  const isByKey = value === "windows" && runs.some(({ keyed }) => keyed !== undefined);
  const { question, unit, y: axis, note } = BY_BATCH[isByKey ? "groups" : value];
  const batches = runs.map(batchesOf);
  const step = stepOf(batches);
  const series = batches.map((all) => drawn(all, step));
  const newest = series.slice(0, value === "watermark" ? 1 : 0).map((batches) =>
    batches.map((b) => ({ ...b, watermark: b.newest, color: GREY, name: "newest event" }))
  );
  const all = [...newest, ...series];
  const ends = all.flatMap((batches) => batches.slice(-1).map((b) => ({ ...b, y: b[value] })));
  const says = (batches: typeof series[number]) =>
    batches.map(({ name, watermark, windows, behind }) =>
      value === "watermark"
        ? `${name}: watermark ${at(watermark)}, ${count(behind)} s behind`
        : `${name}: ${count(windows)} open`
    ).join("; ");
  const marks = [
    all.map((b) => Plot.line(b, { ...stairs, y: value })),
    // A line of one batch is nowhere.
    all.filter((b) => b.length === 1)
      .map((b) => Plot.dot(b, { x: "batch", y: value, fill: "color" })),
    endLabels(ends),
    batchTitles(series, says, { step }),
  ];
  const height = value === "watermark" ? 300 : 200;
  const y = value === "watermark"
    ? { ...timeAxis(all.flat().map((b) => b.newest)), ...axis }
    : axis;
  return figure(question, {
    answers: answersOf(
      runs,
      (_, i) => {
        const values = batches[i]!.map((b) => value === "watermark" ? b.behind : b[value]);
        return values.every(Number.isNaN) ? `no ${value} yet` : summary(values, unit);
      },
    ),
    note: note + someDrawn(step),
    plots: [{ height, marginLeft: 72, marginRight: 116, x: batchAxis, y, marks }],
  });
}

/**
 * Shows rows where they arrived, the watermark below them, what it closed and what was dropped; with
 * `first`, only so many batches, more if it takes more for a row to be late, and the first window's end; `isLive` if it is drawn anew all the time. Of the run's `events` some are drawn.
 */
export function arrival(
  run: Run,
  options: { readonly first?: number; readonly isLive?: boolean } = {},
) {
  const { events, window: { slide, size } } = run;
  const allLate = points(run.late);
  const firstLate = allLate.reduce((least, { batch }) => Math.min(least, batch), Infinity);
  const first = Math.max(options.first ?? Infinity, Number.isFinite(firstLate) ? firstLate + 4 : 0);
  const batches = batchesOf(run).slice(0, first);
  const [start = NaN] = [run.kpi, run.open]
    .flatMap((windows) => windows.getColumn("window_start").toArray().map(Number));
  const end = run.kpi.height > 0 ? start + size : NaN;
  // A row is late by the watermark of the batch before its own, and only if its whole window is.
  const closed = batches.slice(1).map(({ batch, color }, i) => {
    const windows = Math.floor((batches[i]!.watermark - end) / slide) + 1;
    // Below is what no open window holds any more.
    const y2 = start + Math.max(0, windows || 0) * slide;
    return { x1: batch, x2: batch + 1, y1: start, y2, color };
  });
  const closedBefore = new Map(closed.map(({ x1, y2 }) => [x1, y2]));
  const step = stepOf([batches]);
  const shades = closed.filter(({ x1 }) => x1 % step === 0)
    .map((shade) => ({ ...shade, x2: Math.min(shade.x1 + step, closed.at(-1)!.x2) }));
  const isShown = ({ batch }: { batch: number }) => batch < first;
  const late = spread(allLate.filter(isShown));
  const crosses = late.filter((_, i) => i % Math.ceil(late.length / 1000) === 0);
  const inTime = (events ? points(events) : []).filter(isShown)
    .filter(({ batch, y }) => y >= (closedBefore.get(batch) ?? -Infinity));
  const dots = spread(inTime.filter((_, i) => i % Math.ceil(inTime.length / 1000) === 0));
  const closing = batches.filter(({ watermark }) => watermark >= end);
  const rings = closing.slice(0, first < Infinity ? 1 : 0);
  const last = batches.slice(-1).map((b) => ({ ...b, batch: b.batch + 1 }));
  const steps = [...drawn(batches, step), ...last].filter((b) => b.watermark >= start);
  const y = { ...timeAxis([...dots.map((dot) => dot.y), start]), label: "event time (UTC)" };
  const marks = [
    Plot.rect(shades, { x1: "x1", x2: "x2", y1: "y1", y2: "y2", fill: "color", fillOpacity: 0.15 }),
    Plot.dot(dots, { x: "x", y: "y", r: 1, fill: GREY }),
    Plot.line(steps, { ...stairs, y: "watermark" }),
    Plot.dot(crosses, { x: "x", y: "y", symbol: "times", r: 2, strokeWidth: 1 }),
    Plot.dot(rings, { x: "batch", y: "watermark", r: 6, strokeWidth: 1.5 }),
    endLabels([
      ...last.map((b) => ({ ...b, y: b.newest, name: "newest row" })),
      ...last.map((b) => ({ ...b, y: b.watermark, name: "watermark" })),
    ]),
    batchTitles(
      [drawn(batches, step)],
      (all) =>
        all.map((b) =>
          `newest row ${at(b.newest)}, watermark ${at(b.watermark)}; ` +
          `of ${count(b.rows)} rows ${count(b.late)} late`
        ).join(),
      { step, end: Infinity },
    ),
  ];
  const shown = batches.length < run.progress.length ? `, in the first ${first} batches` : "";
  const length = start % 60_000 || size % 60_000 ? 8 : 5;
  const [from, to] = [start, end].map((time) => clock(time || 0, length));
  const ring = rings.map(({ batch }) =>
    ` Ring: in batch ${batch} the watermark has passed ${to}, so the window ${from} to ${to} is ` +
    `written and closed; from the next batch on its rows are dropped.`
  );
  const [its, theirs] = slide < size
    ? ["all its windows were", "all their windows were"]
    : ["its window was", "their window was"];
  return figure(`Which rows are too late for a watermark of ${run.watermark}?`, {
    answers: answersOf(
      [run],
      () =>
        (late.length === 0
          ? `no row came after ${its} closed, so there is no cross`
          : late.length === 1
          ? `1 row came after ${its} closed (a cross)`
          : `${count(late.length)} rows came after ${theirs} closed (crosses)`) + shown,
    ),
    note: "Dots: some of the rows in time. Stairs: the watermark. Shaded: closed windows." +
      (crosses.length < late.length ? ` Of the crosses ${count(crosses.length)} are drawn.` : "") +
      someDrawn(step) + ring.join(""),
    plots: [{ height: 380, marginLeft: 72, marginRight: 116, x: batchAxis, y, marks }],
  }, { isStatic: options.isLive ?? false });
}

/** The batches of a run as points: instants in epoch ms, NaN where there is none yet. */
function batchesOf({ watermark: name, position, progress }: Run) {
  const color = colorAt(position);
  let newest = NaN;
  return progress.map(({ batchId: batch, eventTime, stateOperators, numInputRows, rows }) => {
    const max = timeOf(eventTime.max);
    if (!(max <= newest || Number.isNaN(max))) newest = max;
    const watermark = timeOf(eventTime.watermark) || NaN;
    const windows = stateOperators[0]?.numRowsTotal ?? 0;
    const behind = (newest - watermark) / 1000;
    const counts = { rows: numInputRows, late: rows.late };
    return { batch, newest, watermark, behind, windows, name, color, ...counts };
  });
}

/** Most batches that a chart draws: more are narrower than its pixels, and make a page of many MB. */
const MOST_DRAWN = 400;

/** Of how many batches one is drawn. */
function stepOf(series: readonly (readonly unknown[])[]): number {
  return Math.max(1, Math.ceil(greatest(series.map(({ length }) => length)) / MOST_DRAWN));
}

/** Returns every so manieth batch, and the last. */
function drawn<T extends { batch: number }>(batches: readonly T[], step: number): T[] {
  return batches.filter(({ batch }, i) => batch % step === 0 || i === batches.length - 1);
}

function someDrawn(step: number): string {
  return step === 1 ? "" : ` One batch of ${step} is drawn.`;
}

/** Says what `says` tells of each batch that is drawn, in all series, over the whole height of a chart. */
function batchTitles<T extends { batch: number }>(
  series: readonly (readonly T[])[],
  says: (batches: T[]) => string,
  { step, end = greatest(series.flat().map(({ batch }) => batch)) }: { step: number; end?: number },
) {
  const byBatch = Map.groupBy(series.flat(), ({ batch }) => batch);
  const batches = [...byBatch.keys()].sort((a, b) => a - b);
  return Plot.rect(batches, {
    ...HIT,
    x1: (batch: number) => batch,
    x2: (batch: number) => Math.min(batch + step, end),
    title: (batch: number) => `batch ${batch}: ${says(byBatch.get(batch)!)}`,
  });
}

/** An instant in words. */
function at(time: number): string {
  return Number.isNaN(time) ? "–" : clock(time, 8);
}

/** Names each series at its last point, in their order from the top and never on one another. */
function endLabels(ends: readonly Readonly<{ batch: number; y: number; name: string }>[]) {
  const at = { x: "batch", y: "y", text: "name" };
  const look = { ...at, textAnchor: "start", dx: 8, fontWeight: 600 } as const;
  return ends.toSorted((a, b) => b.y - a.y).map((end, i) =>
    Plot.text([end], { ...look, dy: (i - (ends.length - 1) / 2) * 12 })
  );
}

function points(rows: DataFrame): { batch: number; y: number }[] {
  const batches = rows.getColumn("batch_id").toArray().map(Number);
  return rows.getColumn("event_time").toArray().map((y, i) => ({
    batch: batches[i]!,
    y: Number(y),
  }));
}

/** Spreads the rows of a batch over its width by the golden ratio: even, and the same each time. */
function spread(rows: readonly { batch: number; y: number }[]) {
  return rows.map(({ batch, y }, i) => ({ x: batch + i * 0.6180339887 % 1, y }));
}
