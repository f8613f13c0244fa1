import { parseDuration } from "lib";
import { timeOf } from "../lib/core/time.ts";
import { count, type Displayable, many, paragraphs, percent, seconds } from "./display.ts";
import { labelOf } from "./experiment.ts";
import { countFrauds } from "./messages.ts";
import {
  closingOf,
  commonStarts,
  finalIn,
  isOverlapping,
  lossOf,
  nameOf,
  type Run,
  totalsOf,
} from "./run.ts";
import { greatest, median } from "./statistics.ts";

/** What one pass over a topic says of every delay. */
export interface Advice {
  /** Which delays give the table of each run, a sentence or nothing. */
  readonly alike: readonly string[];
  /** What to choose, in paragraphs. */
  readonly advice: readonly string[];
}

/** Says in a sentence a run what its watermark lost, and how long its windows took to be final. */
export function shortAnswer(
  runs: readonly Run[],
  restart: string,
  { alike, advice }: Advice = { alike: [], advice: [] },
): Displayable {
  const isAnyCounted = runs.some((run) => totalsOf(run).read > totalsOf(run).rejected);
  return paragraphs([
    ...tooSmallFor(runs),
    ...(isAnyCounted ? factsOf(runs) : []).map(({ name, lost, frauds, written }, i) =>
      `**Waiting ${name}** lost ${lost}${frauds}. ${[written, alike[i] ?? ""].join(" ").trim()}`
    ),
    `**The restart.** ${restart}`,
    ...advice,
  ]);
}

/** Says what each watermark cost and gave in these runs, and what the longest gave over the shortest. */
export function watermarkAnalysis(runs: readonly Run[]): Displayable {
  const facts = factsOf(runs);
  return paragraphs([
    ...facts.flatMap((fact) => [
      `**Watermark ${fact.name}.** ${fact.lost} came after their window was closed and were ` +
      `dropped${fact.frauds}.${fact.windows}${fact.behind}`,
      `${fact.written} ${fact.longer}${fact.maxOpen}`,
    ]),
    ...runs.some(({ keyed }) => keyed !== undefined)
      ? []
      : ["An open window is a few numbers: state is no argument here."],
    ...comparison(facts),
    ...tooSmallFor(runs),
  ]);
}

/** Says what the rows are too few, too short in time or too unreadable to show. */
export function tooSmallFor(runs: readonly Run[]): string[] {
  const [run] = runs;
  if (run === undefined || runs.some(({ interrupted }) => interrupted !== undefined)) return [];
  const { messages, rejected, read } = totalsOf(run);
  if (messages === 0) {
    return ["**The topic is empty.** There is nothing to count, to lose or to compare."];
  }
  if (rejected === read) {
    return [
      `**None of the ${many(messages, "message")} could be counted.** Each lacks an event time ` +
      `that can be read: \`watermark_${labelOf(run.watermark)}_aside\` has the reasons.`,
    ];
  }
  const batches = run.progress.filter(({ numInputRows }) => numInputRows > 0).length;
  const texts: string[] = [];
  if (batches < 3) {
    texts.push(
      `**Too few batches to tell watermarks apart.** A row can be late from the third batch on, and ` +
        `the ${many(messages, "row")} came in ${many(batches, "batch", "batches")}: lower ` +
        `\`offsetsPerTrigger\`.`,
    );
  }
  const [none, ...others] = runs.filter(({ kpi }) => kpi.height === 0);
  if (none !== undefined) {
    const newest = newestOf(none);
    const oldest = Number(none.open.getColumn("window_start").toArray()[0] ?? newest);
    texts.push(
      `**Too short for a final window** under ${[none, ...others].map(nameOf).join(", ")}: event ` +
        `time must go past the end of a window, ${seconds(none.window.size)} long, by the delay, ` +
        `and after the batch that tells so there must be another. The rows end ` +
        `${seconds(Math.max(0, newest - oldest))} after the start of the first window.`,
    );
  }
  return texts;
}

/** Fewer lost frauds than this say nothing about a watermark. */
const FEW = 5;

type Facts = ReturnType<typeof factsOf>[number];

function comparison(facts: readonly Facts[]): string[] {
  const byDelay = facts.toSorted((a, b) => a.delay - b.delay);
  const [short, long] = [byDelay[0], byDelay.at(-1)];
  if (short === undefined || long === undefined || short === long) {
    return ["**One watermark** compares with nothing: name another one in `watermarks`."];
  }
  if (!facts.every(({ hasFinal }) => hasFinal)) return [];
  const bought = short.batches === long.batches
    ? `kept ${
      count(long.counted - short.counted)
    } ${short.unit} that ${short.name} lost, ${short.final}`
    : `lost ${long.share} of its ${long.unit}, ${short.name} ${short.share}, in batches of their own`;
  const longer = long.waitMs > short.waitMs ? seconds(long.waitMs - short.waitMs) : "no time";
  const open = `Part of the price are the windows still open at the end: ${count(long.open)} ` +
    `${long.unit} were not final yet under ${long.name}, ${count(short.open)} under ${short.name}.`;
  if (short.late === 0) {
    return [
      `**What the longer wait bought.** Nothing here: ${short.name} lost no row either. It made ` +
      `readers wait ${longer} more for a final window. ${open}`,
    ];
  }
  return [
    `**What the longer wait bought.** ${long.name} ${bought}, and made readers wait ${longer} ` +
    `more for a final window. ${open}`,
    `**Which of them?** The shorter one where a figure is read at once and a loss of ` +
    `${short.share} changes no decision, such as a live dashboard. The longer one where each row ` +
    `counts, such as a fraud report. ` +
    (long.late === 0
      ? "It lost none here."
      : `What it still loses (${long.share}) is kept aside and can be added later.`),
  ];
}

function newestOf({ progress }: Run): number {
  return greatest(progress.map(({ eventTime }) => timeOf(eventTime.max) || -Infinity));
}

function factsOf(runs: readonly Run[]) {
  const common = commonStarts(runs);
  return runs.map((run) => factsOfOne(run, common, finalIn(runs)));
}

/** What is compared with another run is counted in `common` windows, those that are final in every run. */
function factsOfOne(run: Run, common: ReadonlySet<number>, final: string) {
  const { watermark, progress, late: rows, kpi } = run;
  const { late, open } = totalsOf(run);
  const loss = lossOf(run);
  const column = (name: string) => rows.height > 0 ? [...rows.getColumn(name).toArray()] : [];
  const lateIn = column("window_start").map(Number);
  const values = column("value") as (string | null)[];
  const lostFrauds = countFrauds(values.filter((_, i) => common.has(lateIn[i]!)));
  const starts = kpi.getColumn("window_start").toArray().map(Number);
  const inCommon = (name: string) =>
    kpi.getColumn(name).toArray()
      .reduce((sum: number, n, i) => common.has(starts[i]!) ? sum + Number(n) : sum, 0);
  const frauds = inCommon("n_fraud_true") + lostFrauds;
  const waits = kpi.getColumn("window_end").toArray().map(Number)
    .map((end) => closingOf(run, end).at - end);
  const waitMs = median(waits);
  const newest = progress.flatMap(({ eventTime }) => timeOf(eventTime.max) || []);
  const spans = newest.slice(1).map((time, i) => time - newest[i]!);
  const windows = new Set(lateIn).size;
  const behind = column("late_by_ms").map(Number);
  const isSliding = isOverlapping(run);
  const unit = isSliding ? "counts of a row in a window" : "rows";
  return {
    name: nameOf(run),
    delay: parseDuration(watermark),
    batches: JSON.stringify(dataBatches(run)),
    late,
    unit,
    lost: loss.words,
    share: percent(loss.share),
    final,
    counted: inCommon("n_txn"),
    // Of rows that were late for some of their windows only, no message is kept.
    frauds: isSliding || common.size === 0 || late === 0
      ? ""
      : `; ${final} it lost ${count(lostFrauds)} of ${many(frauds, "fraud")}` +
        (lostFrauds < FEW ? ", too few to compare" : ""),
    windows: late === 0 || isSliding
      ? ""
      : ` The rows lost belonged to ${many(windows, "window")}.`,
    behind: behind.length > 0
      ? ` The watermark by which they were judged was ${seconds(median(behind))} ahead of their ` +
        `event time (median), ${seconds(greatest(behind))} at most.`
      : "",
    hasFinal: kpi.height > 0,
    waitMs,
    written: kpi.height > 0
      ? `A window was final when event time had gone ${seconds(waitMs)} past its end (median).`
      : "No window became final.",
    longer: kpi.height > 0 && newest.length > 1
      ? `It is more than ${watermark}, since the watermark moves only between batches, and a ` +
        `batch spans ${seconds(median(spans))} of event time (median), ${
          seconds(greatest(spans))
        } at ` +
        `most. `
      : "",
    maxOpen: mostOpen(run),
    open,
  };
}

/** Says how much state a run kept at most. */
function mostOpen({ progress, keyed }: Run): string {
  const most = greatest([
    0,
    ...progress.map(({ stateOperators: [state] }) => state!.numRowsTotal + state!.numRowsRemoved),
  ]);
  const [noun, of] = keyed === undefined ? ["window", ""] : ["group", " of a window and a key"];
  return `At most ${many(most, noun)}${of} ${most === 1 ? "was" : "were"} open at once, counting ` +
    "those that a batch is about to close.";
}

/** Returns where each batch with rows ended: two runs with the same list read the same batches. */
export function dataBatches({ progress }: Run): string[] {
  return progress.filter(({ numInputRows }) => numInputRows > 0)
    .map(({ sources }) => JSON.stringify(Object.values(sources[0]!.endOffset)));
}
