import type { DataFrame, Expr } from "polars";
import { checkOptions } from "./check_options.ts";
import { Checkpoint, hasStart, type QueryIdentity } from "./checkpoint/checkpoint.ts";
import {
  addColumns,
  aggregationOf,
  checkKept,
  checkScore,
  computing,
  namesAdded,
  readsOf,
  sampleOf,
  withScore,
} from "./columns.ts";
import { typesOf } from "./windows/aggregation.ts";
import { rowsOf } from "./windows/frame.ts";
import type { Aggregate, ColumnOrExpr } from "./windows/functions.ts";
import type { OutputMode, Schema, Scorer, Sink, Source } from "./core/types.ts";
import { windowSpec } from "./windows/window.ts";
import type { ReadOptions, WatermarkOptions, WindowOptions, WriteOptions } from "./options.ts";
import { Pipeline, type QueryPlan } from "./pipeline.ts";
import { startingOffsets } from "./starting_offsets.ts";
import { closeParts, StreamingQuery } from "./query.ts";

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

/** A query as far as its rows are described. */
type ReadPlan = Omit<QueryPlan, "timeColumn" | "aggregation" | "finish" | "result">;

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

function resultStream(plan: QueryPlan): ResultStream {
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
    async writeStream(sink, options) {
      const { source, options: reading } = plan;
      let pipeline: Pipeline | undefined;
      let checkpoint: Checkpoint | undefined;
      try {
        checkOptions("writeStream", { sink, options });
        const { outputMode, checkpointLocation, rejected, rows } = options;
        checkMode(plan, sink, outputMode);
        const sinks = [sink, rejected, rows?.sink].filter((sink) => sink !== undefined);
        if (new Set(sinks).size < sinks.length) {
          throw new TypeError("writeStream: sink, rejected and rows.sink must be different sinks");
        }
        checkKept(plan, rows);
        pipeline = new Pipeline(plan, options);
        if ((source.unreadBytes?.() ?? 0) >= THREAD_BYTES) pipeline.expectRows();
        // Before anything is written, since it may refuse; the source's id comes with its offsets.
        const end = hasStart(checkpointLocation) ? null : await startingOffsets(source, reading);
        const first = end ? { end, sourceId: source.identity } : undefined;
        const identity = identityOf(plan, outputMode);
        checkpoint = await Checkpoint.open(checkpointLocation, identity, source.topic);
        const asides = { rejected, rows: rows?.sink };
        return await StreamingQuery.start({
          source,
          reading,
          first,
          pipeline,
          sink,
          asides,
          writing: options,
          checkpoint,
        });
      } catch (error) {
        const asides = { rejected: options?.rejected, rows: options?.rows?.sink };
        await closeParts({ source, pipeline, sink, asides, checkpoint });
        throw error;
      }
    },
  };
}

/** Bytes from which a thread starts while the query opens. */
const THREAD_BYTES = 64 * 1024 * 1024;

function checkMode({ eventTime }: QueryPlan, sink: Sink, mode: OutputMode): void {
  if (mode === "append" && eventTime === undefined) {
    throw new TypeError("Cannot append without withWatermark: no window would ever be final");
  }
  if (sink.outputModes && !sink.outputModes.includes(mode)) {
    throw new TypeError(
      `${sink.description} does not support ${mode} output mode: use ${
        sink.outputModes.join(", ")
      }`,
    );
  }
}

/** A restart may change the delay, the model and the limits, but not what the state is made of. */
function identityOf(
  { source, schema, timeColumn, aggregation }: QueryPlan,
  mode: OutputMode,
): QueryIdentity {
  const { window: { size, slide, offset }, keys, results } = aggregation;
  return {
    source: source.description,
    schema: schema.map(({ name, type }) => `${name} ${type}`).join(", "),
    window: `${size} ms over ${timeColumn}, slide ${slide} ms, start ${offset} ms`,
    keys: keys.map(({ name }) => name).join(", "),
    aggregates: results.map(({ name, kind, of }) => `${name} = ${kind}(${inputOf(of)})`).join(", "),
    types: typesOf(aggregation),
    outputMode: mode === "complete" ? "complete" : "append or update",
  };
}

/** Says what an aggregate reads; not how, which Polars may write another way. */
function inputOf(of: ColumnOrExpr = "*"): string {
  if (typeof of === "string") return of;
  const { columns } = readsOf(of);
  return columns === "any" ? "any column" : [...columns].sort().join(", ");
}
