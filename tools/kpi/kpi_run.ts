import type { QueryStanding, StreamingQueryProgress } from "lib";
import type { KpiPlan } from "./kpi_options.ts";

/** What a run of `deno task kpi` came to; `--json` prints it. */
export interface ClosingRecord {
  /** `stopped` by a signal, after the running batch. */
  readonly outcome: "done" | "stopped";
  readonly seconds: number;
  /** Batches of this run, and the rows of results that they wrote. */
  readonly batches: number;
  readonly windowsWritten: number;
  /** Rows of this run that count, but for a field or for text behind them that could not be read. */
  readonly malformed: number;
  /** Of all runs of the checkpoint: read = counted + late + rejected + open; null before the first batch. */
  readonly rows: StreamingQueryProgress["rows"]["total"] | null;
  /** With keys a window counts once for each of their values, here and in `windowsWritten`. */
  readonly openWindows: number;
  readonly keys: readonly string[];
  readonly watermark: string | null;
  /** Messages that are there and have not been read. */
  readonly behind: number;
  /** Where the windows, the rows kept aside and the state are. */
  readonly sink: string;
  readonly rejected: string | null;
  readonly alerts: string | null;
  readonly provisional: string | null;
  readonly checkpoint: string;
}

/** Follows one run of the query. */
export class KpiRun {
  readonly #began = performance.now();
  #batches = 0;
  #rows = 0;
  #windows = 0;
  #malformed = 0;
  #last: { readonly progress: StreamingQueryProgress; readonly at: number } | undefined;

  add(progress: StreamingQueryProgress): void {
    this.#batches++;
    this.#rows += progress.numInputRows;
    this.#windows += progress.sink.numOutputRows;
    this.#malformed += progress.rows.malformed;
    this.#last = { progress, at: performance.now() };
  }

  /** How far the query is: the fields of a status line, the most important first. */
  status(): string[] {
    if (this.#last === undefined) {
      return [`kpi: batch 0 has run for ${secondsSince(this.#began)} s`];
    }
    const { progress: { batchId, eventTime, rows: { total }, stateOperators }, at } = this.#last;
    const rate = Math.round(this.#rows / ((at - this.#began) / 1000));
    const watermark = eventTime.watermark?.replace(/\.\d+Z$/, "");
    return [
      `${total.read} rows`,
      `${rate}/s`,
      `behind ${behind(this.#last.progress)}`,
      `watermark ${watermark}`,
      `late ${total.late}`,
      `rejected ${total.rejected}`,
      `batch ${batchId}`,
      `open ${stateOperators[0]!.numRowsTotal}`,
    ];
  }

  /** What it came to. */
  closing(
    { spec: { keys = [] }, sink, rejected, alerts, provisional, checkpoint }:
      & Pick<KpiPlan, "spec" | "sink" | "rejected" | "alerts" | "provisional">
      & { checkpoint: string },
    { nextBatchId, openGroups, rows, watermark }: QueryStanding,
    isStopped: boolean,
  ): ClosingRecord {
    const progress = this.#last?.progress;
    return {
      outcome: isStopped ? "stopped" : "done",
      seconds: Number(secondsSince(this.#began)),
      batches: this.#batches,
      windowsWritten: this.#windows,
      malformed: this.#malformed,
      rows: nextBatchId === 0 ? null : rows,
      openWindows: openGroups,
      keys,
      watermark: progress?.eventTime.watermark ?? watermark,
      behind: progress === undefined ? 0 : behind(progress),
      sink: sink.kind === "console" ? "console" : `${sink.kind}:${sink.path}`,
      rejected: rejected ?? null,
      alerts: alerts ?? null,
      provisional: provisional ?? null,
      checkpoint,
    };
  }
}

/** Tells a record in one line. */
export function closingLine(record: ClosingRecord): string {
  const {
    outcome,
    seconds,
    batches,
    rows,
    keys,
    openWindows,
    windowsWritten,
    malformed,
    sink,
    rejected,
    alerts,
    provisional,
  } = record;
  const { read = 0, counted = 0, late = 0, rejected: bad = 0, open = 0 } = rows ?? {};
  const aside = rejected === null ? "" : `, late and rejected rows kept in ${rejected}`;
  const kept = alerts === null ? "" : `, alerts and frauds kept in ${alerts}`;
  const early = provisional === null ? "" : `, those still open to ${provisional}`;
  const group = keys.length === 0 ? "window" : "group"; // a window and key
  return `kpi: ${outcome} in ${seconds} s, ${count(batches, "batch", "batches")}: ` +
    `${read} rows read = ${counted} counted + ${late} late + ${bad} rejected + ` +
    `${open} in ${count(openWindows, `open ${group}`)}; ` +
    `${count(windowsWritten, group)} written to ${sink}${early}${aside}${kept}` +
    (malformed > 0 ? `; ${count(malformed, "row")} malformed, but counted` : "");
}

function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** Messages between where the batch ended and the end of the topic as it was then. */
function behind({ sources: [source] }: StreamingQueryProgress): number {
  const sum = (offsets: Readonly<Record<string, Readonly<Record<string, number>>>>) =>
    Object.values(offsets).flatMap((of) => Object.values(of)).reduce((a, b) => a + b, 0);
  return sum(source!.latestOffset) - sum(source!.endOffset);
}

function secondsSince(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}
