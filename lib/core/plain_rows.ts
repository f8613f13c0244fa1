import pl, { type DataFrame } from "polars";

/**
 * Returns the rows of a frame as plain values in the order of its columns, timestamps as `time` writes their epoch
 * milliseconds. Polars' own text of a timestamp ends in the year 262143, and it gives no value for a later one.
 */
export function plainRows(rows: DataFrame, time: (ms: number) => string): unknown[][] {
  const isTime = rows.columns.map((name) => /Datetime/.test(String(rows.getColumn(name).dtype)));
  const names = rows.columns.filter((_, i) => isTime[i]);
  const asNumbers = names.map((name) =>
    pl.col(name).cast(pl.Datetime("ms", "UTC")).cast(pl.Int64).cast(pl.Float64)
  );
  const plain = names.length === 0 ? rows : rows.withColumns(...asNumbers);
  return plain.rows().map((row) =>
    row.map((value, i) => isTime[i] && value !== null ? time(Number(value)) : value)
  );
}
