import { existsSync } from "node:fs";
import { join } from "node:path";
import pl, { type DataFrame } from "polars";
import { timeOf } from "../lib/core/time.ts";
import { clock, count, type Displayable, many, paragraphs } from "./display.ts";
import { lostByRestart, type Restart } from "./restart.ts";
import { position } from "./run.ts";

/** Lists what a checkpoint folder holds: its parts, the batches in each, and the newest file. */
export async function checkpointFiles(dir: string): Promise<DataFrame> {
  const rows = [];
  for (const part of ["metadata", "offsets", "state", "commits"]) {
    const isFolder = part !== "metadata";
    const path = join(dir, part);
    const names = isFolder && existsSync(path) ? await Array.fromAsync(Deno.readDir(path)) : [];
    const ids = names.map(({ name }) => Number(name)).filter(Number.isInteger);
    const [first, last] = [Math.min(...ids), Math.max(...ids)];
    const newest = isFolder ? join(path, String(last)) : path;
    const text = isFolder && ids.length === 0 ? "" : await Deno.readTextFile(newest);
    const batches = !isFolder ? "" : ids.length === 0 ? "none" : `${first} … ${last}`;
    rows.push({ part, batches, "newest file": cut(text.replaceAll("\n", " ⏎ ")) });
  }
  return pl.DataFrame(rows);
}

/** Says what happened over a restart. */
export function checkpointAnalysis(restart: Restart): Displayable {
  const { before, after, table, open, neverStopped } = restart;
  const [last, again] = [before.at(-1), after[0]];
  if (last === undefined || again === undefined) {
    return paragraphs([
      "**The topic had too few rows** to stop a query in between: nothing was tested.",
    ]);
  }
  const isAgain = last.batchId === again.batchId;
  const range = (["startOffset", "endOffset"] as const).map((at) =>
    Object.entries(Object.values(again.sources[0]![at])[0]!)
      .map(([partition, offset]) => `${partition}: ${count(offset)}`).join(", ")
  );
  const found = before.at(-1 - Number(isAgain))?.stateOperators[0]?.numRowsTotal ?? 0;
  const watermark = timeOf(again.eventTime.watermark);
  const under = watermark > 0
    ? `under the watermark that it had before, ${clock(watermark, 12)}`
    : "before there was a watermark";
  const rows = (frame: DataFrame) =>
    `${many(frame.height, "window")} with ${
      count(Number(frame.getColumn("n_txn").sum() ?? 0))
    } rows`;
  const { read, counted, late, rejected, open: waiting } = after.at(-1)!.rows.total;
  const problems = lostByRestart(restart);
  const atStop = position(last.sources, "latestOffset");
  const grown = position(after.at(-1)!.sources, "endOffset") - atStop;
  return paragraphs([
    `**Offsets.** The last batch before the stop was ${last.batchId}, the first after it ` +
    `${again.batchId}. ` + (isAgain
      ? `Its commit was missing, so it was **run again, exactly as planned**: from the offsets ` +
        `${range[0]} to ${range[1]} (exclusive), ${many(again.numInputRows, "row")}, ${under}.`
      : `The commit of ${last.batchId} was there, so it was not run again: reading went on from ` +
        `the offsets ${range[0]}.`),
    `**State.** The restart found ${
      many(found, "open window")
    } in \`state/\`, as they were after ` +
    `the last committed batch, and went on counting from there.`,
    `**Output.** After the restart the folder holds ${rows(table)}` +
    (neverStopped ? `; the query that never stopped wrote ${rows(neverStopped)}` : "") +
    `. A file is named by its batch id, so a batch that runs again replaces its own file, ` +
    `and whoever reads \`*.parquet\` counts each window once. A sink that cannot replace what it ` +
    `had, such as a console, shows a repeated batch twice.`,
    problems.length === 0
      ? `**The restart lost nothing.** Counted anew from the topic, without the engine, each of the ` +
        `${
          many(table.height + open.height, "window")
        }, final or open, has the rows that came in time. Over both ` +
        `starts ${count(read)} were read = ${count(counted)} counted + ${count(late)} late + ` +
        `${count(rejected)} rejected + ${count(waiting)} still open. ` +
        (isAgain ? `${many(again.numInputRows, "row")} were read twice, and counted once. ` : "") +
        (grown > 0
          ? `The topic had ${many(atStop, "row")} at the stop; ${
            count(grown)
          } more came in while ` +
            `the query was down or ran again. `
          : "") +
        `Late rows would be late without a restart too; they are kept aside.`
      : `**The figures are wrong.** Counted anew from the topic: ${problems.join("; ")}.`,
    `**In production.** Give each query a checkpoint of its own, on storage that outlives the ` +
    `machine, and keep checkpoint and output folder together: the engine refuses a folder that ` +
    `belongs to another checkpoint. Old batches are cleared away, so it does not grow for ever.`,
  ]);
}

function cut(text: string): string {
  return text.length > 90 ? `${text.slice(0, 89)}…` : text;
}
