import { lastWindowStart, type WindowSpec } from "lib";
import { windowsPerRow } from "../lib/windows/window.ts";
import type { TracedRows } from "./scored_rows.ts";
import { newestEventTimes } from "./sweep.ts";

/**
 * What a page needs to count any delay and any threshold by itself: plain numbers, so that it can be
 * written into the page. Times are epoch ms.
 */
export interface WhatIfData {
  /** Window size. */
  readonly size: number;
  /** From one window's start to the next one's; a row counts once in each of its windows. */
  readonly slide: number;
  /** The newest event time once batch k is read; [batches]. */
  readonly newest: readonly number[];
  /** Window starts, ascending; [w]. */
  readonly starts: readonly number[];
  /** Windows of the topic that are left out, to keep the page small. */
  readonly windowsLeftOut: number;
  /** What batch `batch` reads of window `window` (an index): its rows; [c] each. */
  readonly cells: Readonly<Record<"window" | "batch" | "rows", readonly number[]>>;
  /** The share of the rows of final windows that a delay of so many seconds loses; [601]. */
  readonly losses: readonly number[];
  /** The smallest threshold, a whole number of hundredths, for which `rows` has all that is needed. */
  readonly least: number;
  /**
   * The rows that are an alert at some threshold from `least` on, or a fraud: the cell (an index), what
   * the model says (-1 for NaN, which is always an alert), the label as in `TracedRows`, the amount
   * (null if there is none), the ms since its window's start, and where the row is; [r] each.
   */
  readonly rows:
    & Readonly<
      Record<"cell" | "probability" | "label" | "after" | "partition" | "offset", readonly number[]>
    >
    & { readonly amount: readonly (number | null)[] };
}

/** One position of the two sliders. */
export interface Setting {
  /** In ms. */
  readonly delay: number;
  /** A row is an alert from this probability on. */
  readonly threshold: number;
}

/**
 * Most rows that a page carries, 40 bytes each, most windows, which a move draws anew in a few
 * hundredths of a second, and most cells, 15 bytes each, of which small batches make many.
 */
const MAX = { rows: 6_000, windows: 120, cells: 15_000 } as const;

/**
 * Collects what `whatIf` needs. Of a topic with more than a page carries, it takes the thresholds from a
 * greater `least` on, then the first windows only; none if already the first has too much.
 */
export function whatIfData(scored: TracedRows, { window }: { window: WindowSpec }): WhatIfData {
  const { batch, eventTime, probability, label } = scored;
  const byWindow = new Map<number, Map<number, number[]>>();
  for (let row = 0; row < batch.length; row++) {
    for (let k = 0; k < windowsPerRow(window); k++) {
      const start = lastWindowStart(eventTime[row]!, window) - k * window.slide;
      if (!(eventTime[row]! < start + window.size)) continue;
      const cells = byWindow.getOrInsertComputed(start, () => new Map());
      cells.getOrInsertComputed(batch[row]!, () => []).push(row);
    }
  }
  const cells: Record<keyof WhatIfData["cells"], number[]> = { window: [], batch: [], rows: [] };
  let wanted: { readonly row: number; readonly cell: number }[] = [];
  const starts: number[] = [];
  const isWanted = (row: number, least: number) => !(probability[row]! < least) || label[row] === 1;
  for (const [start, batches] of [...byWindow].sort(([a], [b]) => a - b)) {
    if (starts.length === MAX.windows || cells.rows.length + batches.size > MAX.cells) break;
    for (const [k, rows] of [...batches].sort(([a], [b]) => a - b)) {
      const cell = cells.window.push(starts.length) - 1;
      cells.batch.push(k);
      cells.rows.push(rows.length);
      for (const row of rows) if (isWanted(row, 0.01)) wanted.push({ row, cell });
    }
    starts.push(start);
  }
  let least = 1; // in hundredths
  while (wanted.length > MAX.rows && least < 99) {
    least++;
    wanted = wanted.filter(({ row }) => isWanted(row, least / 100));
  }
  while (wanted.length > MAX.rows) {
    starts.pop();
    const left = cells.window.indexOf(starts.length);
    for (const column of Object.values(cells)) column.length = left;
    wanted = wanted.filter(({ cell }) => cell < left);
  }
  const column = (values: ArrayLike<number>) => wanted.map(({ row }) => values[row]!);
  const data = {
    size: window.size,
    slide: window.slide,
    newest: [...newestEventTimes(scored)],
    starts,
    windowsLeftOut: byWindow.size - starts.length,
    cells,
    least: least / 100,
    rows: {
      cell: wanted.map(({ cell }) => cell),
      probability: column(probability).map((value) =>
        Number.isNaN(value) ? -1 : Number(value.toPrecision(9)) // a float32 has no more
      ),
      label: column(label),
      amount: column(scored.amount).map((value) => Number.isNaN(value) ? null : value),
      after: wanted.map(({ row, cell }) => eventTime[row]! - starts[cells.window[cell]!]!),
      partition: column(scored.partition),
      offset: column(scored.offset),
    },
  };
  const losses = Array.from({ length: 601 }, (_, second) => {
    const { lost, n_txn } =
      whatIf({ ...data, losses: [] }, { delay: 1000 * second, threshold: 1 }).final;
    return lost > 0 ? Number((lost / (lost + n_txn)).toPrecision(6)) : 0;
  });
  return { ...data, losses };
}

/** What a window comes to, or all final windows together; amounts in the unit of the data. */
export type Counts = Record<
  | "n_txn"
  | "n_alert"
  | "n_fraud_true"
  | "tp"
  | "fp"
  | "fn"
  | "caught"
  | "stopped"
  | "missed"
  | "no_amount"
  | "lost"
  | "alerts_lost"
  | "frauds_lost",
  number
>;

/** What a query would do at one setting. */
export interface Outcome {
  /** The windows of `starts`; `wait` is how far (ms) event time was past the end when it was written. */
  readonly windows: readonly (Counts & { readonly wait: number | null })[];
  /** Over the windows that are final, and those of which nothing is left. */
  readonly final: Counts;
  /** The same for the thresholds 0.01, 0.02, … 0.99 at this delay; [99] each. */
  readonly byThreshold: Readonly<Record<"n_alert" | "tp", readonly number[]>>;
  /** The rows of a window that are a true or false positive or a false negative, as indexes. */
  readonly rowsOf: (window: number, kind: "tp" | "fp" | "fn") => readonly number[];
}

/**
 * Counts what a query would do at a setting, with the rules of `sweep`. It uses nothing outside itself:
 * its source is written into the page.
 */
export function whatIf(data: WhatIfData, { delay, threshold }: Setting): Outcome {
  const { size, newest, starts, cells, rows } = data;
  const none = () => ({
    n_txn: 0,
    n_alert: 0,
    n_fraud_true: 0,
    tp: 0,
    fp: 0,
    fn: 0,
    caught: 0,
    stopped: 0,
    missed: 0,
    no_amount: 0,
    lost: 0,
    alerts_lost: 0,
    frauds_lost: 0,
  });
  const windows = starts.map(none);
  const isLost = cells.batch.map((batch, c) => {
    const end = starts[cells.window[c]!]! + size;
    return end <= 0 || delay <= (newest[batch - 2] ?? 0) - end;
  });
  cells.rows.forEach((n, c) => windows[cells.window[c]!]![isLost[c] ? "lost" : "n_txn"] += n);
  const kindOf = (row: number): "tp" | "fp" | "fn" | "alert" | undefined => {
    const [probability, label] = [rows.probability[row]!, rows.label[row]!];
    const isAlert = probability < 0 || probability >= threshold;
    if (label === 1) return isAlert ? "tp" : "fn";
    return !isAlert ? undefined : label === 0 ? "fp" : "alert";
  };
  const money = { tp: "caught", fp: "stopped", fn: "missed" } as const;
  rows.cell.forEach((cell, row) => {
    const kind = kindOf(row);
    if (kind === undefined) return;
    const window = windows[cells.window[cell]!]!;
    if (kind !== "fn") window[isLost[cell] ? "alerts_lost" : "n_alert"]++;
    if (rows.label[row] === 1) window[isLost[cell] ? "frauds_lost" : "n_fraud_true"]++;
    if (isLost[cell] || kind === "alert") return;
    window[kind]++;
    const amount = rows.amount[row];
    if (amount == null) window.no_amount++;
    else window[money[kind]] += amount;
  });
  const final = none();
  const isFinal = windows.map(() => false);
  let closing = 0; // the batch that tells of the end of a window tells of those before it
  const waits = windows.map((window, w) => {
    const end = starts[w]! + size;
    while (closing < newest.length && newest[closing]! < end + delay) closing++;
    if (closing === newest.length) return null;
    isFinal[w] = true;
    for (const name of Object.keys(final) as (keyof Counts)[]) final[name] += window[name];
    if (window.n_txn === 0) return null;
    return newest[Math.min(closing + 1, newest.length - 1)]! - end;
  });
  const [n_alert, tp] = [new Array<number>(99).fill(0), new Array<number>(99).fill(0)];
  rows.cell.forEach((cell, row) => {
    if (isLost[cell] || !isFinal[cells.window[cell]!]) return;
    const probability = rows.probability[row]!;
    let step = probability < 0 ? 99 : Math.min(99, Math.floor(100 * probability) + 1);
    while (step > 0 && probability >= 0 && probability < step / 100) step--;
    if (step === 0) return; // else an alert up to the threshold step / 100
    n_alert[step - 1]!++;
    if (rows.label[row] === 1) tp[step - 1]!++;
  });
  for (let i = 97; i >= 0; i--) {
    n_alert[i]! += n_alert[i + 1]!;
    tp[i]! += tp[i + 1]!;
  }
  return {
    windows: windows.map((window, w) => ({ ...window, wait: waits[w]! })),
    final,
    byThreshold: { n_alert, tp },
    rowsOf: (window, kind) =>
      rows.cell.flatMap((cell, row) =>
        cells.window[cell] === window && !isLost[cell] && kindOf(row) === kind ? [row] : []
      ),
  };
}
