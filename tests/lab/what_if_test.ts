import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { OnnxModel, openSource, selectModel, TRANSACTION_SCHEMA, windowSpec } from "lib";
import { replay } from "replay";
import { jupyterDisplay } from "../../view/display.ts";
import { COUNTS, readScoredRows, seededRandom, sweep, whatIf } from "../../lab/mod.ts";
import { whatIfData, whatIfFigure } from "../../lab/mod.ts";
import { plainRow, runEngine } from "./engine.ts";

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
        const amount = found.reduce((sum, row) => sum + data.rows.amount[row]!, 0);
        ok(Math.abs(amount - counts[money]) < 1e-6);
        for (const row of found) {
          const time = data.rows.time[row]!;
          ok(time >= data.starts[w]! && time < data.starts[w]! + data.size);
        }
        all += found.length;
      }
    }
    ok(all > 20, `only ${all} rows`);
  });
}

Deno.test("whatIfFigure() shows the run's own setting without scripts, and stays small", () => {
  const data = whatIfData(rows, { window: windowSpec("1 minute") });
  const { "text/html": page } = whatIfFigure(data, { delay: 30_000, threshold: 0.23 })[
    jupyterDisplay
  ]();
  const { final } = whatIf(data, { delay: 30_000, threshold: 0.23 });
  const withoutScripts = page.replaceAll(/<script[\s\S]*?<\/script>/g, "");
  ok(withoutScripts.includes(`<b>${final.lost}</b>`));
  ok(withoutScripts.includes('data-part="controls" hidden'));
  ok(!withoutScripts.includes("<button"));
  ok(page.length < 400_000, `${page.length} characters`);
  ok(!/(src|href)=/.test(page), "it requests nothing");
});

Deno.test("whatIfData() leaves out windows rather than make a page too large, and the page says so", () => {
  const many = 13_000;
  const column = <T extends Float64Array | Int8Array | Uint32Array>(array: T, value: number) =>
    array.fill(value) as T;
  const scored = {
    batches: 1,
    batch: column(new Uint32Array(2 * many), 0),
    eventTime: Float64Array.from({ length: 2 * many }, (_, i) => i < many ? 1 : 60_001),
    probability: column(new Float64Array(2 * many), 0.5),
    label: column(new Int8Array(2 * many), 0),
    amount: column(new Float64Array(2 * many), NaN),
    partition: column(new Uint32Array(2 * many), 0),
    offset: column(new Float64Array(2 * many), 0),
  };
  const data = whatIfData(scored, { window: windowSpec("1 minute") });
  deepEqual([data.starts.length, data.windowsLeftOut], [1, 1]);
  const page = whatIfFigure(data, { delay: 0, threshold: 0.5 })[jupyterDisplay]()["text/html"];
  ok(page.includes("1 later windows are left out"));
});

Deno.test("what the tests of what-if wrote is removed", async () => {
  await source.close();
  await model.close();
  await Deno.remove(dir, { recursive: true });
});
