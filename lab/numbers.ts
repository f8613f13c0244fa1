import pl, { type DataFrame } from "polars";
import { doubles } from "../lib/windows/frame.ts";

/** Returns the greatest of values; null without any. */
export function greatest(values: Iterable<number>): number | null {
  let most: number | null = null;
  for (const value of values) most = Math.max(most ?? value, value);
  return most;
}

/** Makes a table of records of numbers, NaN as null: Polars would guess a column's type from its first rows. */
export function tableOf(rows: readonly Readonly<Record<string, number | null>>[]): DataFrame {
  const names = Object.keys(rows[0] ?? {});
  return pl.DataFrame(
    names.map((name) =>
      doubles(name, rows.map((row) => Number.isNaN(row[name]) ? null : row[name]!))
    ),
  );
}
