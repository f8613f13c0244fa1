import { join } from "node:path";
import pl, { type DataFrame } from "polars";
import { batchIds } from "../lib/checkpoint/checkpoint.ts";
import { StateLog } from "../lib/checkpoint/state_log.ts";
import { asTimestamps, doubles } from "../lib/windows/frame.ts";
import { timeOf } from "../lib/core/time.ts";
import { groupsIn } from "../lib/windows/state.ts";
import { inspectCheckpoint } from "./inspect.ts";

/** A checkpoint as tables, of all batches that it remembers. */
export interface CheckpointTables {
  /** batch_id, partition, end_offset (exclusive), watermark, planned_at. */
  readonly offsets: DataFrame;
  /** batch_id, next_watermark. */
  readonly commits: DataFrame;
  /** The windows open after each batch: batch_id, window_start, key, n_rows, and partial aggregates. */
  readonly state: DataFrame;
}

type Row = Readonly<Record<string, unknown>>;

/**
 * Reads what a checkpoint holds, without disturbing its query. Of one that Spark wrote the state is
 * left out, as it is binary. Throws a `SyntaxError` that names a damaged file.
 */
export async function readCheckpoint(dir: string): Promise<CheckpointTables> {
  const { batches, problems, query, writtenBy } = await inspectCheckpoint(dir);
  if (problems.length > 0) throw new SyntaxError(problems[0]);
  const offsets = batches.flatMap(({ batchId: batch_id, end, watermark, planned: planned_at }) =>
    Object.entries(Object.values(end[0] as Record<string, Row>)[0] ?? {})
      .map(([partition, end_offset]) => ({
        batch_id,
        partition,
        end_offset,
        watermark,
        planned_at,
      }))
  );
  const commits = batches.filter(({ committed }) => committed)
    .map(({ batchId: batch_id, nextWatermark: next_watermark }) => ({ batch_id, next_watermark }));
  // `sum` and `avg` keep two numbers: what they add up and how many.
  const slots = [...(query?.aggregates ?? "").matchAll(/(?:^|, )(\w+) = (\w+)\(/g)]
    .flatMap(([, name, f]) => /^(sum|avg)$/.test(f!) ? [name!, `${name}_values`] : [name!]);
  const state: Row[] = [];
  for (const batch_id of writtenBy === "Spark" ? [] : await batchIds(join(dir, "state"))) {
    for (const group of groupsIn((await new StateLog(dir).read(batch_id)).state)) {
      const values = slots.map((name, i) => [name, group.slots[i]]);
      const window = { window_start: group.start, n_rows: group.rows };
      const key = group.keys.join(", ");
      state.push({ batch_id, ...window, key, ...Object.fromEntries(values) });
    }
  }
  const times = { watermark: "time", planned_at: "time" } as const;
  const counts = Object.fromEntries(slots.map((name) => [name, "double"] as const));
  return {
    offsets: frame(offsets, { batch_id: "int", partition: "text", end_offset: "int", ...times }),
    commits: frame(commits, { batch_id: "int", next_watermark: "time" }),
    state: frame(state, {
      batch_id: "int",
      window_start: "time",
      key: "text",
      n_rows: "int",
      ...counts,
    }),
  };
}

/** Says what happened between two batches: the open windows and the partitions before and after. */
export function checkpointDiff(
  tables: CheckpointTables,
  { from, to }: { from: number; to: number },
): Pick<CheckpointTables, "state" | "offsets"> {
  const join = (table: DataFrame, on: string[], columns: string[]) => {
    const at = (batch: number) =>
      table.filter(pl.col("batch_id").eq(batch)).select(...on, ...columns);
    const before = at(from).rename(Object.fromEntries(columns.map((c) => [c, `${c}_before`])));
    return pl.concat([at(from).select(...on), at(to).select(...on)]).unique().sort(on)
      .join(before, { on, how: "left" }).join(at(to), { on, how: "left" });
  };
  const [is, was] = [pl.col("n_rows"), pl.col("n_rows_before")];
  const change = pl.when(was.isNull()).then(pl.lit("opened"))
    .when(is.isNull()).then(pl.lit("closed"))
    .when(is.gt(was)).then(pl.lit("grew")).otherwise(pl.lit("same"));
  const read = pl.col("end_offset").sub(pl.col("end_offset_before"));
  return {
    state: join(tables.state, ["window_start", "key"], ["n_rows"])
      .withColumns(change.alias("change")),
    offsets: join(tables.offsets, ["partition"], ["end_offset", "watermark"])
      .withColumns(read.alias("rows_read")),
  };
}

/** Makes a table of rows that may be none: Polars could not tell the types then. */
function frame(
  rows: readonly Row[],
  types: Readonly<Record<string, "int" | "double" | "text" | "time">>,
): DataFrame {
  return pl.DataFrame(
    Object.entries(types).map(([name, type]) => {
      const values = rows.map((row) => row[name]);
      if (type === "text") return pl.Series(name, values, pl.Utf8);
      const number = (value: unknown) =>
        typeof value === "string" && type === "time" ? timeOf(value) : Number(value);
      const numbers = doubles(name, values.map((value) => value == null ? null : number(value)));
      return type === "time"
        ? asTimestamps(numbers)
        : type === "int"
        ? numbers.cast(pl.Int64)
        : numbers;
    }),
  );
}
