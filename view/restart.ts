import type { DataFrame } from "polars";
import type { Offsets, Source, StreamingQueryProgress, WindowSpec } from "lib";
import { timeOf } from "../lib/core/time.ts";
import { lastWindowStart } from "lib";
import { eventTimesOf } from "./messages.ts";
import { count, many } from "./display.ts";

type Batches = readonly StreamingQueryProgress[];

/** A query that was stopped and went on from its checkpoint. */
export interface Restart {
  readonly before: Batches;
  readonly after: Batches;
  /** The final windows, and those still open at the end. */
  readonly table: DataFrame;
  readonly open: DataFrame;
  /** What the topic gives for these batches when it is counted without the engine. */
  readonly recount: Recount;
  /** The table of a query that was never stopped, where it reads the same batches. */
  readonly neverStopped?: DataFrame;
  readonly interrupted?: string;
}

/** Rows of a topic, counted anew. Where windows overlap, `counts` and `late` have a row once in each. */
export interface Recount {
  /** Rows in time by window start, epoch ms. */
  readonly counts: ReadonlyMap<number, number>;
  readonly late: number;
  readonly rejected: number;
}

/** Returns the batches of both starts in their order; one that ran twice once, as it ran last. */
export function allBatches({ before, after }: Pick<Restart, "before" | "after">): Batches {
  const byId = new Map([...before, ...after].map((batch) => [batch.batchId, batch]));
  return [...byId.values()].sort((a, b) => a.batchId - b.batchId);
}

/**
 * Counts the rows of the batches from the topic itself, each in the windows that were not closed when it
 * came: those that end after the watermark of the batch before.
 */
export async function recount(
  source: Source,
  { batches, window }: { readonly batches: Batches; readonly window: WindowSpec },
): Promise<Recount> {
  const counts = new Map<number, number>();
  let [late, rejected, watermark] = [0, 0, 0];
  for (const { sources, eventTime } of batches) {
    const [start, end] = (["startOffset", "endOffset"] as const)
      .map((at) => sources[0]![at][source.topic]!) as [Offsets, Offsets];
    for (const time of eventTimesOf(await source.getBatch(start, end))) {
      if (Number.isNaN(time)) rejected++;
      else {
        const last = lastWindowStart(time, window);
        for (let from = last; from + window.size > time; from -= window.slide) {
          if (from + window.size <= watermark) late++;
          else counts.set(from, (counts.get(from) ?? 0) + 1);
        }
      }
    }
    watermark = timeOf(eventTime.watermark) || watermark;
  }
  return { counts, late, rejected };
}

/** Says what the restart lost, counted twice or skipped; nothing if every row is where it should be. */
export function lostByRestart(restart: Restart): string[] {
  const { table, open, recount: { counts, late, rejected }, after, neverStopped } = restart;
  const problems: string[] = [];
  const batches = allBatches(restart);
  batches.slice(1).forEach(({ batchId, sources }, i) => {
    const [end, start] = [batches[i]!.sources[0]!.endOffset, sources[0]!.startOffset];
    if (JSON.stringify(end) !== JSON.stringify(start)) {
      problems.push(`batch ${batchId} did not begin where the one before it ended`);
    }
  });
  const counted = new Map<number, number>();
  for (const frame of [table, open]) {
    const [starts, n] = ["window_start", "n_txn"].map((name) => frame.getColumn(name).toArray());
    starts!.forEach((start, i) =>
      counted.set(Number(start), (counted.get(Number(start)) ?? 0) + Number(n![i]))
    );
  }
  const wrong = [...new Set([...counts.keys(), ...counted.keys()])]
    .filter((start) => counts.get(start) !== counted.get(start)).length;
  if (wrong > 0) problems.push(`${many(wrong, "window")} of the table differ from the topic`);
  const total = after.at(-1)?.rows.total;
  if (total && (total.late !== late || total.rejected !== rejected)) {
    problems.push(
      `${count(total.late)} late and ${count(total.rejected)} rejected rows are reported, ` +
        `the topic has ${count(late)} and ${count(rejected)}`,
    );
  }
  if (neverStopped && !table.frameEqual(neverStopped)) {
    problems.push("the table is not that of a query that was never stopped");
  }
  return problems;
}

/** Says in a sentence what a stop, a missing commit and a restart did to the figures. */
export function restartSentence(restart: Restart): string {
  const { before, after, recount: { counts }, neverStopped } = restart;
  const [last, first] = [before.at(-1), after[0]];
  const problems = lostByRestart(restart);
  if (last === undefined || first === undefined) {
    return "The topic had too few rows to stop in between: nothing was tested.";
  }
  const what = last.batchId === first.batchId
    ? `Batch ${last.batchId}, whose commit was taken away as a crash would, ran again and read ` +
      `${many(first.numInputRows, "row")} twice`
    : `Batch ${first.batchId} came next`;
  if (problems.length > 0) return `${what}, and the figures are wrong: ${problems.join("; ")}.`;
  const windows = counts.size === 1 ? "the window has" : `each of the ${counts.size} windows has`;
  return `${what}; nothing was lost or counted twice: ${windows} the rows that the topic has for it, ` +
    `late ones aside` +
    (neverStopped ? ", and the table equals that of a query that was never stopped." : ".");
}
