/**
 * Hands a KPI query of ours over to Spark. Spark's state files are binary, so the windows that were open are computed
 * again: Spark starts at the offsets from which they have all their rows, and leaves out the windows that were final.
 */
import { join } from "node:path";
import { type KpiSpec, openSource } from "lib";
import type { Offsets } from "../../lib/core/types.ts";
import { makeFolder, readFile, writeFile } from "../../lib/files.ts";
import { inspectCheckpoint } from "../../lab/inspect.ts";
import { planTakeover, type SparkBatch } from "./takeover.ts";

/** What kpi_job.py reads from `handover.json` in its checkpoint. */
export interface HandOver {
  readonly startingOffsets: Offsets;
  /** Windows that end at or before it are final here, epoch ms; null if all windows are Spark's. */
  readonly finalUntil: number | null;
}

/**
 * Writes `handover.json` into Spark's checkpoint, from a checkpoint of ours that no query has open, and says with
 * `print` what it does. Does nothing if it is there already.
 */
export async function handOver(
  spec: KpiSpec,
  { from, checkpoint, print = console.error }: {
    /** Our checkpoint. */
    from: string;
    /** Spark's. */
    checkpoint: string;
    print?: (line: string) => void;
  },
): Promise<HandOver | undefined> {
  const file = join(checkpoint, "handover.json");
  if (await readFile(file) !== undefined) return;
  if (await readFile(join(checkpoint, "metadata")) !== undefined) {
    throw new RangeError(
      `Cannot hand over: "${checkpoint}" is the checkpoint of a query that has begun. Give --checkpoint a new folder`,
    );
  }
  const found = await inspectCheckpoint(from);
  if (found.writtenBy !== "this program" || found.problems.length > 0 || found.restart === null) {
    throw new TypeError(
      `Cannot hand over "${from}": ${
        found.problems[0] ?? "it is no checkpoint of deno task kpi's"
      }`,
    );
  }
  if (found.restart.rerun) {
    throw new RangeError(
      `Cannot hand over "${from}": batch ${found.restart.batchId} was planned but not committed. ` +
        "Run deno task kpi on it once more with --trigger available-now",
    );
  }
  const offsets = (source: unknown) => Object.values(source as object)[0] as Offsets;
  const batches = found.batches.map((batch): SparkBatch => ({
    batchId: batch.batchId,
    end: offsets(batch.end[0]),
    watermark: Date.parse(batch.watermark),
    planned: Date.parse(batch.planned),
    next: batch.nextWatermark === null ? null : Date.parse(batch.nextWatermark),
  }));
  const source = await openSource(`${spec.source.kind}:${spec.source.address}`, spec.topic);
  const earliest = await source.earliestOffsets().finally(() => source.close());
  if (found.initialOffsets === null) throw new TypeError(`"${from}" has lost its file sources/0/0`);
  const initial = offsets(found.initialOffsets);
  const plan = planTakeover(batches, { spec, initial, earliest });
  if (plan.incompleteBefore !== null) {
    throw new RangeError(
      `Cannot hand over: the topic has lost rows of windows that are open, those from before ${
        new Date(plan.incompleteBefore).toISOString()
      }. Let deno task kpi close them first`,
    );
  }
  const finalUntil = spec.outputMode === "complete" ? null : plan.watermark;
  // Spark wants every partition named; those that came later are read from their beginning.
  const made: HandOver = { startingOffsets: { ...earliest, ...plan.from }, finalUntil };
  await makeFolder(checkpoint);
  await writeFile(file, JSON.stringify(made));
  print(
    `Batch ${plan.batchId} was the last one here. Spark reads from ${
      JSON.stringify(plan.from)
    } on` +
      (finalUntil === null
        ? ", where all windows begin"
        : ` and writes the windows that end after ${new Date(finalUntil).toISOString()}`),
  );
  return made;
}
