import pl, { type DataFrame, type Expr } from "polars";
import { narrow } from "../windows/state.ts";

/** How columns are read: Polars gives no time after the year 262143, and an int64 as a number, exact to 2^53. */
const READABLE: Readonly<Record<string, (column: Expr) => Expr>> = {
  Datetime: (column) => column.cast(pl.Datetime("ms", "UTC")).cast(pl.Int64).cast(pl.Float64),
  Date: (column) => column.cast(pl.Int32).cast(pl.Float64).mul(86_400_000),
  Int64: (column) => column.reinterpret(false), // a uint64 comes as a bigint
};

/**
 * Returns the rows of a frame as plain values in the order of its columns. `time` writes the epoch milliseconds of
 * timestamps, and of dates with a clock behind them that is cut off; a whole number that a number does not hold is a
 * bigint.
 */
export function plainRows(rows: DataFrame, time: (ms: number) => string): unknown[][] {
  const kinds = rows.columns.map((name) => rows.getColumn(name).dtype.variant as string);
  const readable = rows.columns.flatMap((name, i) => READABLE[kinds[i]!]?.(pl.col(name)) ?? []);
  const plain = readable.length === 0 ? rows : rows.withColumns(...readable);
  const valueOf = (value: unknown, kind: string) => {
    if (kind === "Datetime") return time(Number(value));
    if (kind === "Date") return time(Number(value)).split(/[T ]/)[0];
    if (typeof value !== "bigint") return value;
    return narrow(kind === "Int64" ? BigInt.asIntN(64, value) : value);
  };
  return plain.rows().map((row) =>
    row.map((value, i) => value === null ? null : valueOf(value, kinds[i]!))
  );
}
