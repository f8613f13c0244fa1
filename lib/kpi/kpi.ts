import pl, { type Expr } from "polars";
import { type Aggregate, count, countIf, sum } from "../windows/functions.ts";
import type { Sink } from "../core/types.ts";
import type { KeptRows } from "../options.ts";
import type { ResultStream, RowStream } from "../verbs/stream.ts";

/** Returns `is_alert`: 1 where `fraud_prob >= threshold`, else 0. NaN is an alert, as in Spark. */
export function isAlert(threshold: number): Expr {
  const alert = pl.col("fraud_prob").gtEq(threshold);
  const flag = pl.when(alert).then(pl.lit(1)).otherwise(pl.lit(0)).cast(pl.Int32);
  return flag.alias("is_alert");
}

/** The alerts and frauds of the KPI query, with its keys, to be kept by `writeStream`'s option `rows`. */
export function alertsAndFrauds(sink: Sink, keys: readonly string[] = []): KeptRows {
  return {
    where: pl.col("is_alert").eq(1).or(pl.col("Class").eq(1)),
    columns: [...keys, "Amount", "fraud_prob", "Class", "is_alert"],
    sink,
  };
}

/** Counts of transactions, alerts and frauds. A Class other than 0 or 1 is neither fraud nor fp. */
export function kpiAggregates(): Record<string, Aggregate> {
  const alert = pl.col("is_alert").eq(1);
  const fraud = pl.col("Class").eq(1);
  return {
    n_txn: count(),
    n_alert: sum("is_alert"),
    n_fraud_true: countIf(fraud),
    tp: countIf(alert.and(fraud)),
    fp: countIf(alert.and(pl.col("Class").eq(0))),
    fn: countIf(pl.col("is_alert").eq(0).and(fraud)),
  };
}

/** Returns `part / whole` as a double, null where `whole` is 0. */
export function ratio(part: string, whole: string, name: string): Expr {
  const quotient = pl.col(part).cast(pl.Float64).div(pl.col(whole).cast(pl.Float64));
  return pl.when(pl.col(whole).gt(0)).then(quotient).otherwise(pl.lit(null)).alias(name);
}

/** How the KPIs are windowed; durations as text. */
export interface KpiOptions {
  readonly watermark: string;
  readonly window: string;
  readonly slide?: string | undefined;
  /** Count by these columns too. */
  readonly keys?: readonly string[] | undefined;
  readonly maxAhead?: string | undefined;
}

/**
 * Counts transactions, alerts and frauds by window, with the precision (tp / n_alert) and recall
 * (tp / n_fraud_true) of the alerts. `rows` needs event_time, Class and is_alert. The column
 * `watermark` is the delay, as text.
 */
export function windowKpis(
  rows: RowStream,
  { watermark, window, keys = [], slide, maxAhead }: KpiOptions,
): ResultStream {
  const aggregates = kpiAggregates();
  return rows
    .withWatermark("event_time", watermark, { maxAhead })
    .groupByWindow("event_time", window, { keys, slide })
    .agg(aggregates)
    .withColumns(
      ratio("tp", "n_alert", "precision"),
      ratio("tp", "n_fraud_true", "recall"),
      pl.lit(watermark).alias("watermark"),
    )
    .select(
      "window_start",
      "window_end",
      ...keys,
      "watermark",
      ...Object.keys(aggregates),
      "precision",
      "recall",
    );
}
