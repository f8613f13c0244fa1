import pl, { type DataFrame } from "polars";
import type { StreamingQuery } from "lib";
import { interruptible } from "./interrupt.ts";

/**
 * Waits until all queries have ended; with `seconds`, stops them after that time. An interrupt of the
 * notebook's kernel stops them too, after the running batch. Returns whether there was one. Throws if a
 * query failed.
 */
export async function runQueries(
  queries: readonly StreamingQuery[],
  seconds?: number,
): Promise<boolean> {
  const stopAll = () => Promise.all(queries.map((query) => query.stop()));
  const { isInterrupted } = await interruptible(async (signal) => {
    signal.addEventListener("abort", stopAll);
    const timer = seconds === undefined ? undefined : setTimeout(stopAll, seconds * 1000);
    try {
      await Promise.all(queries.map((query) => query.awaitTermination()));
    } finally {
      clearTimeout(timer);
      await stopAll();
    }
  });
  return isInterrupted;
}

/** Starts queries one after another; if one cannot be started, stops those before it and throws. */
export async function startAll(
  starts: readonly (() => Promise<StreamingQuery>)[],
): Promise<StreamingQuery[]> {
  const queries: StreamingQuery[] = [];
  try {
    for (const start of starts) queries.push(await start());
    return queries;
  } catch (error) {
    await Promise.all(queries.map((query) => query.stop()));
    throw error;
  }
}

/** Returns the last progress of queries as rows. */
export function progressTable(queries: readonly StreamingQuery[]): DataFrame {
  return pl.DataFrame(queries.map(({ name, lastProgress }) => ({
    query: name,
    batchId: lastProgress?.batchId ?? null,
    numInputRows: lastProgress?.numInputRows ?? null,
    "durationMs.triggerExecution": lastProgress?.durationMs.triggerExecution ?? null,
    watermark: lastProgress?.eventTime.watermark ?? null,
    "rows read in all": lastProgress?.rows.total.read ?? null,
  })));
}
