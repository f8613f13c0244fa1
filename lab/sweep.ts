import type { DataFrame } from "polars";
import { lastWindowStart, type WindowSpec } from "lib";
import { windowsPerRow } from "../lib/windows/window.ts";
import { median } from "../view/statistics.ts";
import { greatest, tableOf } from "./numbers.ts";
import type { ScoredRows } from "./scored_rows.ts";

/** The counts of a window, in the order in which the sweep keeps them. */
export const COUNTS = ["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"] as const;
export type Count = (typeof COUNTS)[number];

export interface SweepOptions {
  readonly window: WindowSpec;
  /** A row is an alert from this probability on. */
  readonly threshold: number;
  /** In ms, ascending; 0 to 10 minutes by the second if absent. */
  readonly delays?: Float64Array;
}

/** What each window is, whatever the delay, and what it loses at each. */
export interface SweptWindows {
  /** Window starts, epoch ms, ascending; shape [w]. */
  readonly start: Float64Array;
  /** The first batch with rows of the window; shape [w]. */
  readonly firstBatch: Int32Array;
  /** The batch in which event time reaches the window's end; as many as there are if none does. [w] */
  readonly endBatch: Int32Array;
  /** Of all rows; shape [w] each. */
  readonly all: Readonly<Record<Count, Int32Array>>;
  /** Of the rows lost; shape [w, d] each, delays next to each other. */
  readonly lost: Readonly<Record<Count, Int32Array>>;
  /** The batch that makes the window final; -1 if none does or if nothing of it is left. [w, d] */
  readonly finalBatch: Int32Array;
}

/** Every watermark at once. */
export interface Sweep {
  readonly window: WindowSpec;
  /** In ms; shape [d]. */
  readonly delays: Float64Array;
  /** The newest event time once batch k is read, epoch ms and at least 0; shape [batches]. */
  readonly newest: Float64Array;
  readonly windows: SweptWindows;
  /** As in the rows. */
  readonly pace: number;
  /** One row a delay. In sliding windows a row counts once for each window it is in. */
  readonly table: DataFrame;
}

const DELAYS = Float64Array.from({ length: 601 }, (_, i) => i * 1000);

/**
 * Computes what a query would do at every delay, from rows read once: exactly what the engine does
 * with a backlog in the same batches (`available-now`, append).
 *
 * Batch k knows of the rows up to batch k - 1, and drops by what batch k - 1 knew:
 *
 * ```text
 * // a window's end <= newest[k - 2] - delay   its rows in batch k are late
 * // a window's end <= newest[k - 1] - delay   batch k makes it final
 * ```
 *
 * So the rows of a window that batch k reads are lost at exactly the delays up to
 * newest[k - 2] - end: one number, which rises with k. A batch without data may follow the last.
 */
export function sweep(rows: ScoredRows, options: SweepOptions): Sweep {
  const { window, threshold, delays = DELAYS } = options;
  const newest = newestEventTimes(rows);
  const cells = cellsOf(rows, { window, threshold });
  const starts = Float64Array.from(cells.keys()).sort();
  const matrix = () => new Int32Array(starts.length * delays.length);
  const windows = {
    start: starts,
    firstBatch: new Int32Array(starts.length),
    endBatch: new Int32Array(starts.length),
    all: eachCount(() => new Int32Array(starts.length)),
    lost: eachCount(matrix),
    finalBatch: matrix(),
  };
  starts.forEach((start, w) => {
    const end = start + window.size;
    const batches = [...cells.get(start)!].sort(([a], [b]) => a - b);
    windows.firstBatch[w] = batches[0]![0];
    windows.endBatch[w] = (newest.findIndex((time) => time >= end) + 1 || newest.length + 1) - 1;
    let cut = 0; // delays below it lose the cell
    for (const [batch, counts] of batches) {
      const lostUpTo = end <= 0 ? Infinity : (newest[batch - 2] ?? 0) - end;
      while (cut < delays.length && delays[cut]! <= lostUpTo) cut++;
      COUNTS.forEach((name, c) => {
        windows.all[name][w]! += counts[c]!;
        const lost = windows.lost[name].subarray(w * delays.length);
        for (let d = 0; d < cut; d++) lost[d]! += counts[c]!;
      });
    }
    for (let d = 0, batch = windows.endBatch[w]!; d < delays.length; d++) {
      while (batch < newest.length && newest[batch]! < end + delays[d]!) batch++;
      const at = w * delays.length + d;
      const isFinal = batch < newest.length && windows.lost.n_txn[at]! < windows.all.n_txn[w]!;
      windows.finalBatch[at] = isFinal ? batch + 1 : -1;
    }
  });
  const swept = { window, delays, newest, windows, pace: rows.pace ?? 1 };
  return { ...swept, table: tableOf(Array.from(delays, (_, d) => rowOf(swept, d))) };
}

/** Returns the newest event time after each batch. A null counts as 0, as in the engine. */
export function newestEventTimes({ batches, batch, eventTime }: ScoredRows): Float64Array {
  const newest = new Float64Array(batches);
  batch.forEach((k, row) => {
    if (eventTime[row]! > newest[k]!) newest[k] = eventTime[row]!;
  });
  for (let k = 1; k < batches; k++) newest[k] = Math.max(newest[k]!, newest[k - 1]!);
  return newest;
}

/** Counts the rows of each window and batch, as partial aggregates do. */
function cellsOf(
  { batch, eventTime, probability, label }: ScoredRows,
  { window, threshold }: Pick<SweepOptions, "window" | "threshold">,
): Map<number, Map<number, Int32Array>> {
  const cells = new Map<number, Map<number, Int32Array>>();
  for (let row = 0; row < batch.length; row++) {
    const time = eventTime[row]!;
    const isAlert = !(probability[row]! < threshold); // NaN is an alert, as in Spark
    const [isFraud, isNone] = [label[row] === 1, label[row] === 0];
    const [isTp, isFp, isFn] = [isAlert && isFraud, isAlert && isNone, !isAlert && isFraud];
    const is = [true, isAlert, isFraud, isTp, isFp, isFn]; // as COUNTS
    for (let k = 0; k < windowsPerRow(window); k++) {
      const start = lastWindowStart(time, window) - k * window.slide;
      if (!(time < start + window.size)) continue;
      const ofWindow = cells.get(start) ?? new Map<number, Int32Array>();
      const counts = ofWindow.get(batch[row]!) ?? new Int32Array(COUNTS.length);
      cells.set(start, ofWindow.set(batch[row]!, counts));
      for (let c = 0; c < counts.length; c++) if (is[c]) counts[c]!++;
    }
  }
  return cells;
}

function eachCount<T>(make: (name: Count) => T): Record<Count, T> {
  return Object.fromEntries(COUNTS.map((name) => [name, make(name)])) as Record<Count, T>;
}

/** Sums up what one delay does. */
function rowOf({ window, delays, newest, windows }: Omit<Sweep, "table">, d: number) {
  const { start, all, lost, firstBatch, endBatch, finalBatch } = windows;
  const delay = delays[d]!;
  const last = newest.length - 1;
  const mark = (batch: number) => Math.max(0, (newest[batch] ?? 0) - delay);
  // Data waits until the last batch, so a batch without data can only come after it.
  const batches = newest.length + Number(mark(last) > mark(last - 1));
  const opened = new Int32Array(batches + 1);
  const kept = eachCount(() => 0);
  const [waits, batchWaits]: [number[], number[]] = [[], []];
  const closed = new Int32Array(batches);
  let [windowsLost, windowsChanged, worst, rowsFinal] = [0, 0, 0, 0];
  for (let w = 0; w < start.length; w++) {
    const at = w * delays.length + d;
    for (const name of COUNTS) kept[name] += all[name][w]! - lost[name][at]!;
    const rowsLost = lost.n_txn[at]!;
    worst = Math.max(worst, rowsLost / all.n_txn[w]!);
    if (rowsLost > 0) windowsChanged++;
    const final = finalBatch[at]!;
    if (final >= 0 || rowsLost > 0) rowsFinal += all.n_txn[w]!;
    if (rowsLost === all.n_txn[w]!) {
      windowsLost++;
      continue;
    }
    opened[firstBatch[w]!]!++;
    opened[final < 0 ? batches : final]!--;
    if (final < 0) continue;
    closed[final]!++;
    waits.push((newest[Math.min(final, last)]! - start[w]! - window.size) / 1000);
    batchWaits.push(final - endBatch[w]!);
  }
  const open = opened.subarray(0, batches).map(((sum) => (change) => sum += change)(0));
  const total = (name: Count) => all[name].reduce((sum, n) => sum + n, 0);
  return {
    delay_s: delay / 1000,
    rows_lost: total("n_txn") - kept.n_txn,
    rows_final: rowsFinal,
    loss: (total("n_txn") - kept.n_txn) / rowsFinal,
    windows_lost: windowsLost,
    windows_changed: windowsChanged,
    worst_window: worst,
    alerts_lost: total("n_alert") - kept.n_alert,
    frauds_lost: total("n_fraud_true") - kept.n_fraud_true,
    precision: kept.n_alert > 0 ? kept.tp / kept.n_alert : null,
    recall: kept.n_fraud_true > 0 ? kept.tp / kept.n_fraud_true : null,
    windows_final: waits.length,
    wait_s: median(waits),
    wait_max_s: greatest(waits),
    wait_batches: median(batchWaits),
    batches,
    open_max: greatest(open.map((after, batch) => after + closed[batch]!)) ?? 0,
    open_mean: open.reduce((sum, n) => sum + n, 0) / batches,
  };
}
