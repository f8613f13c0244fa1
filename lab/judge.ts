import pl, { type DataFrame } from "polars";
import { many } from "../view/display.ts";
import { wilson } from "../view/statistics.ts";
import { doubles } from "../lib/windows/frame.ts";
import type { ScoredRows } from "./scored_rows.ts";
import { tableOf } from "./numbers.ts";

/**
 * Adds to a table of KPIs the 95% interval (Wilson) of each precision and recall, and the column
 * `few`, which names what rests on too few alerts or frauds: its interval is wider than `width`, or
 * there is none.
 */
export function judgeWindows(kpi: DataFrame, { width = 0.4 }: { width?: number } = {}): DataFrame {
  const tp = numbers(kpi, "tp");
  const shares = Object.entries({ precision: "n_alert", recall: "n_fraud_true" })
    .map(([name, of]) => {
      const trials = numbers(kpi, of);
      return { name, trials, intervals: trials.map((n, i) => wilson(tp[i]!, n)) };
    });
  const columns = shares.flatMap(({ name, intervals }) =>
    (["low", "high"] as const).map((end) =>
      doubles(`${name}_${end}`, intervals.map((interval) => interval?.[end] ?? null))
    )
  );
  const marks = tp.map((_, i) =>
    shares.flatMap(({ name, trials, intervals }) => {
      const { low, high } = intervals[i] ?? { low: 0, high: 1 };
      return high - low > width ? [many(trials[i]!, name === "recall" ? "fraud" : "alert")] : [];
    }).join(", ")
  );
  return kpi.withColumns(...columns, pl.Series("few", marks, pl.Utf8));
}

/**
 * Returns what each threshold from 0.01 to 0.99 would give on the rows: alerts, alerts a minute of
 * the rows' own clock (see `pace`), and precision and recall with their 95% intervals. Rows without an
 * event time do not count, late ones do.
 */
export function thresholdCurve({ eventTime, probability, label, pace = 1 }: ScoredRows): DataFrame {
  const minutes = new Set<number>();
  // By the greatest threshold at which a row is an alert, from 0 for none to 100 for any; NaN is one.
  const [alerts, hits] = [new Float64Array(101), new Float64Array(101)];
  let frauds = 0;
  eventTime.forEach((time, row) => {
    if (Number.isNaN(time)) return;
    minutes.add(Math.floor(time / 60_000));
    const score = probability[row]!;
    let step = Number.isNaN(score) ? 100 : Math.min(100, Math.max(0, Math.ceil(score * 100)));
    if (score < step / 100) step--;
    alerts[step]!++;
    if (label[row] !== 1) return;
    frauds++;
    hits[step]!++;
  });
  let [n, tp] = [alerts[100]!, hits[100]!];
  const rows = [];
  for (let step = 99; step > 0; step--) {
    n += alerts[step]!;
    tp += hits[step]!;
    const [precision, recall] = [wilson(tp, n), wilson(tp, frauds)];
    rows.push({
      threshold: step / 100,
      n_alert: n,
      tp,
      alerts_a_minute: n / (minutes.size * pace),
      precision: n > 0 ? tp / n : null,
      precision_low: precision?.low ?? null,
      precision_high: precision?.high ?? null,
      recall: frauds > 0 ? tp / frauds : null,
      recall_low: recall?.low ?? null,
      recall_high: recall?.high ?? null,
    });
  }
  return tableOf(rows.reverse());
}

function numbers(frame: DataFrame, name: string): number[] {
  return frame.getColumn(name).toArray().map(Number);
}
