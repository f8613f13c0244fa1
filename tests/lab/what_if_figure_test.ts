import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import { windowSpec } from "lib";
import { type TracedRows, whatIf, whatIfData, whatIfFigure } from "../../lab/mod.ts";
import { jupyterDisplay } from "../../view/display.ts";

const t0 = Date.UTC(2024, 0, 1, 10);

interface Row {
  readonly time: number;
  readonly batch?: number;
  readonly probability?: number;
  readonly label?: number;
  readonly amount?: number;
}

function scored(rows: readonly Row[]): TracedRows {
  const column = (name: keyof Row, otherwise: number) => rows.map((row) => row[name] ?? otherwise);
  const batch = column("batch", 0);
  return {
    batches: 1 + batch.reduce((a, b) => Math.max(a, b), -1),
    batch: Uint32Array.from(batch),
    eventTime: Float64Array.from(column("time", NaN)),
    probability: Float64Array.from(column("probability", 0.5)),
    label: Int8Array.from(column("label", 0)),
    amount: Float64Array.from(column("amount", NaN)),
    partition: new Uint32Array(rows.length),
    offset: Float64Array.from(rows.keys()),
  };
}

const many = (n: number, row: (i: number) => Row) =>
  scored(Array.from({ length: n }, (_, i) => row(i)));
const minute = windowSpec("1 minute");

/** What a reader sees without scripts, and the whole page. */
function shown(data: ReturnType<typeof whatIfData>, own = { delay: 30_000, threshold: 0.23 }) {
  const page = whatIfFigure(data, own)[jupyterDisplay]()["text/html"];
  return { page, still: page.replaceAll(/<script[\s\S]*?<\/script>/g, "") };
}

Deno.test("whatIfFigure() shows the run's own setting without scripts, and requests nothing", () => {
  const data = whatIfData(
    many(900, (i) => ({
      time: t0 + (i * 7919) % 300_000,
      batch: Math.floor(i / 90),
      probability: (i % 100) / 100,
      label: i % 3 === 0 ? 1 : 0,
      amount: i,
    })),
    { window: minute },
  );
  const { page, still } = shown(data);
  const { final } = whatIf(data, { delay: 30_000, threshold: 0.23 });
  ok(final.lost > 10);
  ok(still.includes(`<b>${final.lost}</b>`));
  ok(still.includes('data-part="controls" hidden') && still.includes("the run's own"));
  doesNotMatch(still, /<button|NaN|undefined|Infinity/);
  doesNotMatch(page, /(src|href)=/);
});

Deno.test("whatIfFigure() leaves out amounts that are missing, says how many, and is never NaN", () => {
  const rows = [{ label: 1, amount: 20 }, { label: 1 }, {}, { label: 1, probability: 0.1 }];
  const data = whatIfData(scored(rows.map((row) => ({ time: t0, ...row }))), { window: minute });
  const late = whatIfData(
    scored(
      [...rows, { batch: 1 }].map((row) => ({ time: "batch" in row ? t0 + 90_000 : t0, ...row })),
    ),
    { window: minute },
  );
  equal(whatIf(data, { delay: 0, threshold: 0.5 }).windows[0]!.no_amount, 3);
  const { still } = shown(late, { delay: 0, threshold: 0.5 });
  match(still, /20\.00 caught.*3 without an amount left out/s);
  doesNotMatch(still, /NaN|null/);
});

Deno.test("whatIfFigure() says that no window is final, and not a share of no rows", () => {
  const { still } = shown(whatIfData(scored([{ time: t0 }]), { window: minute }));
  match(still, /rows lost<[^–]*>no window is final</);
});

Deno.test("whatIfFigure() tells windows apart that begin within a minute, and says that they overlap", () => {
  const data = whatIfData(scored([{ time: t0 + 50_000 }]), {
    window: windowSpec("1 minute", { slide: "20 seconds" }),
  });
  const { still } = shown(data);
  for (const start of ["10:00:00", "10:00:20", "10:00:40"]) ok(still.includes(`>${start}</th>`));
  match(still, /Windows overlap/);
});

Deno.test("a topic with more than a page carries has a greater least threshold, or fewer windows, and says so", () => {
  const alerts = whatIfData(
    many(20_000, (i) => ({ time: t0 + i * 10, probability: (i % 100) / 100 })),
    { window: minute },
  );
  ok(alerts.rows.cell.length <= 6000 && alerts.rows.cell.length > 5000);
  deepEqual([alerts.starts.length, alerts.windowsLeftOut, alerts.least], [4, 0, 0.7]);
  match(shown(alerts).still, /min="0\.7".*the nearest to the run's own.*Thresholds from 0\.70 on/s);
  equal(whatIf(alerts, { delay: 0, threshold: 0.7 }).windows[0]!.n_alert, 1800);

  const frauds = whatIfData(many(20_000, (i) => ({ time: t0 + i * 10, label: 1 })), {
    window: minute,
  });
  deepEqual([frauds.starts.length, frauds.windowsLeftOut], [1, 3]);
  equal(frauds.cells.window.length, 1);
  match(shown(frauds).still, /Only the first 1 of 4 windows/);

  const one = whatIfData(many(20_000, () => ({ time: t0, label: 1 })), { window: minute });
  deepEqual([one.starts.length, one.rows.cell.length], [0, 0]);
  match(shown(one).page, /more rows or batches than a page carries/);

  const short = whatIfData(many(500, (i) => ({ time: t0 + i * 1000 })), {
    window: windowSpec("1 second"),
  });
  deepEqual([short.starts.length, short.windowsLeftOut], [120, 380]);
  const small = whatIfData(many(40_000, (i) => ({ time: t0 + i * 10, batch: i, probability: 0 })), {
    window: minute,
  });
  deepEqual([small.starts.length, small.cells.rows.length], [2, 12_000]);
  for (const data of [alerts, frauds, short]) ok(shown(data).page.length < 450_000);
});
