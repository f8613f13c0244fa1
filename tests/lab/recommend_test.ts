import { deepEqual, equal, match, ok } from "node:assert/strict";
import { MemorySource, type Schema, windowSpec } from "lib";
import {
  readScoredRows,
  recommend,
  type ScoredRows,
  seededRandom,
  sweep,
  thresholdCurve,
} from "../../lab/mod.ts";
import { isoTime } from "../../lib/core/time.ts";
import { model, SCHEMA } from "./engine.ts";

const MINUTE = 60_000;
const OPTIONS = { window: windowSpec("1 minute"), threshold: 0.5 };

/** A row every 200 ms of `minutes`, in batches of 50; some are late, by up to `late` ms. */
function recording({ minutes = 30, late = 120_000, seed = 5, lateFrauds = 0.1 }): ScoredRows {
  const random = seededRandom(seed);
  const rows = Array.from({ length: minutes * 300 }, (_, i) => {
    const eventTime = MINUTE + i * 200;
    const label = random() < 0.02 ? 1 : 0;
    const isLate = random() < (label === 1 ? lateFrauds : 0.1);
    return { eventTime, label, arrival: eventTime + (isLate ? random() * late : 0) };
  }).sort((a, b) => a.arrival - b.arrival);
  return {
    batches: Math.ceil(rows.length / 50),
    batch: Uint32Array.from(rows, (_, i) => Math.floor(i / 50)),
    eventTime: Float64Array.from(rows, ({ eventTime }) => eventTime),
    probability: new Float64Array(rows.length),
    label: Int8Array.from(rows, ({ label }) => label),
  };
}

/** The shortest delay that holds on the first windows, found by trying each. */
function byTrial(rows: ScoredRows, windows: number, maxLoss: number): number {
  const { delays, windows: { all, lost } } = sweep(rows, OPTIONS);
  return delays.findIndex((_, d) => {
    let [n, gone] = [0, 0];
    for (let w = 0; w < windows; w++) {
      n += all.n_txn[w]!;
      gone += lost.n_txn[w * delays.length + d]!;
    }
    return gone / n <= maxLoss;
  }) * 1000;
}

Deno.test("recommend() finds the shortest delay that holds, and an interval around it", () => {
  const rows = recording({});
  for (const maxLoss of [0, 0.001, 0.01, 0.03, 1]) {
    const { shortest, low, delay, learnt, checked } = recommend(sweep(rows, OPTIONS), { maxLoss });
    equal(shortest, byTrial(rows, 18, maxLoss), `for ${maxLoss}`);
    ok(low! <= shortest! && shortest! <= delay!);
    ok(learnt.holds && learnt.windows === 18);
    // The windows after those that had ended, with the delay, before the last row.
    equal(checked.windows, Math.floor((30 * MINUTE - 200 - delay!) / MINUTE) - 18);
  }
});

Deno.test("recommend() asks for a longer delay where less may be lost, and repeats itself", () => {
  const swept = sweep(recording({}), OPTIONS);
  const delays = [0.03, 0.01, 0.001].map((maxLoss) => recommend(swept, { maxLoss }).delay!);
  deepEqual(delays, delays.toSorted((a, b) => a - b));
  ok(new Set(delays).size === 3);
  deepEqual(recommend(swept, { maxLoss: 0.01 }), recommend(swept, { maxLoss: 0.01 }));
});

Deno.test("recommend() says how the delay held on the rest", () => {
  const half = recording({ minutes: 30 });
  const worse = recording({ minutes: 30, late: 400_000 });
  // The second half hour comes later than the first: what was learnt cannot hold.
  const both: ScoredRows = {
    batches: half.batches + worse.batches,
    batch: Uint32Array.from([...half.batch, ...worse.batch.map((k) => k + half.batches)]),
    eventTime: Float64Array.from([
      ...half.eventTime,
      ...worse.eventTime.map((t) => t + 30 * MINUTE),
    ]),
    probability: new Float64Array(half.batch.length + worse.batch.length),
    label: Int8Array.from([...half.label, ...worse.label]),
  };
  const { checked, needed, delay, words } = recommend(sweep(both, OPTIONS), {
    maxLoss: 0.01,
    learn: 0.5,
  });
  equal(checked.holds, false);
  ok(needed! > delay!);
  match(words, /not learnt from, lose .* it did not hold, they needed \d+ s\.$/);
  const held = recommend(sweep(half, OPTIONS), { maxLoss: 0.03 });
  equal(held.checked.holds, true);
  match(held.words, /^To lose at most 3\.0% of transactions, wait \d+ s: .* it held\.$/);
});

Deno.test("recommend() gives no delay where the recording is too short to judge one", () => {
  const { delay, words } = recommend(sweep(recording({ minutes: 4, late: 200_000 }), OPTIONS), {
    maxLoss: 0,
  });
  equal(delay, null);
  match(words, /^No delay up to \d+ s surely loses at most 0\.0% .* record for longer/);
});

Deno.test("recommend() turns frauds a day into a share, and says if frauds come later than others", () => {
  const swept = sweep(recording({}), OPTIONS);
  const frauds = swept.windows.all.n_fraud_true.subarray(0, 18).reduce((sum, n) => sum + n, 0);
  const perDay = frauds / 18 * 1440;
  const advice = recommend(swept, { maxFraudsPerDay: perDay / 100 });
  ok(Math.abs(advice.maxLoss - 0.01) < 1e-12);
  equal(advice.delay, recommend(swept, { maxLoss: 0.01 }).delay);
  match(advice.words, /no difference beyond chance\.$/);
  const later = recommend(sweep(recording({ lateFrauds: 0.9 }), OPTIONS), { maxFraudsPerDay: 1 });
  match(later.words, /they differ beyond chance\.$/);
});

Deno.test("recommend() reckons days by the rows' own clock, which a replay may outrun", async () => {
  // A row a second of event time, 20 s apart by its own clock.
  const source = new MemorySource();
  source.addData(Array.from({ length: 600 }, (_, i) =>
    JSON.stringify({
      event_time: isoTime(MINUTE + i * 1000),
      Time: 5000 + i * 20,
      risk: 0,
      Class: Number(i % 100 === 0),
    })));
  const schema: Schema = [...SCHEMA, { name: "Time", type: "double" }];
  const rows = await readScoredRows(source, { model, schema, maxOffsetsPerTrigger: 50 });
  equal(rows.pace, 20);
  // Six frauds in ten minutes of event time are 200 minutes of the recording: 43.2 a day.
  const { maxLoss, words } = recommend(sweep(rows, OPTIONS), { maxFraudsPerDay: 4.32, learn: 1 });
  ok(Math.abs(maxLoss - 0.1) < 1e-12);
  match(words, /At 43 frauds a day by the field `Time` that is 10\.0% of them/);
  equal(
    thresholdCurve({ ...rows, probability: rows.probability.fill(1) })
      .getColumn("alerts_a_minute").get(0),
    600 / 200,
  );
});

Deno.test("recommend() says when its advice has no margin, and its verdict is short", () => {
  const { words, delay, shortest, verdict } = recommend(sweep(recording({}), OPTIONS), {
    maxLoss: 0,
  });
  equal(delay, shortest);
  match(words, /so there is no margin in it/);
  match(verdict, /^(passed its check|failed its check: \d+ s was needed)$/);
});
