import pl, { type DataFrame } from "polars";
import type { StreamingQuery } from "lib";

const running = new Set<StreamingQuery>();
let listens = false;

/**
 * Waits until all queries have ended; with `seconds`, stops them after that time. An interrupt of the
 * notebook's kernel stops them too, after the running batch, and keeps the kernel. Throws if one failed.
 */
export async function runQueries(
  queries: readonly StreamingQuery[],
  seconds?: number,
): Promise<void> {
  if (!listens) Deno.addSignalListener("SIGINT", () => running.forEach((query) => query.stop()));
  listens = true; // for good: without a listener an interrupt ends the kernel
  for (const query of queries) running.add(query);
  const stopAll = () => Promise.all(queries.map((query) => query.stop()));
  const timer = seconds === undefined ? undefined : setTimeout(stopAll, seconds * 1000);
  try {
    await Promise.all(queries.map((query) => query.awaitTermination()));
  } finally {
    clearTimeout(timer);
    await stopAll();
    for (const query of queries) running.delete(query);
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
