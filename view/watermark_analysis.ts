import type { DataFrame } from "polars";
import { timeOf } from "../lib/core/progress.ts";
import { count, type Displayable, many, paragraphs, percent, seconds } from "./display.ts";
import { closingOf, median, type Run } from "./run.ts";

/** Returns the sums of a KPI table, and the ratios made from them, as its row of totals. */
export function totals(kpi: DataFrame): Record<string, number | null> {
  const sum = (name: string) => Number(kpi.getColumn(name).sum() ?? 0);
  const names = ["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"];
  const ratio = (part: string, whole: string) => sum(whole) > 0 ? sum(part) / sum(whole) : null;
  return {
    ...Object.fromEntries(names.map((name) => [name, sum(name)])),
    precision: ratio("tp", "n_alert"),
    recall: ratio("tp", "n_fraud_true"),
  };
}

/** Says in a sentence a run what its watermark lost, and how long its windows took to be final. */
export function shortAnswer(runs: readonly Run[], restart: string): Displayable {
  return paragraphs([
    ...runs.map(factsOf).map(({ watermark, lost, frauds, written }) =>
      `**Waiting ${watermark}** lost ${lost}, ${frauds}. ${written}`
    ),
    `**The restart.** ${restart}`,
  ]);
}

/** Says what each watermark cost and gave in these runs, the first run against the last. */
export function watermarkAnalysis(runs: readonly Run[]): Displayable {
  const facts = runs.map(factsOf);
  const [short, long] = [facts[0]!, facts.at(-1)!];
  const kept = `kept ${count(short.late - long.late)} rows that ${short.watermark} lost`;
  const bought = short.read === long.read
    ? kept
    : `lost ${long.share} of its rows, not ${short.share}`;
  const longer = long.waitMs > short.waitMs ? seconds(long.waitMs - short.waitMs) : "longer";
  const states = facts.map(({ maxOpen }) => maxOpen).join(" or ");
  return paragraphs([
    ...facts.flatMap(({ watermark, lost, frauds, windows, behind, written, span, maxOpen }) => [
      `**Watermark ${watermark}.** ${lost} came after their window was closed and were dropped, ` +
      `${frauds}. They belonged to ${windows}.${behind}`,
      `${written} It is more than ${watermark}, since the watermark moves only between batches, and a ` +
      `batch spans ${span} of event time (median). At most ${
        many(maxOpen, "window")
      } were open at once.`,
    ]),
    `**What the longer wait bought.** ${long.watermark} ${bought}, and made readers wait ${longer} ` +
    `more for a final window. Part of the price are the windows still open at the end: ` +
    `${count(long.open)} rows were not final yet under ${long.watermark}, ${
      count(short.open)
    } under ` +
    `${short.watermark}.`,
    `**What to choose.** The shorter one where a figure is read at once and a loss of ` +
    `${short.share} changes no decision, such as a live dashboard. The longer one where each row ` +
    `counts, such as a fraud report. What it still loses (${long.share}) is kept aside and can be ` +
    `added later. State is no argument here: ${states} open windows are a few numbers each.`,
  ]);
}

function factsOf(run: Run) {
  const { watermark, progress, late: rows, kpi } = run;
  const { read, late, open } = progress.at(-1)!.rows.total;
  const column = (name: string) => late > 0 ? [...rows.getColumn(name).toArray()] : [];
  const frauds = column("value").filter((text) => /"Class":\s*1\b/.test(String(text))).length;
  const behindMs = column("late_by_ms").map(Number);
  const waitMs = median(
    kpi.getColumn("window_end").toArray().map((end) =>
      closingOf(run, Number(end)).at - Number(end)
    ),
  );
  const newest = progress.flatMap(({ eventTime }) => timeOf(eventTime.max) || []);
  return {
    watermark,
    read,
    late,
    lost: `${count(late)} of ${count(read)} rows (${percent(late / read)})`,
    share: percent(late / read),
    frauds: `${frauds === 0 ? "none" : count(frauds)} of them ${frauds > 1 ? "frauds" : "a fraud"}`,
    windows: many(new Set(column("window_start").map(Number)).size, "window"),
    behind: late > 0
      ? ` The watermark of their batch was ${
        seconds(median(behindMs))
      } ahead of their event time ` +
        `(median), ${seconds(Math.max(...behindMs))} at most.`
      : "",
    waitMs,
    written: kpi.height > 0
      ? `A window was final when event time had gone ${seconds(waitMs)} past its end (median).`
      : "No window became final.",
    span: seconds(median(newest.slice(1).map((time, i) => time - newest[i]!))),
    maxOpen: Math.max(...progress.map(({ stateOperators }) => stateOperators[0]!.numRowsTotal)),
    open,
  };
}
