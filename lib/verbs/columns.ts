import pl, { type DataFrame, type Expr } from "polars";
import type { Schema } from "../core/types.ts";
import type { Scorer } from "../model/scorer.ts";
import { readsOf } from "../expressions.ts";
import type { KeptRows } from "../options.ts";
import { type RowPlan, SCORE } from "../plan.ts";
import { type Aggregation, type Grouping, typeGrouping } from "../windows/aggregation.ts";
import { KEPT_COLUMNS } from "../windows/aside.ts";
import { frameOf } from "../windows/frame.ts";

/** Values that tell an expression of one row from one of several: repeated, out of order, missing. */
const NUMBERS = [1, -2, 1e6, null, 0, 1];
const TEXTS = ["a", "b", "", null, "b", "a"];

/** Returns a few rows of the fields of a schema. */
export function sampleOf(schema: Schema): DataFrame {
  const nulls = Uint8Array.from(NUMBERS, (value) => value === null ? 1 : 0);
  const numbers = { values: Float64Array.from(NUMBERS, Number), nulls, nullCount: 1 };
  const texts = { values: TEXTS, nullCount: 1 };
  const columns = Object.fromEntries(
    schema.map(({ name, type }) => [name, type === "string" ? texts : numbers]),
  );
  return frameOf({ length: NUMBERS.length, columns, problems: [] }, schema);
}

/** Returns sample rows with the column of a model, and its values in it. */
export function withScore(sample: DataFrame): DataFrame {
  return sample.withColumn(pl.Series(SCORE, [0.1, 0.9, 0.5, 0, 1, 0.1].slice(0, sample.height)));
}

/**
 * Adds columns to sample rows. Throws a `TypeError` that begins with `verb` if one cannot be computed,
 * or looks at other rows than its own: what those are depends on how rows fall into batches.
 */
export function addColumns(sample: DataFrame, exprs: readonly Expr[], verb: string): DataFrame {
  if (!exprs.every((expr) => pl.Expr.isExpr(expr))) {
    throw new TypeError(`${verb}: columns must be Polars expressions, such as pl.col("x").mul(2)`);
  }
  if (exprs.length === 0) return sample;
  const empty = computing(verb, () => sample.limit(0).withColumns(...exprs));
  const names = computing(verb, () => sample.limit(0).select(...exprs).columns);
  const across = exprs.findIndex((expr) => !readsOf(expr).isOfOneRow);
  if (across >= 0) throw notOfOneRow(verb, names[across] ?? names[0]!);
  let alone: DataFrame;
  try {
    const rows = Array.from({ length: sample.height }, (_, i) => sample.slice(i, 1));
    alone = pl.concat(rows.map((row) => row.withColumns(...exprs)));
  } catch { // the sample's values do not suit, such as a strict cast of text; also if it is empty
    return empty;
  }
  const same = (whole: DataFrame) => (name: string) =>
    whole.select(name).frameEqual(alone.select(name), true);
  try {
    const whole = sample.withColumns(...exprs);
    const other = names.find((name) => !same(whole)(name));
    if (other === undefined && whole.height === sample.height) return whole;
    throw notOfOneRow(verb, other ?? names[0]!);
  } catch (error) {
    throw error instanceof TypeError ? error : notOfOneRow(verb, names[0]!);
  }
}

function notOfOneRow(verb: string, name: string): TypeError {
  return new TypeError(
    `${verb}: "${name}" looks at other rows than its own, and which those are depends on how rows ` +
      `fall into batches. Use expressions of one row, and aggregates only in agg`,
  );
}

/** Returns what Polars computes; throws a `TypeError` that begins with `verb` if it cannot. */
export function computing<T>(verb: string, compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    throw new TypeError(`${verb}: ${(error as Error).message.split("\n")[0]}`, { cause: error });
  }
}

/** Rows by which expressions are checked. */
export interface Sampled {
  /** A few, as they are after all columns so far. */
  readonly sample: DataFrame;
}

/** The names that `withColumns` added or replaced. */
export function namesAdded({ columns, sample }: Pick<RowPlan, "columns"> & Sampled): Set<string> {
  const rows = sample.limit(0);
  return new Set(columns.flatMap((step) => rows.select(...step).columns));
}

/** Throws a `TypeError` if a model cannot read its features: it takes the fields of the message. */
export function checkScore(plan: RowPlan & Sampled, { features = [] }: Scorer): void {
  const added = namesAdded(plan);
  const replaced = [...plan.schema.map(({ name }) => name), SCORE].find((name) => added.has(name));
  if (replaced !== undefined) {
    throw new TypeError(
      `score: withColumns replaces "${replaced}", and a model reads the fields of the message. ` +
        "Call score first, or give the new column a name of its own",
    );
  }
  const isNumber = (name: string) =>
    plan.schema.some((field) => field.name === name && /^(double|integer)$/.test(field.type));
  const missing = features.find((name) => !isNumber(name));
  if (missing !== undefined) {
    throw new TypeError(`score: the model reads "${missing}", and the schema has no such number`);
  }
}

const KINDS: readonly unknown[] = ["count", "count_if", "sum", "avg", "min", "max"];

/** Returns the aggregation of a query's rows. Throws a `TypeError` if it cannot be computed. */
export function aggregationOf({ sample }: Sampled, grouping: Grouping): Aggregation {
  const { aggregates } = grouping;
  if (typeof aggregates !== "object" || aggregates === null || Array.isArray(aggregates)) {
    throw new TypeError("agg: aggregates must be given by name, such as { n: count() }");
  }
  for (const [name, aggregate] of Object.entries(aggregates)) {
    const { kind, of } = aggregate ?? {};
    const isOf = of === undefined ? kind === "count" : typeof of === "string" || pl.Expr.isExpr(of);
    if (!KINDS.includes(kind) || !isOf) {
      throw new TypeError(
        `agg: "${name}" must be count, countIf, sum, avg, min or max of a column, by its name or ` +
          "as a Polars expression",
      );
    }
    if (typeof of !== "object") continue;
    addColumns(sample, [of], `agg: ${name}`);
    const { width } = sample.limit(0).select(of);
    if (width !== 1) throw new TypeError(`agg: ${name} is computed from ${width} columns, not one`);
  }
  return typeGrouping(sample.limit(0), grouping);
}

/** Throws a `TypeError` if rows cannot be kept as `kept` says. */
export function checkKept({ sample }: Sampled, kept: KeptRows | undefined): void {
  if (!kept) return;
  const missing = kept.columns.find((name) => !sample.columns.includes(name));
  if (missing !== undefined) {
    throw new TypeError(
      `writeStream: rows has no column "${missing}" to keep, only ${sample.columns.join(", ")}`,
    );
  }
  const taken = kept.columns.find((name, i) =>
    KEPT_COLUMNS.includes(name) || kept.columns.indexOf(name) < i
  );
  if (taken !== undefined) {
    throw new TypeError(
      `writeStream: rows.columns names "${taken}", which is kept already. Leave it out; another ` +
        "column of this name needs a new one, by withColumns",
    );
  }
  const name = "rows.where";
  const flags = addColumns(sample, [kept.where.alias(name)], "writeStream").getColumn(name);
  if (flags.dtype.variant === "Bool") return;
  throw new TypeError(`writeStream: rows.where must be true or false, got ${flags.dtype.variant}`);
}
