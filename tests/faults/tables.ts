/** What a query has made of a topic, and that nothing of it is lost or doubled. */
import { existsSync } from "node:fs";
import { deepEqual, equal } from "node:assert/strict";
import { type OutputMode, readParquetFolder } from "lib";
import { inspectCheckpoint, type Inspection } from "../../lab/inspect.ts";
import type { Place } from "./program.ts";

/** Rows, and rows kept aside, without the batch they came in. */
export interface Tables {
  /** Of a sink that takes updates, the last row of each group. */
  readonly rows: readonly string[];
  /** Undefined if the query keeps none. */
  readonly aside: readonly string[] | undefined;
  /** Alerts and frauds, by where they were, with what became of them. */
  readonly alerts: readonly string[];
  readonly inspection: Inspection;
}

/** Where the rows are, if not in a folder of parquet files. */
export interface Output {
  /** The file of a `JsonlSink`; null for a sink that keeps nothing, such as the console. */
  readonly jsonl?: string | null | undefined;
  readonly mode?: OutputMode | undefined;
  readonly keys?: readonly string[] | undefined;
  /** Whether late and unreadable rows are kept; true if absent. */
  readonly keepsAside?: boolean | undefined;
}

type Row = Record<string, unknown>;

export async function readTables(place: Place, output: Output = {}): Promise<Tables> {
  const { jsonl, keepsAside = true } = output;
  const rows = jsonl === undefined ? await parquetRows(place.sink) : await jsonlRows(output);
  const aside = keepsAside ? await parquetRows(place.rejected) : undefined;
  const alerts = existsSync(place.alerts) ? await parquetRows(place.alerts) : [];
  const origin = ["kind", "reason", "partition", "offset", "event_time", "encoding", "value"];
  return {
    rows: rows.map(textOf).sort(),
    aside: aside?.map((row) => textOf(Object.fromEntries(origin.map((key) => [key, row[key]]))))
      .sort(),
    alerts: alerts.map(({ batch_id: _, ...row }) => textOf(row)).sort(),
    inspection: await inspectCheckpoint(place.checkpoint),
  };
}

async function parquetRows(dir: string): Promise<Row[]> {
  return (await readParquetFolder(dir)).toRecords();
}

/** Throws if a group is there twice: of one batch, or with final rows at all. */
async function jsonlRows({ jsonl, mode = "append", keys = [] }: Output): Promise<Row[]> {
  if (jsonl == null) return [];
  const lines = (await Deno.readTextFile(jsonl)).split("\n").filter((line) => line !== "");
  const rows = lines.map((line) => JSON.parse(line) as Row);
  const idOf = (row: Row) => ["window_start", ...keys].map((name) => row[name]).join();
  const ids = rows.map((row) => `${mode === "append" ? "" : row.batchId} ${idOf(row)}`);
  equal(new Set(ids).size, ids.length, "a row is there twice");
  return [...new Map(rows.map(({ batchId: _, ...row }) => [idOf(row), row])).values()];
}

/** Checks that nothing is lost and nothing doubled; a row that can be read is in so many windows. */
export function sameTables(
  found: Tables,
  expected: Tables,
  rowsInTopic: number,
  windowsARow = 1,
): void {
  deepEqual(found.rows, expected.rows);
  deepEqual(found.aside, expected.aside);
  deepEqual(found.alerts, expected.alerts);
  checkAccounting(found.inspection, rowsInTopic, windowsARow);
  const { rejected, late } = found.inspection.rows!;
  if (found.aside) equal(found.aside.length, rejected + late / windowsARow, "rows kept aside");
  equal(found.inspection.problems.join(), "");
}

export function checkAccounting(
  { rows }: Pick<Inspection, "rows">,
  rowsInTopic: number,
  windowsARow = 1,
): void {
  const { read, counted, late, rejected, open } = rows!;
  equal(read - rejected, windowsARow * (rowsInTopic - rejected), "rows read");
  equal(counted + late + rejected + open, read, "rows accounted for");
}

function textOf(row: object): string {
  return JSON.stringify(row, (_key, value) => typeof value === "bigint" ? Number(value) : value);
}
