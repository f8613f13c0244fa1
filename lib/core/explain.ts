import type { Group } from "./aggregate.ts";
import { isoTime, type StreamingQueryProgress } from "./progress.ts";

/** What an explanation rests on. */
export interface Explained {
  /** The batches so far, oldest first; the last 100 are enough. */
  readonly progress: readonly StreamingQueryProgress[];
  /** The open windows. */
  readonly groups: Iterable<Group>;
  /** Window size and delay of the watermark, ms; null without `withWatermark`. */
  readonly size: number;
  readonly delay: number | null;
}

/** Batches without news after which a partition is called idle and a watermark stuck. */
const PATIENCE = 5;

/** Says in words why windows are written or not: a line for each of the last batches, then what is next. */
export function explain({ progress, groups, size, delay }: Explained): string {
  if (progress.length === 0) return "No batch has run yet.";
  if (delay === null) return "There is no watermark, so no window is ever final.";
  const lines = progress.slice(-PATIENCE).map(describe);
  const newest = newestByPartition(progress);
  const [partition, time = 0] = [...newest].sort(([, a], [, b]) => b - a)[0] ?? [];
  const mark = Math.max(time - delay, ...progress.slice(-1).map(watermarkOf));
  lines.push(
    `The watermark is ${isoTime(mark)}: the newest event time, ${isoTime(time)}` +
      `${partition === undefined ? "" : ` in partition ${partition}`}, less ${delay / 1000} s.`,
  );
  const [next] = [...groups].sort((a, b) => a.start - b.start);
  if (next === undefined) lines.push("No window is open: nothing waits to be written.");
  else {
    const wait = next.start + size + delay;
    lines.push(
      `Next to close is ${isoTime(next.start)} to ${
        isoTime(next.start + size)
      }, ${next.rows} rows. ` +
        (wait <= time
          ? "The next batch closes it."
          : `It waits for an event time of ${isoTime(wait)} or later, ${
            (wait - time) / 1000
          } s on.`),
    );
  }
  return [...lines, ...warnings({ progress, newest, time, late: delay + size })].join("\n");
}

function describe({ batchId, numInputRows, eventTime, sources, ...rest }: StreamingQueryProgress) {
  const max =
    Object.entries(sources[0]?.maxEventTime ?? {}).sort(([, a], [, b]) => a < b ? 1 : -1)[0];
  const read = max ? `, newest ${max[1]} in partition ${max[0]}` : "";
  const { numRowsRemoved = 0, numRowsTotal = 0 } = rest.stateOperators[0] ?? {};
  return `Batch ${batchId}: watermark ${eventTime.watermark}; ${numInputRows} rows${read}; ` +
    `${numRowsRemoved} windows closed, ${numRowsTotal} open, ${rest.rows.late} rows late.`;
}

function warnings({ progress, newest, time, late }: {
  progress: readonly StreamingQueryProgress[];
  newest: ReadonlyMap<string, number>;
  time: number;
  /** How far behind a partition's rows are dropped, ms. */
  late: number;
}): string[] {
  const recent = progress.slice(-PATIENCE - 1);
  const found: string[] = [];
  const withRows = progress.filter(({ numInputRows }) => numInputRows > 0).slice(-PATIENCE);
  const partitions = Object.keys(Object.values(progress.at(-1)!.sources[0]!.endOffset)[0] ?? {});
  for (const partition of partitions) {
    const isIdle = withRows.every(({ sources }) =>
      !(partition in (sources[0]?.maxEventTime ?? {}))
    );
    if (isIdle && withRows.length === PATIENCE) {
      found.push(
        `Warning: partition ${partition} is idle: no row in the last ${PATIENCE} batches with data.`,
      );
    }
    const behind = (time - (newest.get(partition) ?? NaN)) / 1000;
    if (behind * 1000 > late) {
      found.push(
        `Warning: partition ${partition} is ${behind} s behind: its rows are dropped as late.`,
      );
    }
  }
  if (recent.length > PATIENCE && watermarkOf(recent[0]!) === watermarkOf(recent.at(-1)!)) {
    found.push(
      `Warning: the watermark has not moved in ${PATIENCE} batches: no newer event time came.`,
    );
  }
  const ahead = (time - Date.parse(progress.at(-1)!.timestamp)) / 1000;
  if (ahead * 1000 > late) {
    found.push(
      `Warning: the newest event time is ${ahead} s ahead of the clock; maxAhead keeps such rows out.`,
    );
  }
  return found;
}

function newestByPartition(progress: readonly StreamingQueryProgress[]): Map<string, number> {
  const newest = new Map<string, number>();
  for (const { sources } of progress) {
    for (const [partition, time] of Object.entries(sources[0]?.maxEventTime ?? {})) {
      newest.set(partition, Math.max(newest.get(partition) ?? 0, Date.parse(time)));
    }
  }
  return newest;
}

function watermarkOf({ eventTime }: StreamingQueryProgress): number {
  return Date.parse(eventTime.watermark!);
}
