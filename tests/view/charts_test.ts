import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import * as Plot from "@observablehq/plot";
import pl from "polars";
import { asTimestamps, doubles } from "../../lib/windows/frame.ts";
import { arrival, byBatch } from "../../view/batch_charts.ts";
import { type Displayable, jupyterDisplay } from "../../view/display.ts";
import { FIGURE_SCRIPT } from "../../view/figure_script.ts";
import { colorAt, GREY } from "../../view/colors.ts";
import { figure } from "../../view/figure.ts";
import type { Run } from "../../view/run.ts";
import { restartTimeline } from "../../view/restart_timeline.ts";
import {
  accountingWaterfall,
  finality,
  lostByWindow,
  precisionRecallByWindow,
} from "../../view/window_charts.ts";
import { runs, sampleRun } from "./sample_run.ts";

const [first] = runs as [Run];
const whole = sampleRun("1 minute", 60_000);
const half = { ...whole, progress: whole.progress.slice(0, 24) };
const resumed = { ...whole, progress: whole.progress.slice(24) };
/** A stop in the middle of batch 23: the restart runs it again. */
const again = { ...whole, progress: whole.progress.slice(23) };

const charts: Record<string, () => Displayable> = {
  lost_by_window: () => lostByWindow(runs),
  precision_recall_by_window: () => precisionRecallByWindow(runs),
  accounting_waterfall: () => accountingWaterfall(runs),
  finality: () => finality(runs),
  arrival: () => arrival(first),
  arrival_first_batches: () => arrival(first, { first: 10 }),
  watermark_by_batch: () => byBatch(runs, "watermark"),
  state_by_batch: () => byBatch(runs, "windows"),
  restart_timeline: () => restartTimeline(half.progress, again.progress),
};

for (const [name, chart] of Object.entries(charts)) {
  Deno.test(`${name} looks as it did`, () => {
    const svgs = svgsOf(chart());
    ok(svgs.length > 0);
    const changed = svgs.map((_, i) => svgs.length > 1 ? `${name}_${i + 1}` : name)
      .filter((golden, i) => !isGolden(golden, svgs[i]!));
    ok(
      changed.length === 0,
      changed.map((golden) =>
        `golden/${golden}.svg is not what is drawn now: open tests/view/golden/${golden}-changed.html, ` +
        `which shows both and their difference, and if it is right, accept it: ` +
        `mv tests/view/golden/${golden}{-changed,}.svg`
      ).join("\n"),
    );
  });

  Deno.test(`${name} needs nothing from outside its page and says in words what it shows`, () => {
    const { "text/html": page, "text/plain": text } = chart()[jupyterDisplay]();
    const html = page.replace(FIGURE_SCRIPT, "");
    doesNotMatch(html, /<script|\bsrc=|href=|url\(|NaN|undefined|Infinity/);
    match(html, /<svg [^>]*role="img"[^>]* aria-label="[^"]+\?/);
    match(text.split("\n")[0]!, /\?$/);
  });
}

Deno.test("every chart can show a run that has done nothing yet", () => {
  const { events, ...none } = first;
  const nothing = { kpi: none.kpi.head(0), late: none.late.head(0), open: none.open.head(0) };
  const empty = { ...none, ...nothing, events: events!.head(0), progress: [] };
  for (
    const chart of [
      lostByWindow([empty]),
      precisionRecallByWindow([empty]),
      accountingWaterfall([empty]),
      finality([empty]),
      arrival(empty),
      byBatch([empty], "watermark"),
      byBatch([empty], "windows"),
      restartTimeline([], []),
    ]
  ) {
    const html = chart[jupyterDisplay]()["text/html"].replace(FIGURE_SCRIPT, "");
    doesNotMatch(html, /NaN|undefined|Infinity/);
  }
});

Deno.test("a run of one batch is a point in the charts by batch, and says that no row could be lost", () => {
  const single = { ...first, progress: first.progress.slice(0, 1) };
  for (const value of ["watermark", "windows"] as const) {
    match(svgsOf(byBatch([single], value)).join(), /<circle /);
    doesNotMatch(svgsOf(byBatch([first], value)).join(), /<circle /);
  }
  const [kpi, late] = [first.kpi.head(0), first.late.head(0)];
  match(textOf(lostByWindow([{ ...single, kpi, late }])), / 0 rows of final windows lost/);
});

Deno.test("charts of a run without a final window or a lost row have its times, no bar, and no name on another", () => {
  const [kpi, late] = [first.kpi.head(0), first.late.head(0)];
  const quiet = { ...first, kpi, late, open: first.kpi.head(2) };
  const other = { ...quiet, watermark: "2 minutes", position: 1 };
  const [lost, arrived, wait] = [lostByWindow([quiet]), arrival(quiet), finality([quiet, other])]
    .flatMap(svgsOf);
  doesNotMatch(arrived!, />\d{4}-\d\d-\d\d</);
  match(arrived!, />10:0\d(:00)?</);
  const heights = [...lost!.matchAll(/<rect (?=[^>]*fill="#)[^>]*height="([\d.]+)"/g)];
  ok(heights.length > 0 && heights.every(([, height]) => height === "0"), lost);
  doesNotMatch(lost!, />0\.0/);
  const one = svgsOf(precisionRecallByWindow([{ ...first, kpi: first.kpi.head(1) }]));
  ok(one.every((svg) => svg.includes(">10:00:00<") && !/>10:00:26</.test(svg)));
  // Both are open up to the same instant: one name stands before it, one beyond.
  const names = /text-anchor="(\w+)"[^>]*>\s*<text[^>]*>(?:30 seconds|2 minutes)</g;
  deepEqual([...wait!.matchAll(names)].map(([, anchor]) => anchor), ["end", "start"]);
});

Deno.test("figure() rounds places, but no number that is read", () => {
  const { "text/html": page } = figure("What?", {
    answers: [{ name: "a", color: "red", says: "0.098% lost" }],
    note: "0.0625 s",
    plots: [{ marks: [Plot.text([[1.23456, 2]], { text: () => "0.098%" })] }],
  })[jupyterDisplay]();
  equal(page.match(/0\.098%/g)?.length, 3); // in the legend, in the drawing, in its words for a screen reader
  match(page, /aria-label="[^"]*0\.0625 s"/);
  doesNotMatch(page, /translate\([\d.,]*\.\d{3}/);
});

Deno.test("captions take their figures from the runs", () => {
  // Rows that could be lost: those of windows that are final.
  const late = first.late.height;
  const could = late + Number(first.kpi.getColumn("n_txn").sum());
  equal(
    textOf(lostByWindow([first])).split("\n")[1],
    `30 seconds: ${late} of ${could.toLocaleString("en-US")} rows of final windows ` +
      `(${(late / could * 100).toFixed(1)}%) lost`,
  );
  const [short, long] = runs as [Run, Run];
  ok(short.kpi.height > long.kpi.height);
  // What is final under both: the shorter wait has no window more to show.
  const tp = Number(short.kpi.head(long.kpi.height).getColumn("tp").sum());
  const frauds = Number(short.kpi.head(long.kpi.height).getColumn("n_fraud_true").sum());
  match(
    textOf(precisionRecallByWindow(runs)).split("\n")[1]!,
    new RegExp(`^30 seconds: .*\\(${tp} of ${frauds}\\)$`),
  );
  for (const run of runs) {
    match(textOf(arrival(run)), new RegExp(`: ${run.late.height} rows came after`));
  }
  match(textOf(restartTimeline(half.progress, resumed.progress)), /: 0 rows skipped, 0 read again/);
  match(
    textOf(restartTimeline(half.progress, again.progress)),
    /: 0 rows skipped, 1,200 read again/,
  );
  const gap = { ...whole, progress: whole.progress.slice(25) };
  match(textOf(restartTimeline(half.progress, gap.progress)), /: 1,200 rows skipped, 0 read again/);
});

Deno.test("accountingWaterfall() does not hide rows that the accounting misses", () => {
  match(textOf(accountingWaterfall([first])), / = 60,000 read/);
  const last = first.progress.at(-1)!;
  const total = { ...last.rows.total, late: last.rows.total.late - 1 };
  const wrong = { ...first, progress: [{ ...last, rows: { ...last.rows, total } }] };
  match(textOf(accountingWaterfall([wrong])), / ≠ 60,000 read/);
});

Deno.test("runs side by side have colours of their own, whatever their delays", () => {
  equal(new Set(Array.from({ length: 7 }, (_, i) => colorAt(i))).size, 7);
  match(colorAt(7), /^#/);
});

Deno.test("every colour stands out from a white page and from JupyterLab's dark one", () => {
  for (const color of [GREY, ...Array.from({ length: 7 }, (_, i) => colorAt(i))]) {
    for (const page of ["#ffffff", "#111111"]) {
      const [light, dark] = [luminance(color), luminance(page)].sort((a, b) => b - a) as [
        number,
        number,
      ];
      const contrast = (light + 0.05) / (dark + 0.05);
      ok(contrast >= 3, `${color} on ${page}: ${contrast}`);
    }
  }
});

function textOf(shown: Displayable): string {
  return shown[jupyterDisplay]()["text/plain"];
}

function svgsOf(shown: Displayable): string[] {
  return shown[jupyterDisplay]()["text/html"].match(/<svg .*?<\/svg>/gs) ?? [];
}

/** WCAG's relative luminance. */
function luminance(color: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = parseInt(color.slice(i, i + 2), 16) / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Compares byte by byte; what differs is written beside the golden file, with a page to look at. */
function isGolden(name: string, svg: string): boolean {
  const file = (end: string) => new URL(`./golden/${name}${end}`, import.meta.url);
  for (const end of ["-changed.svg", "-changed.html"]) rmSync(file(end), { force: true });
  const drawn = `<!-- deno-fmt-ignore-file -->\n${svg}\n`;
  const golden = existsSync(file(".svg")) ? Deno.readTextFileSync(file(".svg")) : "";
  if (golden === drawn) return true;
  Deno.writeTextFileSync(file("-changed.svg"), drawn);
  Deno.writeTextFileSync(file("-changed.html"), comparison(name, { golden, drawn }));
  return false;
}

/** Returns a page with a chart as it was, as it is, and their difference: black where they agree. */
function comparison(name: string, { golden, drawn }: { golden: string; drawn: string }): string {
  const part = (title: string, charts: string) => `<h2>${title}</h2><div>${charts}</div>`;
  return `<!DOCTYPE html><meta charset="utf-8"><title>${name}</title>
<style>body{font:16px sans-serif}div{display:inline-grid;background:#fff;isolation:isolate}
div>svg{grid-area:1/1}.x{background:#000}.x>svg{mix-blend-mode:difference;background:#fff!important}</style>
<h1>${name}</h1>
${part("As it was", golden)}${part("As it is drawn now", drawn)}
<h2>Difference</h2><div class="x">${golden}${drawn}</div>`;
}

Deno.test("a chart that differs from its golden file leaves a page that shows both", () => {
  const name = "watermark_by_batch";
  const [svg] = svgsOf(charts[name]!());
  const page = new URL(`./golden/${name}-changed.html`, import.meta.url);
  ok(!isGolden(name, svg!.replace("<svg ", '<svg data-moved="1" ')));
  equal(Deno.readTextFileSync(page).match(/<svg /g)?.length, 4);
  ok(isGolden(name, svg!));
  ok(!existsSync(page), "it goes once the chart is as it was");
});

Deno.test("charts by window draw what a page carries of many windows, say so, and speak of all", () => {
  const [run] = runs as [Run];
  const many = 1000;
  const first = Number(run.kpi.getColumn("window_start").toArray()[0]);
  const instants = (name: string, offset: number) =>
    asTimestamps(doubles(name, Array.from({ length: many }, (_, i) => first + 1000 * i + offset)));
  const rows = pl.concat(Array.from({ length: many }, () => run.kpi.head(1)));
  const kpi = rows.withColumns(instants("window_start", 0), instants("window_end", 10_000));
  const window = { size: 10_000, slide: 1000, offset: 0 };
  for (const chart of [lostByWindow, precisionRecallByWindow, finality]) {
    const { "text/html": html, "text/plain": text } = chart(
      Array.from({ length: 3 }, () => ({ ...run, kpi, window, open: kpi.head(0) })),
    )[jupyterDisplay]();
    ok(html.length < 250_000, `${html.length} characters`);
    match(text, /Drawn are the first 80 of 1,000 windows\.$/);
  }
});
