import pl, { type DataFrame, type DataType, type Expr } from "polars";
import {
  type Aggregate,
  isLong,
  type Slot,
  typeAggregate,
  type TypedAggregate,
} from "./functions.ts";
import type { WindowSpec } from "./window.ts";

/** What a windowed aggregation groups by and computes. */
export interface Grouping {
  readonly window: WindowSpec;
  /** Columns grouped by beside the window. */
  readonly keys: readonly string[];
  readonly aggregates: Readonly<Record<string, Aggregate>>;
}

/** A grouping over columns whose types are known. */
export interface Aggregation {
  readonly window: WindowSpec;
  readonly keys: readonly { readonly name: string; readonly type: DataType }[];
  /** Columns to add to a frame: literals that are aggregated, which Polars would take once a group. */
  readonly inputs: readonly Expr[];
  /** What a group keeps, in order: the slots of one aggregate after those of another. */
  readonly slots: readonly Slot[];
  readonly results: readonly (Aggregate & TypedAggregate & { readonly name: string })[];
}

const KEY_TYPES = ["Null", "Bool", "String", "Utf8", "Date", "Datetime", "Time", "Duration"];

/**
 * Returns the aggregation of rows like those of `frame`, which needs no rows. Throws a `TypeError` if
 * a column is not there or has a type that cannot be grouped or aggregated, or if names collide.
 */
export function typeGrouping(
  frame: DataFrame,
  { window, keys, aggregates }: Grouping,
): Aggregation {
  const names = Object.entries(aggregates);
  const taken = ["window_start", "window_end", ...keys];
  const wrong = names.find(([name]) => name === "" || taken.includes(name));
  if (wrong) {
    throw new TypeError(
      `agg: "${wrong[0]}" cannot name an aggregate: it is ${
        wrong[0] ? "a column already" : "empty"
      }`,
    );
  }
  const inputs: Expr[] = [];
  const results = names.map(([name, aggregate], i) => {
    const { of } = aggregate;
    let [expr, type]: [Expr | undefined, DataType] = [undefined, pl.Int64];
    if (typeof of === "string") {
      if (!frame.columns.includes(of)) throw missing("agg", of, frame);
      [expr, type] = [pl.col(of), frame.getColumn(of).dtype];
    } else if (of) {
      const values = frame.limit(0).select(of);
      [expr, type] = [of, values.getColumns()[0]!.dtype];
      if (values.height > 0) { // it has a value without any row
        inputs.push(of.alias(`\0${i} of`));
        expr = pl.col(`\0${i} of`);
      }
    }
    try {
      return { name, ...aggregate, ...typeAggregate(aggregate, expr, type) };
    } catch (error) {
      throw new TypeError(`agg: ${name}: ${(error as Error).message}`);
    }
  });
  return {
    window,
    keys: keys.map((name) => {
      if (!frame.columns.includes(name)) throw missing("groupByWindow", name, frame);
      const type = frame.getColumn(name).dtype;
      if (taken.slice(0, 2).includes(name) || !isKeyType(type)) {
        throw new TypeError(
          `groupByWindow: "${name}" cannot be a key: ` +
            (isKeyType(type)
              ? "the result has a column of this name"
              : `its type is ${type.variant}`),
        );
      }
      return { name, type };
    }),
    inputs,
    slots: results.flatMap(({ slots }) => slots),
    results,
  };
}

/** Names the types of keys and results, which the state is made of. */
export function typesOf({ keys, results }: Pick<Aggregation, "keys" | "results">): string {
  return [...keys, ...results].map(({ name, type }) => {
    const { variant, timeUnit = "" } = type as { variant: string; timeUnit?: string };
    return `${name} ${variant === "Utf8" ? "String" : variant}${timeUnit && ` ${timeUnit}`}`;
  }).join(", ");
}

function isKeyType(type: DataType): boolean {
  return isLong(type) || /^(U?Int|Float)\d+$/.test(type.variant) ||
    KEY_TYPES.includes(type.variant);
}

function missing(verb: string, name: string, { columns }: DataFrame): TypeError {
  return new TypeError(`${verb}: there is no column "${name}", only ${columns.join(", ")}`);
}
