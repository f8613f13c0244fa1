import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import pl from "polars";
import { asTimestamps, doubles } from "../../lib/windows/frame.ts";
import { accounting } from "../../view/deliverables.ts";
import { wrongCounts } from "../../view/checks.ts";
import { type Displayable, jupyterDisplay } from "../../view/display.ts";
import { kpiTables } from "../../view/kpi_tables.ts";
import { alertsOf, keptRows, wrongRows } from "../../view/kept_rows.ts";
import { money, rowsByWindow } from "../../view/row_tables.ts";
import type { Run } from "../../view/run.ts";
import { sampleRun } from "./sample_run.ts";

const minute = 60_000;
const base = sampleRun("30 seconds", 30_000);
const t0 = Date.UTC(2024, 0, 1, 10);

type Row = [time: number, batch: number, label: number | null, isAlert: 0 | 1, outcome: string];

/** A run with these alerts and frauds, in windows that count what `counts` says. */
function runOf(
  rows: readonly Row[],
  { final, open, slide = minute, amount = 10 }: {
    final: readonly Record<string, number>[];
    open: readonly Record<string, number>[];
    slide?: number;
    amount?: number | null;
  },
): Run {
  const windows = (all: readonly Record<string, number>[]) => {
    const column = (name: string) => all.map((window) => window[name] ?? 0);
    return pl.DataFrame([
      asTimestamps(doubles("window_start", column("start"))),
      asTimestamps(doubles("window_end", column("start").map((start) => start + minute))),
      ...["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"].map((name) =>
        doubles(name, column(name)).cast(pl.Int64)
      ),
      ...["precision", "recall"].map((name) => doubles(name, column(name))),
    ]);
  };
  const alerts = pl.DataFrame([
    doubles("batch_id", rows.map(([, batch]) => batch)).cast(pl.Int64),
    pl.Series("partition", rows.map(() => '0"</script><b>'), pl.Utf8),
    doubles("offset", rows.map((_, i) => i)).cast(pl.Int64),
    asTimestamps(doubles("event_time", rows.map(([time]) => Number.isNaN(time) ? null : time))),
    pl.Series("outcome", rows.map((row) => row[4]), pl.Utf8),
    doubles("Amount", rows.map(() => amount)),
    doubles("fraud_prob", rows.map(() => 0.123456789)),
    doubles("Class", rows.map((row) => row[2])).cast(pl.Int32),
    doubles("is_alert", rows.map((row) => row[3])).cast(pl.Int32),
  ]);
  const window = { size: minute, slide, offset: 0 };
  return { ...base, window, kpi: windows(final), open: windows(open), alerts };
}

// batch 0 and 1 know no late watermark; batch 4 knows that of batch 3, 10:00:42 and later
const late =
  base.progress.findIndex(({ eventTime }) => Date.parse(eventTime.watermark!) >= t0 + 2 * minute) +
  1;
const tumbling = runOf([
  [t0 + 1, 0, 1, 1, "counted"],
  [t0 + 2, 0, 0, 1, "counted"],
  [t0 + 3, 0, 1, 0, "counted"],
  [t0 + 4, 0, null, 1, "counted"],
  [t0 + 5, late, 1, 1, "late"],
  [t0 + minute, 0, 1, 1, "counted"],
  [NaN, 0, 0, 1, "rejected"],
], {
  final: [{ start: t0, n_alert: 3, tp: 1, fp: 1, fn: 1 }],
  open: [{ start: t0 + minute, n_alert: 1, tp: 1 }],
});

Deno.test("alertsOf() accounts for each alert once where windows do not overlap", () => {
  deepEqual(alertsOf(tumbling), { alerts: 6, final: 3, open: 1, late: 1, rejected: 1 });
  deepEqual(wrongRows(tumbling), []);
  match(
    accounting([tumbling])[0]!,
    /6 alerts kept = 3 in final windows \+ 1 in open ones \+ 1 late \+ 1 rejected$/,
  );
});

Deno.test("alertsOf() accounts for each alert where a crash came before the note of a batch", () => {
  for (const missing of [late, late - 1]) { // of the batch itself, and of the one whose watermark it is judged by
    const progress = base.progress.filter((_, i) => i !== missing);
    deepEqual(alertsOf({ ...tumbling, progress }), alertsOf(tumbling));
    deepEqual(wrongRows({ ...tumbling, progress }), []);
  }
});

Deno.test("wrongRows() names a window whose counts are not the rows kept, and a lost alert", () => {
  const rows = tumbling.alerts!;
  const kept = rows.filter(pl.col("offset").neq(2)); // the fn
  deepEqual(wrongRows({ ...tumbling, alerts: kept }), [
    "window 2024-01-01T10:00:00.000Z counts fn 1, and 0 rows were kept",
  ]);
  equal(wrongRows({ ...tumbling, alerts: rows.filter(pl.col("offset").neq(0)) }).length, 3);
  equal(wrongRows({ ...tumbling, open: tumbling.open.head(0) }).length, 1);
  ok(wrongRows({ ...tumbling, alerts: pl.DataFrame() }).length > 3);
  ok(wrongCounts([{ ...tumbling, alerts: kept }]).some((problem) => /counts fn 1/.test(problem)));
});

Deno.test("keptRows() counts a row in each window that was open, where they overlap", () => {
  // |--10:00--)
  //      |--10:00:30--)   the first closed, the second not: counted in one, late in the other
  const mark = (batch: number) => Date.parse(base.progress[batch]!.eventTime.watermark!);
  const batch = base.progress.findIndex((_, i) => i > 0 && mark(i - 1) >= t0 + minute);
  ok(mark(batch - 1) < t0 + 1.5 * minute, "the sample must stand between the two ends");
  const run = runOf([[t0 + 45_000, batch, 1, 1, "counted"], [t0 + 45_000, 0, 1, 1, "counted"]], {
    slide: minute / 2,
    final: [{ start: t0, n_alert: 1, tp: 1 }],
    open: [{ start: t0 + minute / 2, n_alert: 2, tp: 2 }],
  });
  deepEqual(
    keptRows(run).map(({ counted, closed }) => [counted.length, closed.length]),
    [[1, 1], [2, 0]],
  );
  deepEqual(alertsOf(run), { alerts: 4, final: 1, open: 2, late: 1, rejected: 0 });
  deepEqual(wrongRows(run), []);
});

Deno.test("the cells of a KPI table name as many rows as they count, and the page holds them inert", () => {
  const { html } = shown(kpiTables([tumbling]));
  const cells = [...html.matchAll(/data-rows="([\d ]+)"[^>]*>([\d,]+)</g)];
  ok(cells.length >= 4);
  for (const [, rows, count] of cells) equal(rows!.split(" ").length, Number(count));
  const [json] = /(?<=<script type="application\/json">).*?(?=<\/script>)/s.exec(html)!;
  equal(JSON.parse(json).rows[0][1], '0"</script><b>');
  doesNotMatch(json, /</);
  match(html, /Provisional: still open when the run ended/);
});

Deno.test("a table with more rows than a page can carry opens what it has, and says so", () => {
  const many = 2500;
  const rows = Array.from({ length: many + 1 }, (_, i): Row => {
    return [t0 + (i === 0 ? 0 : minute), 0, 0, 1, "counted"];
  });
  const run = runOf(rows, {
    final: [{ start: t0, n_alert: 1, fp: 1 }, { start: t0 + minute, n_alert: many, fp: many }],
    open: [],
  });
  const { html, text } = shown(kpiTables([run]));
  equal([...html.matchAll(/data-rows=/g)].length, 1);
  match(text, /; 1 count without rows: a table carries 1200/);
});

Deno.test("rowsByWindow() and money() say what became of alerts under each watermark", () => {
  const long = runOf(
    [[t0 + 1, 0, 1, 1, "counted"], [t0 + 5, 0, 1, 1, "counted"], [t0 + 2, 0, 0, 1, "counted"]],
    { final: [{ start: t0 }], open: [] },
  );
  const runs = [tumbling, { ...long, watermark: "2 minutes" }];
  const { text } = shown(rowsByWindow(runs));
  match(text, /^10:00 +10:00:00.005 +tp +10\.00 .* late +not read$/m);
  match(text, /^– +– +fp .* rejected +not read$/m);
  const sums = shown(money(runs)).text;
  match(sums, /^30 seconds +10\.00 +10\.00 +10\.00 +10\.00$/m); // the one in 10:01 is not final
  match(sums, /^2 minutes +20\.00 +0\.00 +10\.00 +0\.00$/m);
  const none = runOf([[t0 + 1, 0, 1, 1, "counted"]], {
    final: [{ start: t0 }],
    open: [],
    amount: null,
  });
  match(shown(money([none])).text, /1 row without an amount left out/);
  match(shown(money([{ ...none, kpi: none.kpi.head(0) }])).text, /No window is final/);
  match(shown(rowsByWindow([base])).text, /No run kept an alert/);
});

function shown(what: Displayable) {
  const { "text/html": html, "text/plain": text } = what[jupyterDisplay]();
  return { html, text };
}
