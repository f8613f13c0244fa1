import type { DataFrame, Expr } from "polars";
import type { Schema, Source } from "./core/types.ts";
import type { Scorer } from "./model/scorer.ts";
import type { ReadOptions, WatermarkOptions } from "./options.ts";
import type { Aggregation } from "./windows/aggregation.ts";

/** The column that a model adds. */
export const SCORE = "fraud_prob";

/** What the rows of a query are made of before they are grouped. */
export interface RowPlan {
  readonly schema: Schema;
  readonly model?: Scorer;
  /** Columns to add, in steps: a step sees the columns of the steps before. */
  readonly columns: readonly (readonly Expr[])[];
}

/** A query as its verbs describe it: plain data, which the engine carries out. */
export interface QueryPlan extends RowPlan {
  readonly source: Source;
  readonly options: ReadOptions;
  /** Durations as text. */
  readonly eventTime?: WatermarkOptions & { readonly column: string; readonly delay: string };
  readonly timeColumn: string;
  readonly aggregation: Aggregation;
  /** What is done to the result table, in order. */
  readonly finish: readonly ((rows: DataFrame) => DataFrame)[];
}
