import type { StreamingQuery } from "lib";
import { type Displayable, many } from "./display.ts";
import { interruptible } from "./keep_kernel.ts";
import type { LivePublisher } from "./live.ts";
import { interruptedAfter } from "./experiment.ts";
import type { Run } from "./run.ts";
import { progressTable, runQueries } from "./run_queries.ts";
import { table } from "./table.ts";
import { DEFINITIONS, experiments, partOf, PARTS, report } from "./task_d.ts";

/** An experiment that was started: its two queries run. */
export interface Experiment {
  readonly watermark: string;
  readonly toConsole: StreamingQuery;
  readonly toParquet: StreamingQuery;
  /** Stops both queries and reads what they have made. */
  stop(interrupted?: string): Promise<Run>;
}

export interface RunOptions {
  /** Whether to go on from the checkpoints of an earlier run; false if absent. */
  readonly resume?: boolean;
}

/** A run that a cell shows as what its queries last reported. */
type ShownRun = Run & Displayable;

/**
 * Returns what runs experiments and makes them parts of the page: one after another on a recorded topic,
 * which gives each the same rows in the same batches; side by side on a live one, so that all see the
 * same rows as they come.
 */
export function experimentRunner(
  { start, publish, seconds }: {
    readonly start: (
      watermark: string,
      options: RunOptions & { readonly topic?: string | undefined },
    ) => Promise<Experiment>;
    /** Opens a live topic of its own; absent where the topic is read as it is. */
    readonly publish?: (() => Promise<{ topic: string; publisher: LivePublisher }>) | undefined;
    /** How long a live run takes; absent for one that ends with its topic. */
    readonly seconds?: number | undefined;
  },
): (watermarks: readonly string[], options?: RunOptions) => Promise<readonly ShownRun[]> {
  async function together(
    watermarks: readonly string[],
    options: RunOptions,
    signal: AbortSignal,
  ) {
    const live = options.resume ? undefined : await publish?.();
    const started: Experiment[] = [];
    try {
      for (const watermark of watermarks) {
        const experiment = await start(watermark, { ...options, topic: live?.topic });
        started.push(experiment);
        console.log(
          `EXPERIMENT ${experiments().indexOf(partOf(watermark)) + 1}: WATERMARK = ${watermark}\n` +
            `Console query ID: ${experiment.toConsole.id}\n` +
            `Parquet query ID: ${experiment.toParquet.id}`,
        );
      }
      const queries = started.flatMap(({ toConsole, toParquet }) => [toConsole, toParquet]);
      const began = performance.now();
      live?.publisher.start();
      const publisher = live?.publisher;
      const isInterrupted = await runQueries(queries, { seconds, publisher, signal });
      const passed = Math.round((performance.now() - began) / 1000);
      const made: ShownRun[] = [];
      for (const { toConsole, toParquet, stop } of started) {
        const after = seconds === undefined
          ? interruptedAfter(toParquet.recentProgress)
          : `after ${passed} of ${seconds} s`;
        const run = await stop(isInterrupted ? after : undefined);
        const caption = `lastProgress under a watermark of ${run.watermark}`;
        made.push({ ...run, ...table(progressTable([toConsole, toParquet]), { caption }) });
        console.log(
          `Watermark ${run.watermark} ${isInterrupted ? `INTERRUPTED ${after}` : "complete"}: ` +
            `${many(run.kpi.height, "window")} final, ${run.open.height} still open`,
        );
      }
      return made;
    } finally {
      for (const { toConsole, toParquet } of started) {
        await Promise.all([toConsole.stop(), toParquet.stop()]);
      }
      await live?.publisher.stop();
    }
  }
  return async (watermarks, options = {}) => {
    const groups = seconds === undefined || options.resume
      ? watermarks.map((watermark) => [watermark])
      : [watermarks].filter((group) => group.length > 0);
    for (const group of groups) {
      const needs = [PARTS.model, PARTS.topic, ...DEFINITIONS];
      await report.parts(group.map(partOf), async () => {
        return (await interruptible((signal) => together(group, options, signal))).value;
      }, { needs });
    }
    return watermarks.map((watermark) => report.valueOf(partOf(watermark)) as ShownRun);
  };
}
