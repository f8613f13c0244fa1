import { lastWindowStart } from "lib";
import { timeOf } from "../lib/core/time.ts";
import { isClosed, windowsPerRow } from "../lib/windows/window.ts";
import pl, { type DataFrame } from "polars";
import { isOverlapping, type Run } from "./run.ts";

/** The counts of a window that have rows to show. */
export const KINDS = ["tp", "fp", "fn"] as const;
export type Kind = typeof KINDS[number];

/** An alert or a fraud that a run kept. */
export interface KeptRow {
  readonly partition: string;
  readonly offset: number;
  /** Epoch ms; NaN if the row has none, and so is in no window. */
  readonly time: number;
  /** The start of its window, in windows that overlap of the last one, epoch ms. */
  readonly start: number;
  /** NaN if the row has none. */
  readonly amount: number;
  readonly probability: number;
  /** 1 is a fraud, 0 is none, anything else is unknown. */
  readonly label: number;
  readonly isAlert: boolean;
  /** `undefined` for an alert whose label is unknown. */
  readonly kind: Kind | undefined;
  readonly outcome: "counted" | "late" | "rejected";
  /** The starts, epoch ms, of the windows that it is counted in, and of those that were closed by then. */
  readonly counted: readonly number[];
  readonly closed: readonly number[];
}

/** Returns the alerts and frauds that a run kept, in the order of their windows. */
export function keptRows({ alerts, window, progress }: Run): KeptRow[] {
  // A row is late by the watermark of the batch before its own.
  const marks = progress.map(({ eventTime }) => timeOf(eventTime.watermark) || 0);
  const lateMark = new Map(progress.flatMap(({ batchId }, i) => {
    const isKnown = batchId === (progress[i - 1]?.batchId ?? -1) + 1; // a crash may come before the note of a batch
    return isKnown ? [[batchId, marks[i - 1] ?? 0]] : [];
  }));
  const rows = (alerts?.toRecords() ?? []).map((row): KeptRow => {
    const number = (name: string) => Number(row[name] ?? NaN);
    const [time, label, isAlert] = [number("event_time"), number("Class"), row.is_alert === 1];
    const start = lastWindowStart(time, window);
    const starts = Array.from({ length: windowsPerRow(window) }, (_, k) => start - k * window.slide)
      .filter((start) => time < start + window.size);
    const mark = lateMark.get(number("batch_id"));
    const isOpen = (start: number) =>
      mark === undefined ? row.outcome !== "late" : !isClosed(start + window.size, mark);
    return {
      partition: String(row.partition),
      offset: number("offset"),
      time,
      start,
      amount: number("Amount"),
      probability: number("fraud_prob"),
      label,
      isAlert,
      kind: label === 1 ? (isAlert ? "tp" : "fn") : isAlert && label === 0 ? "fp" : undefined,
      outcome: row.outcome as KeptRow["outcome"],
      counted: starts.filter(isOpen),
      closed: starts.filter((start) => !isOpen(start)),
    };
  });
  return rows.sort((a, b) =>
    a.start - b.start || a.time - b.time || a.partition.localeCompare(b.partition) ||
    a.offset - b.offset
  );
}

/** Says where the rows kept are not those that the tables count; nothing if they are. */
export function wrongRows(run: Run): string[] {
  if (!run.alerts) return [];
  const rows = keptRows(run);
  const found = new Map<string, number>();
  const add = (key: string) => found.set(key, (found.get(key) ?? 0) + 1);
  for (const { kind, isAlert, counted } of rows) {
    for (const start of counted) {
      if (kind) add(`${kind} ${start}`);
      if (isAlert) add(`n_alert ${start}`);
    }
  }
  const problems = [run.kpi, run.open].flatMap((table) =>
    table.toRecords().flatMap((window) =>
      [...KINDS, "n_alert"].flatMap((name) => {
        const start = window.window_start as unknown as Date;
        const [says, kept] = [Number(window[name]), found.get(`${name} ${Number(start)}`) ?? 0];
        return says === kept
          ? []
          : [`window ${start.toISOString()} counts ${name} ${says}, and ${kept} rows were kept`];
      })
    )
  );
  problems.push(...wrongKeys(run));
  const { alerts, open, final, late, rejected } = alertsOf(run);
  if (alerts !== final + open + late + rejected) {
    problems.push(
      `${alerts} alerts kept, and ${final} final + ${open} open + ${late} late + ${rejected} rejected`,
    );
  }
  return problems;
}

/** Says which keys count other alerts than were kept of them; a row in several windows is left to the windows. */
function wrongKeys(run: Run): string[] {
  const { keyed, alerts } = run;
  if (!keyed || !alerts || alerts.height === 0 || isOverlapping(run)) return [];
  const { keys } = keyed;
  const kept = alerts.filter(pl.col("outcome").eq(pl.lit("counted")).and(pl.col("is_alert").eq(1)))
    .groupBy(...keys).agg(pl.len().cast(pl.Int64).alias("n_alert"));
  const counted = pl.concat(
    [keyed.kpi, keyed.open].map((table) => table.select(...keys, "n_alert")),
  )
    .groupBy(...keys).agg(pl.col("n_alert").sum());
  const textOf = (table: DataFrame) =>
    table.filter(pl.col("n_alert").gt(0)).rows().map((row) => row.map(String).join(" · ")).sort();
  const [says, found] = [new Set(textOf(counted)), new Set(textOf(kept))];
  const wrong = [...says.symmetricDifference(found)];
  return wrong.length === 0 ? [] : [
    `by ${keys.join(", ")}: alerts are counted or kept, not both: ${wrong.slice(0, 3).join(", ")}`,
  ];
}

/**
 * Counts the alerts that were kept, and where they are: in final windows, in open ones, late, or without
 * an event time. Where windows overlap, an alert counts once in each of its windows.
 */
export function alertsOf(run: Run) {
  const alerts = keptRows(run).filter(({ isAlert }) => isAlert);
  const sum = (table: Run["kpi"]) => Number(table.getColumn("n_alert").sum() ?? 0);
  const rejected = alerts.filter(({ outcome }) => outcome === "rejected").length;
  const late = alerts.reduce((sum, { closed }) => sum + closed.length, 0);
  return {
    alerts: alerts.reduce((sum, { counted, closed }) => sum + counted.length + closed.length, 0) +
      rejected,
    final: sum(run.kpi),
    open: sum(run.open),
    late,
    rejected,
  };
}
