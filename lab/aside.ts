import pl, { type DataFrame } from "polars";
import {
  isAlert,
  MemorySink,
  MemorySource,
  ratio,
  readParquetFolder,
  readStream,
  type Schema,
  type Scorer,
  TRANSACTION_SCHEMA,
  windowKpis,
} from "lib";
import { COUNTS } from "./sweep.ts";

/** Reads the rows that came after their window was closed, from the folder a query kept them in. */
export function lateRows(dir: string): Promise<DataFrame> {
  return asideRows(dir, "late");
}

/** Reads the rows that are in no window, from the folder a query kept them in. */
export function rejectedRows(dir: string): Promise<DataFrame> {
  return asideRows(dir, "rejected");
}

async function asideRows(dir: string, kind: string): Promise<DataFrame> {
  return (await readParquetFolder(dir)).filter(pl.col("kind").eq(pl.lit(kind)));
}

/** A KPI table with its late rows put back. */
export interface Repair {
  /** The corrected windows, in the columns of the KPI table, by window start. */
  readonly kpi: DataFrame;
  /** The windows that changed: what each count was, what it is now, and which had only late rows. */
  readonly changes: DataFrame;
}

/** How the query scores and groups its rows. */
export interface RepairOptions {
  readonly model: Scorer;
  readonly threshold: number;
  /** Such as `1 minute`. */
  readonly window: string;
  readonly schema?: Schema;
}

/**
 * Merges late rows into emitted windows, scored and counted by the engine itself, so that the table is
 * the one of a query that drops nothing, over these windows. Windows that had only late rows appear.
 *
 * Throws a `RangeError` for windows that overlap: a row may be late for one of them and count in
 * another, and is not kept aside then.
 */
export async function repair(
  kpi: DataFrame,
  late: DataFrame,
  options: RepairOptions,
): Promise<Repair> {
  const key = ["window_start", "window_end"];
  const [starts, ends] = key.map((name) => kpi.sort(name).getColumn(name).toArray().map(Number));
  if (starts!.some((start, i) => start < ends![i - 1]!)) {
    throw new RangeError(
      "Cannot repair windows that overlap: run the query again with a longer delay",
    );
  }
  const counted = late.height === 0 ? kpi.limit(0) : await countRows(late, options);
  const counts = (table: DataFrame) => table.select(...key, ...COUNTS);
  const label = kpi.height > 0 ? String(kpi.getColumn("watermark").get(0)) : "";
  const repaired = pl.concat([counts(kpi), counts(counted)])
    .groupBy(...key).agg(...COUNTS.map((name) => pl.col(name).sum())).sort("window_start")
    .withColumns(
      ratio("tp", "n_alert", "precision"),
      ratio("tp", "n_fraud_true", "recall"),
      pl.lit(label).alias("watermark"),
    ).select(...kpi.columns);
  const added = counted.select(...key, ...COUNTS.map((name) => pl.col(name).alias(`${name}_late`)));
  const changes = repaired.join(added, { on: key, how: "inner" }).select(
    ...key,
    ...COUNTS.flatMap((name) => [
      pl.col(name).sub(pl.col(`${name}_late`)).alias(`${name}_was`),
      pl.col(name),
    ]),
    pl.col("n_txn").eq(pl.col("n_txn_late")).alias("only_late_rows"),
  );
  return { kpi: repaired, changes };
}

/** Counts the rows by window as the engine does: it runs over them once more, and nothing is late. */
async function countRows(
  late: DataFrame,
  { model, threshold, window, schema = TRANSACTION_SCHEMA }: RepairOptions,
): Promise<DataFrame> {
  const source = new MemorySource();
  source.addData(
    late.select("encoding", "value").toRecords().map(({ encoding, value }) =>
      encoding === "base64" ? Uint8Array.fromBase64(String(value)) : String(value)
    ),
  );
  const sink = new MemorySink();
  const checkpointLocation = await Deno.makeTempDir({ prefix: "repair-" });
  try {
    const rows = readStream(source, schema).score(model).withColumns(isAlert(threshold));
    const query = await windowKpis(rows, { watermark: "0 seconds", window }).writeStream(sink, {
      outputMode: "complete",
      checkpointLocation,
      trigger: "once",
    });
    await query.awaitTermination();
    return sink.rows();
  } finally {
    await Deno.remove(checkpointLocation, { recursive: true });
  }
}
