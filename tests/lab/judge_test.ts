import { deepEqual, equal, ok } from "node:assert/strict";
import pl from "polars";
import { judgeWindows, type ScoredRows, seededRandom, thresholdCurve } from "../../lab/mod.ts";
import { tableOf } from "../../lab/numbers.ts";
import { plainRow } from "./engine.ts";

Deno.test("thresholdCurve() counts the alerts of each threshold as a filter does", () => {
  const random = seededRandom(11);
  const length = 3000;
  const scores = [0, 0.01, 0.29, 0.57, 0.58, 0.99, 1, NaN, 0.57 - 1e-17, 0.07 * 1];
  const rows: ScoredRows = {
    batches: 1,
    batch: new Uint32Array(length),
    eventTime: Float64Array.from({ length }, () => random() < 0.05 ? NaN : random() * 600_000),
    probability: Float64Array.from({ length }, (_, i) => i < 500 ? scores[i % 10]! : random()),
    label: Int8Array.from({ length }, () => Math.floor(random() * 3) - 1),
  };
  const curve = thresholdCurve(rows).toRecords().map(plainRow) as Record<string, number>[];
  equal(curve.length, 99);
  for (const { threshold, n_alert, tp, alerts_a_minute, precision, recall } of curve) {
    const alerts = [...rows.eventTime.keys()].filter((row) =>
      !Number.isNaN(rows.eventTime[row]!) && !(rows.probability[row]! < threshold!)
    );
    equal(n_alert, alerts.length, `threshold ${threshold}`);
    equal(tp, alerts.filter((row) => rows.label[row] === 1).length);
    equal(alerts_a_minute, alerts.length / 10);
    equal(precision, tp! / n_alert!);
    ok(recall! <= 1);
  }
});

Deno.test("judgeWindows() gives intervals, none for a null, and marks what has a wide one", () => {
  const kpi = tableOf([
    { n_alert: 20, n_fraud_true: 12, tp: 10 },
    { n_alert: 0, n_fraud_true: 3, tp: 0 },
  ]);
  const [first, second] = judgeWindows(kpi).toRecords();
  // 10 of 20: the textbook's Wilson interval.
  deepEqual([first!.precision_low, first!.precision_high].map((x) => Number(x).toFixed(4)), [
    "0.2993",
    "0.7007",
  ]);
  equal(first!.few, "20 alerts, 12 frauds");
  equal(second!.precision_low, null);
  ok(Number(second!.recall_high) > 0.5); // 0 of 3 says little
  equal(second!.few, "0 alerts, 3 frauds");
  equal(judgeWindows(kpi, { width: 0.6 }).getColumn("few").get(1), "0 alerts");
  equal(pl.DataFrame([judgeWindows(kpi).getColumn("few")]).height, 2);
});
