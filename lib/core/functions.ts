import pl, { type Expr } from "polars";
import type { Merge } from "./state.ts";

/** An aggregate that merges: its partial result is one or two numbers a group, its slots. */
export interface Aggregate {
  /** Such as `sum(col("is_alert"))`; names it in the checkpoint. */
  readonly text: string;
  readonly slots: readonly { readonly merge: Merge; readonly expr: Expr }[];
  /** Whether the result is an int64 whatever it is made from; else it has its first slot's type. */
  readonly type?: "integer" | "double";
  /** The result, from the merged slots. */
  finish(slots: readonly (number | null)[]): number | null;
}

/** A column name, or a Polars expression over the columns of a row. */
export type ColumnOrExpr = string | Expr;

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
  const expr = column === undefined ? pl.len() : toExpr(column).count();
  return whole(`count(${column === undefined ? "*" : toExpr(column)})`, expr);
}

/** Counts the rows for which a condition is true, neither false nor null: Spark's `count_if`. */
export function countIf(condition: Expr): Aggregate {
  return whole(`count_if(${condition})`, condition.cast(pl.Int64).sum());
}

/**
 * Adds up a column; null where no row has a value. An integer column gives an int64. Doubles are added
 * in the order of the chunks read, whichever thread reads them: the same batches of the same log give
 * the same bits, but for the last ones if rows arrive meanwhile.
 */
export function sum(column: ColumnOrExpr): Aggregate {
  return {
    text: `sum(${toExpr(column)})`,
    slots: sumAndCount(column),
    finish: ([total, n]) => n === 0 ? null : total!,
  };
}

/** Returns the mean of a column; null where no row has a value. */
export function avg(column: ColumnOrExpr): Aggregate {
  return {
    text: `avg(${toExpr(column)})`,
    slots: sumAndCount(column),
    type: "double",
    finish: ([total, n]) => n === 0 ? null : total! / n!,
  };
}

/** Returns the least value of a column, which must be a number. NaN is above all others. */
export function min(column: ColumnOrExpr): Aggregate {
  const expr = toExpr(column);
  return extreme("min", expr, expr.min());
}

/** Returns the greatest value of a column, which must be a number. NaN is above all others. */
export function max(column: ColumnOrExpr): Aggregate {
  const expr = toExpr(column);
  return extreme("max", expr, expr.sort().last()); // Polars' own max passes over NaN
}

function whole(text: string, expr: Expr): Aggregate {
  return { text, slots: [{ merge: "add", expr }], type: "integer", finish: ([n]) => n! };
}

function extreme(merge: "min" | "max", of: Expr, expr: Expr): Aggregate {
  return {
    text: `${merge}(${of})`,
    slots: [{ merge, expr }],
    finish: ([value]) => value!,
  };
}

function sumAndCount(column: ColumnOrExpr): Aggregate["slots"] {
  const expr = toExpr(column);
  return [{ merge: "add", expr: expr.sum() }, { merge: "add", expr: expr.count() }];
}

function toExpr(column: ColumnOrExpr): Expr {
  return typeof column === "string" ? pl.col(column) : column;
}
