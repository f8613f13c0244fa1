/**
 * Takes over a KPI query from Spark: makes a checkpoint of ours from the offsets and watermarks of Spark's. Spark's
 * state is binary and is not read: its open windows are computed again from the topic, which still has their rows.
 */
import { join } from "node:path";
import { type DataFrame } from "polars";
import { type KpiSpec, openKpis, openSource, parseDuration, type Sink, windowSpec } from "lib";
import { Checkpoint } from "../../lib/checkpoint/checkpoint.ts";
import { lastWindowStart } from "../../lib/windows/window.ts";
import { timeOf } from "../../lib/core/time.ts";
import { newState } from "../../lib/windows/state.ts";
import type { Offsets } from "../../lib/core/types.ts";
import { makeFolder, readFile, syncFolder } from "../../lib/files.ts";
import { inspectCheckpoint } from "../../lab/inspect.ts";

const PARTS = ["sources", "offsets", "state", "commits", "metadata"];

/** A batch of Spark's, from its offsets and commits logs. */
export interface SparkBatch {
  readonly batchId: number;
  readonly end: Offsets; // exclusive
  readonly watermark: number; // epoch ms, what the batch evicts with
  readonly planned: number; // epoch ms
  /** The watermark after it; null if it was not committed. */
  readonly next: number | null;
}

/** What a takeover does. */
export interface Takeover {
  /** The last batch that Spark committed; ours begin after it. */
  readonly batchId: number;
  /** The range that is read again to compute the open windows. */
  readonly from: Offsets;
  readonly end: Offsets; // exclusive
  readonly watermark: number;
  readonly nextWatermark: number;
  /** Windows that begin before it may have rows at offsets the topic has lost; null if none is lost. */
  readonly incompleteBefore: number | null;
  /** A batch that Spark had planned, which runs again with the same offsets. */
  readonly planned: SparkBatch | undefined;
}

/**
 * Decides what is read again, from Spark's batches in order.
 *
 * A window that is open after the last committed batch was open in every batch before it, since a watermark never
 * falls: none of its rows was ever dropped as late. So its state is the sum of *all* its rows, and lateness need not
 * be computed again. Its rows cannot be arbitrarily far back: the rows of a batch and of all before it have an event
 * time of at most the watermark after that batch plus the delay.
 */
export function planTakeover(
  batches: readonly SparkBatch[],
  { spec, initial, earliest }: { spec: KpiSpec; initial: Offsets; earliest: Offsets },
): Takeover {
  const done = batches.filter(({ next }) => next !== null);
  const last = done.at(-1);
  if (last === undefined) {
    throw new RangeError(
      "Cannot take over: Spark has committed no batch. Start a new query with the spec's starting offsets",
    );
  }
  const window = windowSpec(spec.window, spec.slide === undefined ? {} : { slide: spec.slide });
  const delay = parseDuration(spec.watermark);
  let firstOpen = lastWindowStart(last.watermark, window);
  while (firstOpen - window.slide + window.size > last.watermark) firstOpen -= window.slide;
  const newest = ({ next }: SparkBatch) => next! + delay;
  const isNeeded = (batch: SparkBatch) =>
    spec.outputMode === "complete" || newest(batch) >= firstOpen;
  const wanted = done.filter((batch) => !isNeeded(batch)).at(-1)?.end ?? initial;
  const lost = Object.keys(wanted).filter((p) => (earliest[p] ?? Infinity) > wanted[p]!);
  const back = done.find(({ end }) => lost.every((p) => end[p]! >= (earliest[p] ?? Infinity)));
  return {
    batchId: last.batchId,
    from: Object.fromEntries(
      Object.entries(wanted).map(([p, offset]) => {
        return [p, Math.min(Math.max(offset, earliest[p] ?? offset), last.end[p]!)];
      }),
    ),
    end: last.end,
    watermark: last.watermark,
    nextWatermark: Math.max(last.watermark, last.next!),
    incompleteBefore: lost.length === 0 ? null : newest(back ?? last) + 1,
    planned: batches.find(({ batchId }) => batchId === last.batchId + 1),
  };
}

/** Reads the batches of a Spark checkpoint and where its first one began. */
export async function readSparkBatches(
  dir: string,
): Promise<{ queryId: string | null; batches: readonly SparkBatch[]; initial: Offsets }> {
  const found = await inspectCheckpoint(dir);
  if (found.writtenBy !== "Spark" || found.problems.length > 0) {
    throw new TypeError(
      `Cannot take over "${dir}": ${found.problems[0] ?? "it is no checkpoint of Spark's"}`,
    );
  }
  // Kafka's offsets stand in the log; a topic log that kpi_job.py copied has them beside the copies.
  const staged = async (place: string | number): Promise<Offsets> =>
    JSON.parse(await Deno.readTextFile(join(dir, "topic", "_offsets", String(place))));
  const offsets = async (source: unknown): Promise<Offsets> => {
    const { logOffset, ...topics } = source as { logOffset?: number };
    return logOffset === undefined ? Object.values(topics)[0] as Offsets : await staged(logOffset);
  };
  const batches = await Promise.all(found.batches.map(async (batch) => ({
    batchId: batch.batchId,
    end: await offsets(batch.end[0]),
    watermark: timeOf(batch.watermark),
    planned: timeOf(batch.planned),
    next: batch.nextWatermark === null ? null : timeOf(batch.nextWatermark),
  })));
  const first = found.initialOffsets as { path?: string };
  const initial = await (first?.path ? staged("start") : offsets(first));
  return { queryId: found.queryId, batches, initial };
}

/**
 * Makes `checkpoint` from Spark's checkpoint in `spark`: a start of the spec's query on it goes on after Spark's last
 * committed batch. Says with `print` what it does. Does nothing if the checkpoint is there already.
 */
export async function takeOver(
  spec: KpiSpec,
  { spark, checkpoint, sink, print = console.error }: {
    spark: string;
    checkpoint: string;
    sink: Sink;
    print?: (line: string) => void;
  },
): Promise<Takeover | undefined> {
  const building = join(checkpoint, "takeover");
  if (await readFile(join(checkpoint, "metadata")) !== undefined) return;
  const { queryId, batches, initial } = await readSparkBatches(spark);
  const source = await openSource(`${spec.source.kind}:${spec.source.address}`, spec.topic);
  const earliest = await source.earliestOffsets().finally(() => source.close());
  const plan = planTakeover(batches, { spec, initial, earliest });
  if (plan.incompleteBefore !== null && spec.failOnDataLoss !== false) {
    throw new RangeError(
      `Cannot take over: ${describeLoss(plan)} Go on without them with --fail-on-data-loss false`,
    );
  }
  for (const line of describeTakeover(plan, spec)) print(line);

  // What a takeover left that was cut off; "metadata" comes last and says that one is complete.
  await makeFolder(checkpoint);
  const isCutOff = Array.from(Deno.readDirSync(checkpoint)).some(({ name }) => name === "takeover");
  for (const name of isCutOff ? [...PARTS, "takeover"] : []) {
    if (name === "takeover") await syncFolder(checkpoint); // it tells of the others until they are gone
    await Deno.remove(join(checkpoint, name), { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  // The last committed batch, planned as one range from `from` on: the engine's rerun of it computes the state.
  const { kpis, model } = await openKpis(spec);
  const identity = kpis.identity(spec.outputMode);
  const { batchId, watermark, nextWatermark } = plan;
  // The query keeps its id: a takeover that was cut off after it claimed the sink finds its own claim.
  const open = () => Checkpoint.open(building, identity, spec.topic, queryId ?? undefined);
  const seed = await open();
  const conf = { takenOverFrom: "Spark" };
  const none = { read: 0, counted: 0, late: 0, rejected: 0 };
  const batchTimestampMs = batches.find((batch) => batch.batchId === batchId)!.planned;
  await seed.writeOffsets(-1, { end: plan.from });
  if (batchId > 0) {
    const before = { end: plan.from, batchWatermarkMs: 0, batchTimestampMs, conf };
    await seed.writeOffsets(batchId - 1, before);
    await seed.states.write(batchId - 1, { state: newState(), total: none });
    await seed.writeCommit(batchId - 1, { nextBatchWatermarkMs: 0 });
  }
  const range = { end: plan.end, batchWatermarkMs: watermark, batchTimestampMs, conf };
  await seed.writeOffsets(batchId, range);
  await seed.close();
  const rows: DataFrame[] = [];
  const rebuild = await kpis.writeStream({
    description: sink.description,
    addBatch: (_, closed) => Promise.resolve(void rows.push(closed)),
  }, { outputMode: spec.outputMode, checkpointLocation: building, trigger: "once" });
  await rebuild.awaitTermination();
  await model.close();

  const made = await open();
  const reached = (await made.cursor()).watermark;
  if (reached !== nextWatermark && plan.incompleteBefore === null) {
    await made.close();
    throw new RangeError(
      `Cannot take over: the topic's rows give the watermark ${
        new Date(reached).toISOString()
      } and Spark had ` +
        `${
          new Date(nextWatermark).toISOString()
        }. Is this its topic, and "${spec.watermark}" its delay?`,
    );
  }
  await made.writeCommit(batchId, { nextBatchWatermarkMs: nextWatermark });
  const { state } = await made.states.read(batchId);
  await made.states.write(batchId, { state, total: { ...none, read: state.rows } });
  if (plan.planned) {
    const { end, watermark: batchWatermarkMs, planned } = plan.planned;
    const next = { end, batchWatermarkMs, batchTimestampMs: planned, conf };
    await made.writeOffsets(batchId + 1, next);
  }
  if (sink.open) { // from now on the sink is this query's own
    await sink.open(made.id, { batchId: batchId + 1, isNew: true });
    await sink.addBatch(batchId, rows[0]!.limit(0));
  }
  await made.close();
  // "metadata" says that the checkpoint is complete: what it stands for is durable first.
  const move = (name: string) => Deno.rename(join(building, name), join(checkpoint, name));
  for (const name of PARTS.slice(0, -1)) await move(name);
  await syncFolder(checkpoint);
  await move("metadata");
  await syncFolder(checkpoint);
  await Deno.remove(building, { recursive: true });
  return plan;
}

/** Tells a takeover in words, one thing a line. */
export function describeTakeover(plan: Takeover, spec: KpiSpec): string[] {
  const { batchId, from, end, watermark, nextWatermark, planned, incompleteBefore } = plan;
  const time = (ms: number) => new Date(ms).toISOString();
  const open = spec.outputMode === "complete"
    ? "All windows"
    : `The windows that end after ${time(watermark)}`;
  return [
    `Spark committed batch ${batchId}; the next watermark is ${time(nextWatermark)}`,
    `${open} were open: they are computed again from ${JSON.stringify(from)} to ${
      JSON.stringify(end)
    }, taking "${spec.watermark}" for the delay that Spark had`,
    ...incompleteBefore === null ? [] : [describeLoss(plan)],
    ...planned === undefined ? [] : [
      `Batch ${planned.batchId} was planned but not committed: it runs again here, with the same offsets. If Spark's ` +
      `output holds it already (_spark_metadata/${planned.batchId}), leave that out when you join the two`,
    ],
  ];
}

function describeLoss({ incompleteBefore, from }: Takeover): string {
  return `the topic begins at ${
    JSON.stringify(from)
  } and has lost rows from before. Windows that begin before ${
    new Date(incompleteBefore!).toISOString()
  } may miss some of them.`;
}
