import { join } from "node:path";
import pl, { type DataFrame } from "polars";
import type { StreamingQueryProgress } from "lib";
import { timeOf } from "../lib/core/progress.ts";
import { clock, count, type Displayable, many, paragraphs } from "./display.ts";

/** Lists what a checkpoint folder holds: its parts, the batches in each, and the newest file. */
export async function checkpointFiles(dir: string): Promise<DataFrame> {
  const rows = [];
  for (const part of ["metadata", "offsets", "state", "commits"]) {
    const isFolder = part !== "metadata";
    const names = isFolder ? await Array.fromAsync(Deno.readDir(join(dir, part))) : [];
    const ids = names.map(({ name }) => Number(name)).filter(Number.isInteger);
    const [first, last] = [Math.min(...ids), Math.max(...ids)];
    const newest = isFolder ? join(dir, part, String(last)) : join(dir, part);
    const text = (await Deno.readTextFile(newest)).replaceAll("\n", " ⏎ ");
    rows.push({ part, batches: isFolder ? `${first} … ${last}` : "", "newest file": cut(text) });
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
  const range = (["startOffset", "endOffset"] as const).map((at) =>
    Object.entries(Object.values(again.sources[0]![at])[0]!)
      .map(([partition, offset]) => `${partition}: ${count(offset)}`).join(", ")
  );
  const found = before.at(-1 - Number(isAgain))?.stateOperators[0]?.numRowsTotal ?? 0;
  const watermark = clock(timeOf(again.eventTime.watermark), 12);
  const [rows, whole] = [restarted, neverStopped].map((table) =>
    `${many(table.height, "window")} with ${count(Number(table.getColumn("n_txn").sum()))} rows`
  );
  const { read, counted, late, rejected, open } = after.at(-1)!.rows.total;
  const isComplete = read === counted + late + rejected + open;
  return paragraphs([
    `**Offsets.** The last batch before the stop was ${last.batchId}, the first after it ` +
    `${again.batchId}. ` + (isAgain
      ? `Its commit was missing, so it was **run again, exactly as planned**: from the offsets ` +
        `${range[0]} to ${range[1]} (exclusive), ${count(again.numInputRows)} rows, under the ` +
        `watermark that it had before, ${watermark}.`
      : `The commit of ${last.batchId} was there, so it was not run again: reading went on from ` +
        `the offsets ${range[0]}.`),
    `**State.** The restart found ${
      many(found, "open window")
    } in \`state/\`, as they were after ` +
    `the last committed batch, and went on counting from there.`,
    `**Output.** After the restart the folder holds ${rows}; the query that never stopped wrote ` +
    `${whole}. A file is named by its batch id, so a batch that runs again replaces its own file, ` +
    `and whoever reads \`*.parquet\` counts each window once. A sink that cannot replace what it ` +
    `had, such as a console, shows a repeated batch twice.`,
    `**${isComplete ? "Nothing is lost" : "Rows are lost"}.** Over both starts ${
      count(read)
    } rows ` +
    `were read, and ${count(counted)} counted + ${count(late)} late + ${
      count(rejected)
    } rejected + ` +
    `${count(open)} still open ${isComplete ? "=" : "≠"} ${count(read)}.`,
    `**In production.** Give each query a checkpoint of its own, on storage that outlives the ` +
    `machine, and keep checkpoint and output folder together: the engine refuses a folder that ` +
    `belongs to another checkpoint. Old batches are cleared away, so it does not grow for ever.`,
  ]);
}

function cut(text: string): string {
  return text.length > 90 ? `${text.slice(0, 89)}…` : text;
}
