import pl, { type DataFrame, type Expr } from "polars";
import { asideFrame, lateRows, problemRows } from "./core/aside.ts";
import { parseDuration } from "./core/duration.ts";
import { frameOf, type Grouping, outputTypes, partialGroups, rowsOf } from "./core/frame.ts";
import { parseMessages } from "./core/json.ts";
import type { Messages, NumberColumn, OutputMode, ParsedBatch, Schema } from "./core/types.ts";
import type { Pipeline, PreparedBatch } from "./micro_batch.ts";

/** Gives each row of a batch a probability. */
export interface Scorer {
  /** Identifies the model in the checkpoint. */
  readonly sha256: string;
  score(
    columns: ParsedBatch["columns"],
    length: number,
  ): Promise<{ readonly probabilities: Float64Array; readonly unscored: number }>;
}

/** The part of a query between reading and writing, as the builder's verbs describe it. */
export interface PipelinePlan {
  readonly schema: Schema;
  readonly model?: Scorer;
  /** Columns to add, in steps: a step sees the columns of the steps before. */
  readonly columns: readonly (readonly Expr[])[];
  readonly timeColumn: string;
  /** Delay of the watermark and how far a row may be ahead of the clock, as text. */
  readonly eventTime?: EventTimeRule;
  readonly grouping: Grouping;
  /** What is done to the result table, in order. */
  readonly finish: readonly ((rows: DataFrame) => DataFrame)[];
}

export interface EventTimeRule {
  readonly column: string;
  readonly delay: string;
  readonly maxAhead?: string | undefined;
}

/** Makes the pipeline of a query: parse, score, add columns, aggregate by window; then the result. */
export async function makePipeline(plan: PipelinePlan, mode: OutputMode): Promise<Pipeline> {
  const { schema, model, grouping, eventTime, timeColumn } = plan;
  const { window } = grouping;
  const slots = Object.values(grouping.aggregates).flatMap(({ slots }) => slots);
  const types = outputTypes((await scoredRows(plan, parseMessages([], schema))).frame, grouping);

  async function prepare(messages: readonly Messages[], clock: number): Promise<PreparedBatch> {
    const parsed = parseMessages(messages, schema);
    const { values, nulls } = parsed.columns[timeColumn] as NumberColumn;
    const eventTimes = values.map((time, row) => nulls[row] === 1 ? NaN : time);
    const ahead = rejectAhead(eventTimes, clock, eventTime?.maxAhead);
    const aside = problemRows([...parsed.problems, ...ahead], eventTimes);
    const rejected = aside.filter(({ kind }) => kind === "rejected").length;
    const { frame, unscored } = await scoredRows(plan, parsed);
    return {
      eventTimes,
      groups: partialGroups(frame, eventTimes, grouping),
      rejected,
      malformed: aside.length - rejected,
      unscored,
      asideRows(batchId, lateWatermark) {
        const late = lateWatermark === null ? [] : lateRows(eventTimes, window, lateWatermark);
        const rows = [...aside, ...late];
        if (rows.length === 0) return undefined;
        return asideFrame(rows, { messages, eventTimes, window, batchId, lateWatermark });
      },
    };
  }

  return {
    mode,
    size: window.size,
    merges: slots.map(({ merge }) => merge),
    delay: eventTime ? parseDuration(eventTime.delay) : null,
    conf: {
      ...eventTime && { "watermark.delay": eventTime.delay },
      ...model && { "model.sha256": model.sha256 },
    },
    prepare,
    rows: (groups) =>
      plan.finish.reduce((rows, verb) => verb(rows), rowsOf(groups, grouping, types)),
  };
}

async function scoredRows(
  { schema, model, columns }: PipelinePlan,
  parsed: ParsedBatch,
): Promise<{ frame: DataFrame; unscored: number }> {
  let frame = frameOf(parsed, schema);
  const scored = await model?.score(parsed.columns, parsed.length);
  if (scored) frame = frame.withColumn(pl.Series("fraud_prob", scored.probabilities, pl.Float64));
  for (const step of columns) frame = frame.withColumns(...step);
  return { frame, unscored: scored?.unscored ?? 0 };
}

/** Takes the event time (epoch ms) from rows too far ahead of the clock, and says why. */
function rejectAhead(eventTimes: Float64Array, clock: number, maxAhead: string | undefined) {
  const limit = maxAhead === undefined ? Infinity : clock + parseDuration(maxAhead);
  const problems: { row: number; reason: string }[] = [];
  eventTimes.forEach((time, row) => {
    if (!(time > limit)) return;
    eventTimes[row] = NaN;
    problems.push({ row, reason: `event time is more than ${maxAhead} ahead of the clock` });
  });
  return problems;
}
