import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import {
  isAlert,
  MemorySink,
  MemorySource,
  OnnxModel,
  openSource,
  readStream,
  selectModel,
  type StreamingQueryProgress,
  TRANSACTION_SCHEMA,
  windowKpis,
  windowSpec,
} from "lib";
import { replay } from "replay";
import { advise, COUNTS, readScoredRows, seededRandom, sweep, whatIf } from "../../lab/mod.ts";
import { type WhatIfData, whatIfData } from "../../lab/mod.ts";
import { messageOf, model as riskModel, plainRow, runEngine, SCHEMA } from "./engine.ts";
import { sourceOf, topics } from "./topics.ts";

const dir = await Deno.makeTempDir({ prefix: "what-if-" });
const from = join(import.meta.dirname!, "..", "..", "data", "transactions_60k.parquet");
await replay({ from, to: `log:${dir}`, topic: "t", limit: 9_000, rate: 15 });
const source = await openSource(`log:${dir}`, "t");
const { path } = await selectModel(join(import.meta.dirname!, "..", "..", "models"));
const model = await OnnxModel.load(path);
const maxOffsetsPerTrigger = 450;
const rows = await readScoredRows(source, { model, maxOffsetsPerTrigger });

for (const [window, slide] of [["1 minute"], ["90 seconds", "30 seconds"]] as const) {
  const spec = windowSpec(window, { ...slide !== undefined && { slide } });
  const data = whatIfData(rows, { window: spec });

  Deno.test(`whatIf() counts what the engine counts at ten settings, window ${window}, slide ${slide ?? window}`, async () => {
    const random = seededRandom(7);
    let lost = 0;
    for (let i = 0; i < 10; i++) {
      const delay = Math.floor(random() * 240);
      const threshold = Math.ceil(random() * 99) / 100;
      const run = await runEngine(source, {
        delay: `${delay} seconds`,
        window,
        ...slide !== undefined && { slide },
        maxOffsetsPerTrigger,
        scored: { schema: TRANSACTION_SCHEMA, model, threshold },
      });
      const counts = (row: Record<string, unknown>) =>
        ["window_start", ...COUNTS].map((name) => plainRow(row)[name]);
      const engine = { final: run.sink.rows().toRecords(), open: run.open.toRecords() };
      const { windows, final } = whatIf(data, { delay: 1000 * delay, threshold });
      const found = windows.map((window, w) => ({ window_start: data.starts[w], ...window }));
      const byStart = (a: unknown[], b: unknown[]) => Number(a[0]) - Number(b[0]);
      deepEqual(
        found.filter(({ wait }) => wait !== null).map(counts),
        engine.final.map(counts).sort(byStart),
      );
      deepEqual(
        found.filter(({ wait, n_txn }) => wait === null && n_txn > 0).map(counts),
        engine.open.map(counts).sort(byStart),
      );
      equal(final.n_alert, engine.final.reduce((sum, row) => sum + Number(row.n_alert), 0));
      lost += final.lost;
    }
    ok(lost > 100, `only ${lost} rows lost`);
  });

  Deno.test(`whatIf() loses the rows that sweep() loses, window ${window}, slide ${slide ?? window}`, () => {
    const swept = sweep(rows, { window: spec, threshold: 0.23 });
    for (let d = 0; d < swept.delays.length; d += 7) {
      const { windows } = whatIf(data, { delay: swept.delays[d]!, threshold: 0.23 });
      for (const [w, { lost, alerts_lost, frauds_lost }] of windows.entries()) {
        const at = w * swept.delays.length + d;
        const { n_txn, n_alert, n_fraud_true } = swept.windows.lost;
        deepEqual([lost, alerts_lost, frauds_lost], [n_txn[at], n_alert[at], n_fraud_true[at]]);
      }
    }
  });

  Deno.test(`whatIf() leads from each count to its rows and their amounts, window ${window}`, () => {
    const { windows, rowsOf } = whatIf(data, { delay: 30_000, threshold: 0.05 });
    let all = 0;
    for (const [w, counts] of windows.entries()) {
      for (
        const [kind, money] of [["tp", "caught"], ["fp", "stopped"], ["fn", "missed"]] as const
      ) {
        const found = rowsOf(w, kind);
        equal(found.length, counts[kind]);
        const amount = found.reduce((sum, row) => sum + (data.rows.amount[row] ?? 0), 0);
        ok(Math.abs(amount - counts[money]) < 1e-6);
        for (const row of found) {
          const [cell, after] = [data.rows.cell[row]!, data.rows.after[row]!];
          ok(data.cells.window[cell] === w && after >= 0 && after < data.size);
        }
        all += found.length;
      }
    }
    ok(all > 20, `only ${all} rows`);
  });
}

/** Gives each row its field `risk`, and NaN to those of 0.49. */
const withNaN: typeof riskModel = {
  ...riskModel,
  async score(columns, length) {
    const { probabilities, unscored } = await riskModel.score(columns, length);
    return { probabilities: probabilities.map((p) => p === 0.49 ? NaN : p), unscored };
  },
};

Deno.test("whatIf() counts what the engine counts on topics of all kinds, NaN, null, empty and before 1970", async () => {
  const settings = fc.record({
    delay: fc.constantFrom(0, 1, 12, 30, 60, 240, 600),
    threshold: fc.constantFrom(0.01, 0.5, 0.51, 0.99),
    window: fc.constantFrom(["1 minute", "1 minute"], ["70 seconds", "20 seconds"], [
      "10 seconds",
      "10 seconds",
    ]),
  });
  let [final, open, lost] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(topics, settings, async (blocks, { delay, threshold, window: [w, slide] }) => {
      const source = sourceOf(blocks);
      const [window, model] = [w!, withNaN];
      const scored = { schema: SCHEMA, model, threshold };
      const run = await runEngine(source, {
        delay: `${delay} seconds`,
        window,
        slide: slide!,
        scored,
      });
      const rows = await readScoredRows(source, { ...scored, maxOffsetsPerTrigger: 1 });
      const collected = whatIfData(rows, { window: windowSpec(window, { slide }) });
      const data: WhatIfData = JSON.parse(JSON.stringify(collected)); // as the page has it
      const found = whatIf(data, { delay: 1000 * delay, threshold });
      const counts = (row: Record<string, unknown>) =>
        ["window_start", ...COUNTS].map((name) => plainRow(row)[name]);
      const inOrder = (table: { toRecords(): Record<string, unknown>[] }) =>
        table.toRecords().map(counts).sort((a, b) => Number(a[0]) - Number(b[0]));
      const windows = found.windows.map((counts, w) => ({
        window_start: data.starts[w],
        ...counts,
      }));
      const [ofFinal, ofOpen] = [true, false].map((isFinal) =>
        windows.filter(({ wait, n_txn }) => (wait !== null) === isFinal && n_txn > 0).map(counts)
      );
      deepEqual(ofFinal, inOrder(run.sink.rows()));
      deepEqual(ofOpen, inOrder(run.open));
      for (const [i, step] of [[0, 0.01], [49, 0.5], [98, 0.99]] as const) {
        const { n_alert, tp } = whatIf(data, { delay: 1000 * delay, threshold: step }).final;
        deepEqual([found.byThreshold.n_alert[i], found.byThreshold.tp[i]], [n_alert, tp]);
      }
      [final, open, lost] = [
        final + ofFinal!.length,
        open + ofOpen!.length,
        lost + found.final.lost,
      ];
    }),
    { seed: 20240101, numRuns: 30 },
  );
  for (const [what, n] of Object.entries({ final, open, lost })) ok(n > 50, `only ${n} ${what}`);
});

Deno.test("whatIf() counts what a query counts that runs while its rows come, in its own batches", async () => {
  const window = "1 minute";
  const row = (i: number) => {
    const time = 30_000 * Math.floor(i / 8) + (i * 7919) % 150_000;
    return messageOf({ time, risk: (i % 10) / 10, label: i % 3 === 0 ? 1 : 0 });
  };
  async function run(delay: number, threshold: number) {
    const source = new MemorySource();
    const [sink, progress] = [new MemorySink(), [] as StreamingQueryProgress[]];
    const checkpointLocation = await Deno.makeTempDir({ prefix: "what-if-" });
    const scored = readStream(source, SCHEMA).score(riskModel)
      .withColumns(isAlert(threshold));
    const watermark = `${delay} seconds`;
    const query = await windowKpis(scored, { watermark, window }).writeStream(
      sink,
      {
        outputMode: "append",
        checkpointLocation,
        trigger: "0 seconds",
        onProgress: (batch) => progress.push(batch),
      },
    );
    for (let i = 0; i < 160; i += 8) {
      source.addData(Array.from({ length: 8 }, (_, k) => row(i + k)));
      await query.processAllAvailable(); // a batch without data may come between
    }
    await query.stop();
    await Deno.remove(checkpointLocation, { recursive: true });
    return { source, progress, final: sink.rows(), open: query.openWindows };
  }
  const { source, progress } = await run(30, 0.5);
  ok(progress.slice(0, -1).some(({ numInputRows }) => numInputRows === 0));
  const { whatIf: data } = await advise(source, {
    watermarks: [],
    model: riskModel,
    schema: SCHEMA,
    threshold: 0.5,
    maxOffsetsPerTrigger: 1,
    window: windowSpec(window),
    progress,
  });
  let lost = 0;
  for (const [delay, threshold] of [[30, 0.5], [0, 0.2], [75, 0.9]] as const) {
    const other = await run(delay, threshold);
    const found = whatIf(data!, { delay: 1000 * delay, threshold });
    const counts = (window: Record<string, unknown>) =>
      COUNTS.map((name) => plainRow(window)[name]);
    deepEqual(
      found.windows.filter(({ wait }) => wait !== null).map(counts),
      other.final.sort("window_start").toRecords().map(counts),
    );
    lost += found.final.lost;
  }
  ok(lost > 10, `only ${lost} rows lost`);
});

Deno.test("what the tests of what-if wrote is removed", async () => {
  await source.close();
  await model.close();
  await Deno.remove(dir, { recursive: true });
});
