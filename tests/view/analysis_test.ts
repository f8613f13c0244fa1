import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import pl, { type DataFrame } from "polars";
import { checkpointAnalysis, checkpointFiles } from "../../view/checkpoint_analysis.ts";
import { type Displayable, jupyterDisplay, paragraphs } from "../../view/display.ts";
import type { Run } from "../../view/run.ts";
import { comparability } from "../../view/checks.ts";
import { commonWindows, totals } from "../../view/kpi_tables.ts";
import { money, rowsByWindow } from "../../view/row_tables.ts";
import {
  accountingWaterfall,
  finality,
  lostByWindow,
  precisionRecallByWindow,
} from "../../view/window_charts.ts";
import { type Restart, restartSentence } from "../../view/restart.ts";
import { shortAnswer, watermarkAnalysis } from "../../view/watermark_analysis.ts";
import { runs as samples, sampleRun } from "./sample_run.ts";

const [short, long] = samples.map(withMessages) as [Run, Run];

/** Adds what the engine keeps of a late row beside its times; every `fraudEvery`th is a fraud. */
function withMessages(run: Run, fraudEvery = 0): Run {
  const { height } = run.late;
  const message = (i: number) => `{"Class":${fraudEvery > 0 && i % fraudEvery === 0 ? 1 : 0}}`;
  const late = run.late.withColumns(
    pl.Series("value", Array.from({ length: height }, (_, i) => message(i)), pl.Utf8),
    pl.Series("late_by_ms", Array.from({ length: height }, () => 1500), pl.Float64),
  );
  return { ...run, late };
}

function textOf(shown: Displayable): string {
  return shown[jupyterDisplay]()["text/plain"];
}

Deno.test("watermarkAnalysis() takes its figures from the runs", () => {
  const text = textOf(watermarkAnalysis([short, long]));
  const sum = (table: DataFrame) => Number(table.getColumn("n_txn").sum());
  const could = short.late.height + sum(short.kpi);
  const rows = `${short.late.height} of ${could.toLocaleString("en-US")} rows of final windows`;
  match(text, new RegExp(`30 seconds\\.\\*\\* ${rows}`));
  // In the windows final under both, which are those of the longer wait.
  const kept = sum(long.kpi) - sum(short.kpi.head(long.kpi.height));
  ok(kept > 0 && kept < short.late.height - long.late.height);
  match(
    text,
    new RegExp(`2 minutes kept ${kept} rows that 30 seconds lost, in the ${long.kpi.height} win`),
  );
  const peaks = short.progress.map(({ stateOperators: [state] }) =>
    state!.numRowsTotal + state!.numRowsRemoved
  );
  match(text, new RegExp(`At most ${Math.max(...peaks)} windows were open at once`));
  match(text, /by which they were judged was 1\.5 s ahead of their event time/);
});

Deno.test("watermarkAnalysis() counts lost frauds in the windows that are final in every run", () => {
  const end = Number(long.kpi.getColumn("window_start").toArray().at(-1));
  const starts = short.late.getColumn("window_start").toArray().map(Number);
  const counted = Number(short.kpi.head(long.kpi.height).getColumn("n_fraud_true").sum());
  const saying = (run: Run) => /it lost (.*?)\./.exec(textOf(watermarkAnalysis([run, long])))![1];
  equal(saying(short), `0 of ${counted} frauds, too few to compare`);
  for (const every of [short.late.height, 10]) {
    const lost = starts.filter((start, i) => i % every === 0 && start <= end).length;
    ok(lost > 0 && (every > 10 || lost < starts.length / every), "one is in a window still open");
    const few = lost < 5 ? ", too few to compare" : "";
    equal(saying(withMessages(samples[0]!, every)), `${lost} of ${counted + lost} frauds${few}`);
  }
});

Deno.test("watermarkAnalysis() compares shares only, where the runs read different rows", () => {
  const progress = long.progress.slice(0, 30);
  const text = textOf(watermarkAnalysis([short, { ...long, progress }]));
  match(text, /2 minutes lost [\d.]+% of its rows, 30 seconds [\d.]+%/);
});

Deno.test("watermarkAnalysis() and shortAnswer() say when no window is final and no row late", () => {
  const { kpi, late, progress } = short;
  const totalsOf = { read: 10, counted: 0, late: 0, rejected: 0, open: 10 };
  const last = { ...progress[0]!, rows: { ...progress[0]!.rows, total: totalsOf } };
  const young = { ...short, kpi: kpi.head(0), late: late.head(0), progress: [last] };
  const text = textOf(watermarkAnalysis([young, young])) + textOf(shortAnswer([young], "None."));
  match(text, /No window became final/);
  doesNotMatch(text, /NaN|undefined|Infinity|null/);
});

Deno.test("shortAnswer() says a sentence a run and one on the restart", () => {
  const text = textOf(shortAnswer([short, long], "It went on."));
  deepEqual(text.split("\n\n").map((line) => /^\*\*(.+?)\*\*/.exec(line)![1]), [
    "Waiting 30 seconds",
    "Waiting 2 minutes",
    "The restart.",
  ]);
});

Deno.test("totals() divides sums, and has no ratio of nothing", () => {
  const { precision, tp, n_alert } = totals(short.kpi);
  equal(precision, tp! / n_alert!);
  equal(totals(short.kpi.head(0)).precision, null);
});

const whole = sampleRun("1 minute", 60_000);

/** A restart before batch `from`, of which the topic gives what the run counted. */
function restartAt(from: number): Restart {
  const { progress, kpi: table, open } = whole;
  const counts = new Map<number, number>();
  for (const frame of [table, open]) {
    const n = frame.getColumn("n_txn").toArray();
    frame.getColumn("window_start").toArray().forEach((at, i) =>
      counts.set(Number(at), Number(n[i]))
    );
  }
  const { late, rejected } = progress.at(-1)!.rows.total;
  const recount = { counts, late, rejected };
  const [before, after] = [progress.slice(0, 24), progress.slice(from)];
  return { before, after, table, open, recount, neverStopped: table };
}

Deno.test("checkpointAnalysis() tells a batch that ran again from one that did not", () => {
  const again = textOf(checkpointAnalysis(restartAt(23)));
  const next = textOf(checkpointAnalysis(restartAt(24)));
  match(again, /before the stop was 23, the first after it 23\. .*\*\*run again/);
  match(next, /before the stop was 23, the first after it 24\. .*was not run again/);
  match(
    again,
    /\*\*The restart lost nothing\.\*\* .* 1,200 rows were read twice, and counted once\./,
  );
  match(
    restartSentence(restartAt(23)),
    /^Batch 23, .* ran again and read 1,200 rows twice; nothing/,
  );
  match(restartSentence(restartAt(24)), /^Batch 24 came next; nothing was lost/);
});

Deno.test("checkpointAnalysis() says that the figures are wrong where the topic says otherwise", () => {
  const right = restartAt(23);
  const [[start, n]] = [...right.recount.counts] as [[number, number]];
  const more = new Map([...right.recount.counts, [start, n + 1]]);
  const wrong: readonly (readonly [Restart, RegExp])[] = [
    [{ ...right, recount: { ...right.recount, counts: more } }, /1 window of the table differ/],
    [{ ...right, recount: { ...right.recount, late: 1 } }, /the topic has 1 and/],
    [{ ...right, neverStopped: right.table.head(3) }, /not that of a query that was never stopped/],
    [{ ...right, after: right.after.slice(2) }, /batch 25 did not begin where/],
  ];
  for (const [restart, problem] of wrong) {
    match(textOf(checkpointAnalysis(restart)), /\*\*The figures are wrong\.\*\*/);
    match(restartSentence(restart), problem);
  }
});

Deno.test("checkpointAnalysis() and restartSentence() say when there was no batch to stop after", () => {
  const nothing = { ...restartAt(23), before: [], after: [] };
  match(textOf(checkpointAnalysis(nothing)), /too few rows/);
  match(restartSentence(nothing), /nothing was tested/);
});

Deno.test("checkpointFiles() lists the batches of each part and its newest file", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(dir, "metadata"), "{}");
    for (const part of ["offsets", "state", "commits"]) {
      await Deno.mkdir(join(dir, part));
      for (const id of [9, 10, 11]) await Deno.writeTextFile(join(dir, part, `${id}`), `v1\n${id}`);
      await Deno.writeTextFile(join(dir, part, ".12.tmp"), "torn");
    }
    const rows = (await checkpointFiles(dir)).toRecords();
    deepEqual(rows.map(({ batches }) => batches), ["", "9 … 11", "9 … 11", "9 … 11"]);
    equal(rows[1]!["newest file"], "v1 ⏎ 11");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("paragraphs() marks bold and code, and escapes everything else", () => {
  const shown = paragraphs(["**a** `b` <script>"])[jupyterDisplay]()["text/html"];
  match(shown, /<p><b>a<\/b> <code>b<\/code> &#60;script&#62;<\/p>/);
});

Deno.test("texts agree in number and name no other watermark where there is one, and no percentage of nothing", () => {
  const quiet = (run: Run): Run => ({ ...run, late: run.late.head(0), alerts: short.late.head(0) });
  const one = quiet({ ...short, kpi: short.kpi.head(1) });
  const none = { ...one, kpi: short.kpi.head(0) };
  const texts = [[one], [none], [one, { ...one, watermark: "2 minutes", position: 1 }], [one, none]]
    .flatMap((runs) =>
      [
        ...[watermarkAnalysis, shortAnswer, commonWindows, money, rowsByWindow, lostByWindow],
        ...[precisionRecallByWindow, finality, accountingWaterfall],
      ].map((show) => ({ runs, text: textOf((show as typeof watermarkAnalysis)(runs)) }))
        .concat({ runs, text: comparability(runs, { isLive: false }) })
    );
  for (const { runs, text } of texts) {
    doesNotMatch(text, /the (same )?1 [a-z]|\b1 (windows|rows|batches)\b|\(–\)|NaN|the 0 windows/);
    if (runs.length === 1) doesNotMatch(text, /every watermark|under each watermark|every run/);
  }
});

Deno.test("where no row was lost, nothing is said to be kept aside, or to speak for the longer wait", () => {
  const quiet = ({ progress, ...run }: Run): Run => ({
    ...run,
    late: run.late.head(0),
    progress: progress.map((batch) => ({
      ...batch,
      rows: { ...batch.rows, total: { ...batch.rows.total, late: 0 } },
    })),
  });
  const text = textOf(watermarkAnalysis([quiet(short), quiet(long)]));
  match(text, /\*\*What the longer wait bought\.\*\* Nothing here: 30 seconds lost no row either/);
  doesNotMatch(text, /Which of them|kept aside/);
  match(
    textOf(watermarkAnalysis([short, quiet(long)])),
    /such as a fraud report\. It lost none here/,
  );
});
