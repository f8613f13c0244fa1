import pl, { type DataFrame } from "polars";
import { doubles } from "../lib/core/frame.ts";

/** Returns the greatest of values; null without any. */
export function greatest(values: Iterable<number>): number | null {
  let most: number | null = null;
  for (const value of values) most = Math.max(most ?? value, value);
  return most;
}

/** Returns the upper of two medians; null without values. */
export function median(values: readonly number[]): number | null {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? null;
}

/** Makes a table of records of numbers: Polars would guess a column's type from its first rows. */
export function tableOf(rows: readonly Readonly<Record<string, number | null>>[]): DataFrame {
  const names = Object.keys(rows[0] ?? {});
  return pl.DataFrame(names.map((name) => doubles(name, rows.map((row) => row[name]!))));
}
