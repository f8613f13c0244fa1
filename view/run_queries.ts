import pl, { type DataFrame } from "polars";
import type { StreamingQuery } from "lib";
import { interruptible } from "./keep_kernel.ts";

/** How long queries run. */
export interface RunTime {
  /** If absent, until they end by themselves. */
  readonly seconds?: number | undefined;
  /** What they read: it is stopped after that time, so that all of them can read it to its end. */
  readonly publisher?: { stop(): Promise<void> } | undefined;
  /** Stops them at once; if absent, an interrupt of the notebook's kernel does. */
  readonly signal?: AbortSignal;
}

/**
 * Waits until all queries have ended or their time is over; each ends with a whole batch. Returns
 * whether the signal stopped them. Throws if a query failed.
 */
export async function runQueries(
  queries: readonly StreamingQuery[],
  { seconds, publisher, signal }: RunTime = {},
): Promise<boolean> {
  if (signal === undefined) {
    const { value } = await interruptible((signal) =>
      runQueries(queries, { seconds, publisher, signal })
    );
    return value;
  }
  const stopAll = () => Promise.all(queries.map((query) => query.stop()));
  const finish = async () => {
    // What fails here is thrown by `awaitTermination`, or by who stops the publisher again.
    await publisher?.stop().then(
      () => Promise.allSettled(queries.map((query) => query.processAllAvailable())),
      () => {},
    );
    await stopAll();
  };
  const timer = seconds === undefined ? undefined : setTimeout(finish, seconds * 1000);
  signal.addEventListener("abort", stopAll);
  if (signal.aborted) stopAll();
  try {
    await Promise.all(queries.map((query) => query.awaitTermination()));
  } finally {
    clearTimeout(timer);
    await stopAll();
  }
  return signal.aborted;
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
