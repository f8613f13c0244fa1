import { Checkpoint, hasStart, type QueryIdentity } from "./checkpoint/checkpoint.ts";
import { askOffsets } from "./core/source_calls.ts";
import type { Offsets, OutputMode, Sink, Source } from "./core/types.ts";
import { readsOf } from "./expressions.ts";
import { DEFAULTS, type ReadOptions, type WriteOptions } from "./options.ts";
import type { QueryParts } from "./micro_batch.ts";
import { Pipeline } from "./pipeline.ts";
import type { QueryPlan } from "./plan.ts";
import { StreamingQuery } from "./query.ts";
import { unlessStopped } from "./wait.ts";
import { typesOf } from "./windows/aggregation.ts";
import type { ColumnOrExpr } from "./windows/functions.ts";

/** Bytes from which a thread starts while the query opens. */
const THREAD_BYTES = 64 * 1024 * 1024;

/** The source and the sinks of each query that runs or starts: what two of them share stays open for both. */
const inUse: (Source | Sink)[] = [];

/**
 * Opens what a query consists of, once `check` finds nothing wrong, and starts it. If that throws, the
 * source and the sinks are closed.
 */
export async function startQuery(
  plan: QueryPlan,
  sink: Sink,
  writing: WriteOptions,
  check: () => void,
): Promise<StreamingQuery> {
  const { source, options: reading } = plan;
  const sinks = { result: sink, rejected: writing?.rejected, rows: writing?.rows?.sink };
  await using opened = new AsyncDisposableStack();
  const last = opened.use(new AsyncDisposableStack());
  for (const part of [source, ...Object.values(sinks)].filter((part) => part !== undefined)) {
    inUse.push(part);
    opened.defer(() => leave(part, part === source));
  }
  check();
  const { outputMode, checkpointLocation } = writing;
  const pipeline = opened.adopt(new Pipeline(plan, writing), (pipeline) => pipeline.close());
  if ((source.unreadBytes?.() ?? 0) >= THREAD_BYTES) pipeline.expectRows();
  // Before anything is written, since it may refuse; the source's id comes with its offsets.
  const end = hasStart(checkpointLocation) ? null : await startingOffsets(source, reading);
  const first = end ? { end, sourceId: source.identity } : undefined;
  const identity = identityOf(plan, outputMode);
  const checkpoint = await Checkpoint.open(checkpointLocation, identity, source.topic);
  last.defer(() => checkpoint.close().catch(() => {})); // after the sinks: it lets another query in
  const cursor = await checkpoint.cursor(first);
  const entry = await checkpoint.states.read(cursor.batchId - 1);
  const parts = { source, reading, pipeline, sinks, writing, checkpoint, cursor, entry };
  await openSinks(parts);
  return new StreamingQuery(parts, opened.move());
}

/** Closes what no other query uses, a source not for long; what fails to close is not told. */
async function leave(part: Source | Sink, isSource: boolean): Promise<void> {
  inUse.splice(inUse.indexOf(part), 1);
  if (inUse.includes(part)) return;
  const closing = Promise.try(() => part.close?.());
  await (isSource ? unlessStopped(closing, AbortSignal.abort()) : closing).catch(() => {});
}

/** Prepares the sinks; those beside the result under names of their own, so that no two can share a folder. */
async function openSinks(
  { checkpoint: { id }, sinks: { result, ...others }, cursor: { batchId, before } }: QueryParts,
): Promise<void> {
  await result.open?.(id, { batchId, isNew: batchId === 0 });
  for (const [name, sink] of Object.entries(others)) {
    const isNew = batchId === 0 || before.conf[name] !== sink?.description;
    await sink?.open?.(`${id}/${name}`, { batchId, isNew });
  }
}

/** Finds where a new query begins. Throws if `startingOffsets` names what is not there. */
async function startingOffsets(source: Source, options: ReadOptions): Promise<Offsets> {
  const {
    startingOffsets = DEFAULTS.startingOffsets,
    startingTimestamp: time,
    failOnDataLoss = DEFAULTS.failOnDataLoss,
  } = options;
  if (time !== undefined) return await askOffsets(source, "offsetsForTime", time);
  if (startingOffsets === "latest") return await askOffsets(source, "latestOffsets");
  const earliest = await askOffsets(source, "earliestOffsets");
  if (startingOffsets === "earliest") return earliest;
  const latest = await askOffsets(source, "latestOffsets");
  for (const [partition, given] of Object.entries(startingOffsets)) {
    const [first, end] = [earliest[partition], latest[partition]];
    if (first === undefined || end === undefined) {
      throw new RangeError(
        `startingOffsets names partition ${partition}: ${source.description} has none, only ` +
          Object.keys(latest).join(", "),
      );
    }
    if (given < 0 || !failOnDataLoss || (given >= first && given <= end)) continue;
    throw new RangeError(
      `startingOffsets says ${given} for partition ${partition}: ${source.description} has offsets ` +
        `${first} to ${end} there; begin at one of them, at -2 (earliest) or at -1 (latest)`,
    );
  }
  return Object.fromEntries(
    Object.entries(earliest).map(([partition, first]) => {
      const given = startingOffsets[partition] ?? -2;
      return [partition, given === -2 ? first : given === -1 ? latest[partition]! : given];
    }),
  );
}

/** A restart may change the delay, the model and the limits, but not what the state is made of. */
export function identityOf(
  { source, schema, timeColumn, aggregation }: QueryPlan,
  mode: OutputMode,
): QueryIdentity {
  const { window: { size, slide, offset }, keys, results } = aggregation;
  return {
    source: source.description,
    schema: schema.map(({ name, type }) => `${name} ${type}`).join(", "),
    window: `${size} ms over ${timeColumn}, slide ${slide} ms, start ${offset} ms`,
    keys: keys.map(({ name }) => name).join(", "),
    aggregates: results.map(({ name, kind, of }) => `${name} = ${kind}(${inputOf(of)})`).join(", "),
    types: typesOf(aggregation),
    outputMode: mode === "complete" ? "complete" : "append or update",
  };
}

/** Says what an aggregate reads; not how, which Polars may write another way. */
function inputOf(of: ColumnOrExpr = "*"): string {
  if (typeof of === "string") return of;
  const { columns } = readsOf(of);
  return columns === "any" ? "any column" : [...columns].sort().join(", ");
}
