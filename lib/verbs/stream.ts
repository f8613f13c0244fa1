import type { DataFrame, Expr } from "polars";
import type { QueryIdentity } from "../checkpoint/checkpoint.ts";
import type { OutputMode, Schema, Sink, Source } from "../core/types.ts";
import type { Scorer } from "../model/scorer.ts";
import type { ReadOptions, WatermarkOptions, WindowOptions, WriteOptions } from "../options.ts";
import type { QueryPlan } from "../plan.ts";
import type { StreamingQuery } from "../query.ts";
import { identityOf, startQuery } from "../start.ts";
import { rowsOf } from "../windows/frame.ts";
import type { Aggregate } from "../windows/functions.ts";
import { windowSpec } from "../windows/window.ts";
import { checkOptions } from "./check_options.ts";
import {
  addColumns,
  aggregationOf,
  checkKept,
  checkScore,
  computing,
  namesAdded,
  type Sampled,
  sampleOf,
  withScore,
} from "./columns.ts";

/** Rows before they are grouped. A verb returns a new stream and leaves this one as it is. */
export interface RowStream {
  /** Adds `fraud_prob`, a double; 0.0 for a row that cannot be scored. */
  score(model: Scorer): RowStream;
  /** Adds or replaces columns. An expression sees the columns of its row. */
  withColumns(...columns: readonly Expr[]): RowStream;
  /** Sets the event time and how late a row may be, such as `30 seconds`. */
  withWatermark(column: string, delay: string, options?: WatermarkOptions): RowStream;
  /** Groups by a window over the event time and, optionally, by further columns. */
  groupByWindow(column: string, window: string, options?: WindowOptions): GroupedStream;
}

export interface GroupedStream {
  agg(aggregates: Readonly<Record<string, Aggregate>>): ResultStream;
}

/** The result table: window_start, window_end, the keys, the aggregates. */
export interface ResultStream {
  withColumns(...columns: readonly Expr[]): ResultStream;
  select(...columns: readonly (string | Expr)[]): ResultStream;
  /** What a restart may not change. */
  identity(mode: OutputMode): QueryIdentity;
  /**
   * Starts the query. Throws if an option is wrong, or if the checkpoint or the sink's folder is not this
   * query's own. The source and the sinks are closed then, as they are when a query ends.
   */
  writeStream(sink: Sink, options: WriteOptions): Promise<StreamingQuery>;
}

/** A query as far as its rows are described, and one whose result is, with no row of it. */
type ReadPlan = Omit<QueryPlan, "timeColumn" | "aggregation" | "finish"> & Sampled;
type ResultPlan = QueryPlan & Sampled & { readonly result: DataFrame };

/**
 * Reads JSON messages against a schema, as Spark's `from_json` does: a field that cannot be read is
 * null and the others survive.
 */
export function readStream(source: Source, schema: Schema, options: ReadOptions = {}): RowStream {
  checkOptions("readStream", { source, schema, options });
  if (options.startingTimestamp !== undefined && !source.offsetsForTime) {
    throw new TypeError(`${source.description} keeps no message times: use startingOffsets`);
  }
  return rowStream({ source, options, schema, columns: [], sample: sampleOf(schema) });
}

function rowStream(plan: ReadPlan): RowStream {
  return {
    score(model) {
      checkScore(plan, model);
      return rowStream({ ...plan, model, sample: withScore(plan.sample) });
    },
    withColumns(...columns) {
      const sample = addColumns(plan.sample, columns, "withColumns");
      return rowStream({ ...plan, columns: [...plan.columns, columns], sample });
    },
    withWatermark(column, delay, options = {}) {
      checkOptions("withWatermark", { column, delay, options });
      if (plan.eventTime) throw new TypeError("Redefining watermark is disallowed. Set it once");
      return rowStream({ ...plan, eventTime: { column, delay, ...options } });
    },
    groupByWindow(timeColumn, text, options = {}) {
      checkOptions("groupByWindow", { column: timeColumn, window: text, options });
      const type = plan.schema.find(({ name }) => name === timeColumn)?.type ?? "no field";
      if (type !== "timestamp") {
        throw new TypeError(
          `Cannot group by a window over "${timeColumn}": it is ${type}, not timestamp`,
        );
      }
      if (plan.eventTime && plan.eventTime.column !== timeColumn) {
        throw new TypeError(
          `Cannot group by a window over "${timeColumn}": the watermark is on ` +
            `"${plan.eventTime.column}". Use one column for both`,
        );
      }
      if (namesAdded(plan).has(timeColumn)) {
        throw new TypeError(
          `Cannot group by a window over "${timeColumn}": withColumns replaces it, and windows go by ` +
            "the field of the message. Give the new column a name of its own",
        );
      }
      const window = windowSpec(text, options);
      const { keys = [] } = options;
      return {
        agg(aggregates) {
          const aggregation = aggregationOf(plan, { window, keys, aggregates });
          const result = rowsOf([], aggregation);
          return resultStream({ ...plan, timeColumn, aggregation, result, finish: [] });
        },
      };
    },
  };
}

function resultStream(plan: ResultPlan): ResultStream {
  const then = (verb: string, step: (rows: DataFrame) => DataFrame) => {
    const result = computing(verb, () => step(plan.result));
    if (result.height > 0) { // it would also write rows of batches that have none
      throw new TypeError(`${verb}: name a column of the result, so that it has a row a window`);
    }
    return resultStream({ ...plan, result, finish: [...plan.finish, step] });
  };
  return {
    withColumns: (...columns) => then("withColumns", (rows) => rows.withColumns(...columns)),
    select: (...columns) => then("select", (rows) => rows.select(...columns as Expr[])),
    identity: (mode) => identityOf(plan, mode),
    writeStream: (sink, options) =>
      startQuery(plan, sink, options, () => checkWriting(plan, sink, options)),
  };
}

function checkWriting(plan: ResultPlan, sink: Sink, options: WriteOptions): void {
  checkOptions("writeStream", { sink, options });
  const { outputMode, rejected, rows } = options;
  if (outputMode === "append" && plan.eventTime === undefined) {
    throw new TypeError("Cannot append without withWatermark: no window would ever be final");
  }
  if (sink.outputModes && !sink.outputModes.includes(outputMode)) {
    const modes = sink.outputModes.join(", ");
    throw new TypeError(
      `${sink.description} does not support ${outputMode} output mode: use ${modes}`,
    );
  }
  const sinks = [sink, rejected, rows?.sink].filter((sink) => sink !== undefined);
  if (new Set(sinks).size < sinks.length) {
    throw new TypeError("writeStream: sink, rejected and rows.sink must be different sinks");
  }
  checkKept(plan, rows);
}
