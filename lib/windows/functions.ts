import pl, { type DataType, type Expr } from "polars";
import type { Merge, Value } from "./state.ts";

/** A column name, or a Polars expression over the columns of a row. */
export type ColumnOrExpr = string | Expr;

/** An aggregate that merges, made by `count`, `countIf`, `sum`, `avg`, `min` or `max`. */
export interface Aggregate {
  readonly kind: "count" | "count_if" | "sum" | "avg" | "min" | "max";
  /** What it is computed from; all rows if absent. */
  readonly of?: ColumnOrExpr;
}

/** A partial result: how two become one, and how one is computed. */
export interface Slot {
  readonly merge: Merge;
  readonly expr: Expr;
  /** Whether it is an int64 that may be beyond 2^53. */
  readonly isLong?: boolean;
}

/** An aggregate over a column of a known type. */
export interface TypedAggregate {
  readonly slots: readonly Slot[];
  /** Of the result. */
  readonly type: DataType;
  /** The result, from the merged slots. */
  readonly finish: (slots: readonly Value[]) => Value;
}

/**
 * Counts rows, or with an argument the rows where it is not null: Spark's `count`.
 *
 * @example Usage
 * ```ts
 * import { avg, count, countIf } from "lib";
 * import pl from "polars";
 *
 * const kpis = {
 *   n_txn: count(),
 *   n_fraud_true: countIf(pl.col("Class").eq(1)),
 *   mean_amount: avg("Amount"),
 * };
 * ```
 */
export function count(column?: ColumnOrExpr): Aggregate {
  return { kind: "count", ...column !== undefined && { of: column } };
}

/** Counts the rows for which a condition is true, neither false nor null: Spark's `count_if`. */
export function countIf(condition: ColumnOrExpr): Aggregate {
  return { kind: "count_if", of: condition };
}

/**
 * Adds up a column; null where no row has a value. Whole numbers give an int64, exact and, as in
 * Spark, wrapping beyond 2^63. Others give a double, added in the order of the chunks read, whichever
 * thread reads them: the same batches of the same log give the same bits, but for the last ones if
 * rows arrive meanwhile.
 */
export function sum(column: ColumnOrExpr): Aggregate {
  return { kind: "sum", of: column };
}

/** Returns the mean of a column as a double; null where no row has a value. */
export function avg(column: ColumnOrExpr): Aggregate {
  return { kind: "avg", of: column };
}

/** Returns the least value of a column of numbers, booleans or times, in its type. NaN is above all others. */
export function min(column: ColumnOrExpr): Aggregate {
  return { kind: "min", of: column };
}

/** Returns the greatest value of a column of numbers, booleans or times, in its type. NaN is above all others. */
export function max(column: ColumnOrExpr): Aggregate {
  return { kind: "max", of: column };
}

const LONG = ["Int64", "UInt64"];
const WHOLE = ["Int8", "Int16", "Int32", "UInt8", "UInt16", "UInt32", ...LONG];
/** A column of nulls only is one of doubles. */
const REAL = ["Float32", "Float64", "Null"];
const TIMES = ["Date", "Datetime", "Time", "Duration"];

/** Whether values of a type are exact only as int64: those that a double may not hold, and times. */
export function isLong({ variant }: DataType): boolean {
  return [...LONG, ...TIMES].includes(variant);
}

/** Returns how an aggregate over `column` is computed. Throws a `TypeError` if it takes no such type. */
export function typeAggregate(
  { kind }: Aggregate,
  column: Expr | undefined,
  type: DataType,
): TypedAggregate {
  const takes = (...variants: string[]) => {
    if (!variants.includes(type.variant)) {
      const hint = kind === "sum" && type.variant === "Bool" ? "; countIf counts what is true" : "";
      throw new TypeError(`${kind} takes no column of type ${type.variant}${hint}`);
    }
  };
  const counted: Slot = { merge: "addWhole", expr: column ? column.count() : pl.len() };
  const real = column?.cast(pl.Float64);
  if (kind === "count") return { slots: [counted], type: pl.Int64, finish: ([n]) => n! };
  if (kind === "count_if") {
    takes("Bool", "Null");
    const expr = column!.cast(pl.UInt32).sum();
    return { slots: [{ merge: "addWhole", expr }], type: pl.Int64, finish: ([n]) => n ?? 0 };
  }
  if (kind === "avg" || (kind === "sum" && REAL.includes(type.variant))) {
    takes(...WHOLE, ...REAL);
    return {
      slots: [{ merge: "add", expr: real!.sum() }, counted],
      type: pl.Float64,
      finish: ([total, n]) => {
        return n === 0 ? null : kind === "avg" ? Number(total) / Number(n) : total!;
      },
    };
  }
  if (kind === "sum") {
    takes(...WHOLE);
    const expr = column!.cast(pl.Int64, true).sum();
    return {
      slots: [{ merge: "addWhole", expr, isLong: isLong(type) }, counted], // 2^21 rows of 32 bits
      type: pl.Int64,
      finish: ([total, n]) => n === 0 ? null : total!,
    };
  }
  takes(...WHOLE, ...REAL, ...TIMES, "Bool");
  const of = REAL.includes(type.variant) ? real! : column!.cast(pl.Int64, true);
  // Polars' own max passes over NaN.
  const expr = kind === "min" ? of.min() : of.sort().last();
  return {
    slots: [{ merge: kind, expr, isLong: isLong(type) }],
    type: type.variant === "Null" ? pl.Float64 : type,
    finish: ([value]) => value!,
  };
}
