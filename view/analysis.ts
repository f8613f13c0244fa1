import { join } from "node:path";
import pl, { type DataFrame } from "polars";
import type { Source, SourceProgress, StreamingQueryProgress } from "lib";
import { clock, count, type Displayable, displayable, html, percent } from "./display.ts";
import { closingOf, type Run } from "./run.ts";

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

/** Says what each watermark cost and gave in these runs, the first run against the last. */
export function watermarkAnalysis(runs: readonly Run[]): Displayable {
  const facts = runs.map(factsOf);
  const [short, long] = [facts[0]!, facts.at(-1)!];
  return paragraphs([
    ...facts.map((fact) =>
      `**Watermark ${fact.watermark}.** ${count(fact.late)} of ${count(fact.read)} rows ` +
      `(${
        percent(fact.late / fact.read)
      }) came after their window was closed, in ${fact.windows} ` +
      `windows; ${fact.frauds} of them ${fact.frauds === 1 ? "was a fraud" : "were frauds"}. ` +
      `${fact.lateness} A window was written when event time had gone ${
        seconds(fact.waitMs)
      } past ` +
      `its end (median), and up to ${fact.maxOpen} windows were open at once.`
    ),
    `**What the longer wait bought.** ${long.watermark} kept ` +
    `${count(short.late - long.late)} rows that ${short.watermark} lost, and made readers wait ` +
    `${
      seconds(long.waitMs - short.waitMs)
    } longer for each final window. The open windows at the ` +
    `end are part of the price: ${count(long.open)} rows were still not final under ` +
    `${long.watermark}, ${count(short.open)} under ${short.watermark}.`,
    `**What to choose.** The shorter one where a figure is read at once and a loss of ` +
    `${
      percent(short.late / short.read)
    } does not change a decision, such as a live dashboard. The ` +
    `longer one where each row counts, such as a fraud report; the rows it loses ` +
    `(${
      percent(long.late / long.read)
    }) are kept aside and can be added later. State is no argument ` +
    `here: ${short.maxOpen} or ${long.maxOpen} open windows are a few numbers each.`,
  ]);
}

function factsOf(run: Run) {
  const { watermark, progress, late, kpi } = run;
  const { read, late: dropped, open } = progress.at(-1)!.rows.total;
  const behind = dropped > 0 ? late.getColumn("late_by_ms").toArray().map(Number) : [];
  const isFraud = (text: unknown) => /"Class":\s*1\b/.test(String(text));
  const ends = kpi.getColumn("window_end").toArray().map(Number);
  const waitMs = median(ends.map((end) => closingOf(run, end).at - end));
  return {
    watermark,
    read,
    late: dropped,
    open,
    windows: dropped > 0 ? late.getColumn("window_start").nUnique() : 0,
    frauds: dropped > 0 ? late.getColumn("value").toArray().filter(isFraud).length : 0,
    lateness: dropped > 0
      ? `Their event times lay ${seconds(median(behind))} behind the watermark (median), ` +
        `${seconds(Math.max(...behind))} at most.`
      : "",
    waitMs,
    maxOpen: Math.max(...progress.map(({ stateOperators }) => stateOperators[0]!.numRowsTotal)),
  };
}

/**
 * Reads the event times of some rows of a topic, one in `every`, with the batch that took them:
 * columns event_time and batch_id. Rows without a readable event time are left out.
 */
export async function sampleEvents(
  source: Source,
  { progress }: Run,
  { every = 60 }: { every?: number } = {},
): Promise<DataFrame> {
  const rows: { event_time: Date; batch_id: number }[] = [];
  for (const { batchId, sources } of progress) {
    const [{ startOffset, endOffset }] = sources as [SourceProgress];
    const [start, end] = [startOffset, endOffset].map((at) => at[source.topic]!);
    for (const { bytes, starts, ends } of await source.getBatch(start!, end!)) {
      for (let i = batchId % every; i < starts.length; i += every) {
        const text = new TextDecoder().decode(bytes.subarray(starts[i], ends[i]));
        const time = Date.parse(/"event_time":\s*"([^"]+)"/.exec(text)?.[1] ?? "");
        if (!Number.isNaN(time)) rows.push({ event_time: new Date(time), batch_id: batchId });
      }
    }
  }
  return pl.DataFrame(rows);
}

/** Lists what a checkpoint folder holds: its parts, the batches in each, and the newest file. */
export async function checkpointFiles(dir: string): Promise<DataFrame> {
  const rows = [];
  for (const part of ["metadata", "offsets", "state", "commits"]) {
    const isFolder = part !== "metadata";
    const names = isFolder ? (await Array.fromAsync(Deno.readDir(join(dir, part)))) : [];
    const ids = names.map(({ name }) => Number(name)).filter(Number.isInteger).sort((a, b) =>
      a - b
    );
    const newest = isFolder ? join(dir, part, String(ids.at(-1))) : join(dir, part);
    rows.push({
      part,
      batches: isFolder ? `${ids[0]} … ${ids.at(-1)}` : "",
      "newest file": shortened((await Deno.readTextFile(newest)).replaceAll("\n", " ⏎ ")),
    });
  }
  return pl.DataFrame(rows);
}

/** Says what happened over a restart: `before` and `after` are the batches on either side of it. */
export function checkpointAnalysis({ before, after, restarted, neverStopped }: {
  before: readonly StreamingQueryProgress[];
  after: readonly StreamingQueryProgress[];
  restarted: DataFrame;
  neverStopped: DataFrame;
}): Displayable {
  const [last, again] = [before.at(-1)!, after[0]!];
  const isAgain = last.batchId === again.batchId;
  const offsets = (p: StreamingQueryProgress, at: "startOffset" | "endOffset") =>
    JSON.stringify(Object.values(p.sources[0]![at])[0]);
  const rows = (table: DataFrame) => Number(table.getColumn("n_txn").sum());
  const total = after.at(-1)!.rows.total;
  return paragraphs([
    `**Offsets.** The last batch before the stop was ${last.batchId}, the first after it ` +
    `${again.batchId}. ` + (isAgain
      ? `Its commit was missing, so the batch was **run again, exactly as planned**: from offsets ` +
        `${offsets(again, "startOffset")} to ${offsets(again, "endOffset")}, ` +
        `${count(again.numInputRows)} rows, under the watermark ` +
        `${
          clock(Date.parse(again.eventTime.watermark!), 12)
        } it had before. "No replay" would be ` +
        `false; what holds is that a replay changes nothing.`
      : `Its commit was there, so it was not run again: reading went on at ` +
        `${offsets(again, "startOffset")}.`),
    `**State.** The restart found ${
      before.at(-1 - Number(isAgain))?.stateOperators[0]!.numRowsTotal ?? 0
    } ` +
    `open windows in \`state/\`, as they were after the last committed batch, and went on from there.`,
    `**Output.** A file of the parquet folder bears its batch id, so the repeated batch replaced its ` +
    `own file: ${restarted.height} windows with ${count(rows(restarted))} transactions, against ` +
    `${neverStopped.height} windows with ${
      count(rows(neverStopped))
    } of the query that never stopped. ` +
    `A sink that cannot replace what it had, such as a console, would have shown it twice.`,
    `**Nothing lost.** Over both starts: ${count(total.read)} rows read = ${
      count(total.counted)
    } ` +
    `counted + ${count(total.late)} late + ${count(total.rejected)} rejected + ${
      count(total.open)
    } ` +
    `still open.`,
    `**In production.** Give each query a checkpoint of its own on storage that outlives the machine, ` +
    `and keep output folder and checkpoint together: the engine refuses a folder that belongs to ` +
    `another checkpoint. The checkpoint remembers the last 100 batches and does not grow beyond them.`,
  ]);
}

/** Shows paragraphs of text in which **bold** and \`code\` are marked; everything else is escaped. */
function paragraphs(texts: readonly string[]): Displayable {
  const marked = (text: string) =>
    html(text).replace(/\*\*(.+?)\*\*/g, "<b>$1</b>").replace(/`(.+?)`/g, "<code>$1</code>");
  const page = texts.map((text) => `<p>${marked(text)}</p>`).join("\n");
  return displayable(`<div style="max-width:760px">${page}</div>`, texts.join("\n\n"));
}

function shortened(text: string): string {
  return text.length > 90 ? `${text.slice(0, 89)}…` : text;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

function seconds(ms: number): string {
  return `${count(ms / 1000, 1)} s`;
}
