import type { Group } from "./windows/state.ts";
import type { StreamingQueryProgress } from "./progress.ts";
import { isoTime, timeOf } from "./core/time.ts";
import type { Pipeline } from "./pipeline.ts";

/** Batches without news after which a partition is called idle and a watermark stuck. */
const PATIENCE = 5;

/**
 * Says in words why windows are written or not: a line for each of the last batches, what sets the
 * watermark, which window closes next and what event time it waits for, and what is out of the ordinary.
 */
export function explain(
  progress: readonly StreamingQueryProgress[],
  { mode, size, delay }: Pick<Pipeline, "mode" | "size" | "delay">,
  groups: readonly Group[],
): string {
  const [last] = progress.slice(-1);
  if (last === undefined) return "No batch has run yet.";
  if (mode === "complete") {
    return "In complete mode each batch writes all windows; none is ever final.";
  }
  if (delay === null) return "There is no watermark, so no window is ever final.";
  // In ascending order, so that the greatest stays.
  const newest = new Map(progress.flatMap(newestOf).sort(([, a], [, b]) => a - b));
  const [partition, time] = greatest([...newest].sort());
  const mark = Math.max(watermarkOf(last), time - delay);
  const next = groups.toSorted((a, b) => a.start - b.start)[0];
  const until = next ? next.start + size + delay : 0;
  const waiting = groups.filter(({ start }) => start === next?.start)
    .reduce((sum, { rows }) => sum + rows, 0);
  const what = next && next.keys.length > 0 ? "groups" : "windows";
  const recent = progress.filter(({ numInputRows }) => numInputRows > 0).slice(-PATIENCE);
  const warnings = Object.keys(Object.values(last.sources[0]!.endOffset)[0] ?? {}).flatMap((p) => {
    const behind = time - (newest.get(p) ?? time);
    const isIdle = recent.length === PATIENCE &&
      !recent.some((batch) => newestOf(batch).some(([q]) => q === p));
    return [
      ...isIdle ? [`partition ${p} is idle: no row in ${PATIENCE} batches with data`] : [],
      ...behind > delay + size
        ? [`partition ${p} is ${seconds(behind)} behind: its rows come late`]
        : [],
    ];
  });
  if (recent.length === PATIENCE && watermarkOf(recent[0]!) >= mark) {
    warnings.push(`the watermark has not moved in ${PATIENCE} batches: no newer event time came`);
  }
  if (time - timeOf(last.timestamp) > delay + size) {
    warnings.push(`partition ${partition} runs ahead of the clock: maxAhead keeps such rows out`);
  }
  return [
    ...progress.slice(-PATIENCE).map((batch) => describe(batch, what)),
    `The watermark is ${isoTime(mark)}. The newest event time is ${isoTime(time)}, in partition ` +
    `${partition}; the delay is ${seconds(delay)}.`,
    next === undefined
      ? "No window is open, so nothing waits to be written."
      : `Next to close is the window from ${isoTime(next.start)}, ${waiting} rows so far: ` +
        (until <= mark + delay
          ? "the next batch closes it."
          : `it waits for an event time of ${isoTime(until)}, ${
            seconds(until - mark - delay)
          } on.`),
    ...warnings.map((text) => `Warning: ${text}.`),
  ].join("\n");
}

function describe(batch: StreamingQueryProgress, what: string): string {
  const { batchId, numInputRows, eventTime, stateOperators: [state], rows } = batch;
  const [partition, time] = greatest(newestOf(batch));
  const newest = numInputRows > 0 ? `, the newest ${isoTime(time)} in partition ${partition}` : "";
  return `Batch ${batchId} read ${numInputRows} rows${newest}. Watermark ${eventTime.watermark}: ` +
    `${what} closed ${state!.numRowsRemoved}, open ${state!.numRowsTotal}; late rows ${rows.late}.`;
}

/** The greatest event time that a batch read of each partition, epoch ms. */
function newestOf({ sources }: StreamingQueryProgress): [string, number][] {
  return Object.entries(sources[0]!.maxEventTime ?? {}).map(([p, time]) => [p, timeOf(time)]);
}

function greatest(times: readonly (readonly [string, number])[]): readonly [string, number] {
  return times.toSorted(([, a], [, b]) => b - a)[0] ?? ["none", 0];
}

function watermarkOf({ eventTime }: StreamingQueryProgress): number {
  return timeOf(eventTime.watermark);
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
