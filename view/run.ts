import type { DataFrame } from "polars";
import type { RowAccounting, SourceProgress, StreamingQueryProgress, WindowSpec } from "lib";
import { timeOf } from "../lib/core/time.ts";
import { count, percent } from "./display.ts";
import { greatest } from "./statistics.ts";

/** The groups of a run that counts by further fields: a window and a value of each key. */
export interface Keyed {
  readonly keys: readonly string[];
  /** As `Run`'s, a row a group. */
  readonly kpi: DataFrame;
  readonly open: DataFrame;
}

/** One run of the KPI query under one watermark: all that tables, charts and texts read. */
export interface Run {
  /** The delay as the query was given it, such as "30 seconds". */
  readonly watermark: string;
  /** Its place among the runs, from 0: its colour. */
  readonly position: number;
  readonly window: WindowSpec;
  /** How it was cut short, such as "after 3,000 of 60,000 rows"; absent if it was not. */
  readonly interrupted?: string;
  /** The final windows, in the columns of the KPI table. */
  readonly kpi: DataFrame;
  /** The windows still open when the run ended, in the same columns. */
  readonly open: DataFrame;
  /** What `kpi` and `open` are the sums of, if the query has keys. */
  readonly keyed?: Keyed;
  /** One entry a batch, in the order they ran. */
  readonly progress: readonly StreamingQueryProgress[];
  /** The rows dropped as late from all of their windows: window_start, event_time, batch_id. */
  readonly late: DataFrame;
  /** The alerts and frauds, as `alertsAndFrauds` keeps them; absent if they were not kept. */
  readonly alerts?: DataFrame;
  /** Some of the rows read: event_time and batch_id. */
  readonly events?: DataFrame;
}

/** Names a run: its watermark, and whether it is only part of a run. */
export function nameOf({ watermark, interrupted }: Run): string {
  return interrupted === undefined ? watermark : `${watermark} (interrupted ${interrupted})`;
}

/**
 * Returns what became of all rows. Where windows overlap, a row counts once in each of its windows;
 * `messages` counts it once.
 */
export function totalsOf({ progress }: Run): RowAccounting["total"] & { messages: number } {
  const none = { read: 0, counted: 0, late: 0, rejected: 0, open: 0 };
  const { rows: { total = none } = {}, sources = [] } = progress.at(-1) ?? {};
  const first = progress[0]?.sources ?? [];
  return { ...total, messages: position(sources, "endOffset") - position(first, "startOffset") };
}

/**
 * Says what share of the rows that could be lost was lost: a row of a window that is still open could
 * not be, so they are those of final windows, counted or late.
 */
export function lossOf(run: Run): { readonly share: number; readonly words: string } {
  const { late, counted } = totalsOf(run);
  const share = late / (late + counted);
  const unit = isOverlapping(run) ? "counts of a row in a window" : "rows of final windows";
  const words = late + counted === 0
    ? `0 ${unit}`
    : `${count(late)} of ${count(late + counted)} ${unit} (${percent(share)})`;
  return { share, words };
}

/** Returns the starts, epoch ms, of the windows that are final in every run. */
export function commonStarts(runs: readonly Run[]): ReadonlySet<number> {
  const starts = runs.map(({ kpi }) =>
    new Set(kpi.getColumn("window_start").toArray().map(Number))
  );
  return starts.length === 0 ? new Set() : starts.reduce((all, own) => all.intersection(own));
}

/** Says in which windows runs are compared: those that are final in each of them. */
export function finalIn(runs: readonly Run[]): string {
  const { size } = commonStarts(runs);
  const [number, are] = size === 1 ? ["", "is"] : [`${count(size)} `, "are"];
  return runs.length > 1
    ? `in the ${number}window${size === 1 ? "" : "s"} that ${are} final under every watermark`
    : `in the ${number}final window${size === 1 ? "" : "s"}`;
}

/** Says that there is no such window. */
export function noneFinal(runs: readonly Run[]): string {
  return `No window is final${runs.length > 1 ? " under every watermark" : ""}`;
}

/** Whether a row is in more than one window. */
export function isOverlapping({ window: { size, slide } }: Pick<Run, "window">): boolean {
  return slide < size;
}

/**
 * Returns whether the window that ends at `end` (epoch ms) became final, and the newest event time then;
 * for a window still open, that at the end of the run.
 */
export function closingOf({ progress }: Run, end: number): { isFinal: boolean; at: number } {
  const closing = progress.findIndex((p) => timeOf(p.eventTime.watermark) >= end);
  const seen = progress.slice(0, closing < 0 ? undefined : closing + 1);
  const at = greatest(seen.map(({ eventTime }) => timeOf(eventTime.max) || 0));
  return { isFinal: closing >= 0, at };
}

/** Returns the offsets of all sources and partitions added up: how many rows into the topic they are. */
export function position(
  sources: readonly SourceProgress[],
  name: "startOffset" | "endOffset" | "latestOffset",
): number {
  const offsets = sources.flatMap((source) => Object.values(source[name]));
  return offsets.flatMap(Object.values<number>).reduce((sum, offset) => sum + offset, 0);
}
