import { closestMatch } from "leven";
import type { Expr } from "polars"; // no more: the command line's launcher may not load it
import * as v from "valibot";
import { parseDuration } from "./core/duration.ts";
import type { StreamingQueryProgress } from "./core/progress.ts";
import type { Offsets, OutputMode, Schema, Sink, Source } from "./core/types.ts";

/** Where a query begins and how much it reads at once; options as in Spark's Kafka source. */
export interface ReadOptions {
  /** Where a new query begins, `earliest` if absent. By partition, -2 is earliest and -1 latest. */
  readonly startingOffsets?: "earliest" | "latest" | Offsets | undefined;
  /** Where a new query begins as message time, epoch ms; for sources that keep one. */
  readonly startingTimestamp?: number | undefined;
  /** The most offsets in a batch, split over the partitions by their backlog; no limit if absent. */
  readonly maxOffsetsPerTrigger?: number | undefined;
  /** Whether offsets that are gone stop the query; true if absent. */
  readonly failOnDataLoss?: boolean | undefined;
}

/** What may hold or move a watermark beside its delay; durations as text. */
export interface WatermarkOptions {
  /** A row whose event time is further ahead of the clock is rejected and closes no windows. */
  readonly maxAhead?: string | undefined;
  /**
   * The watermark follows the slowest partition that had a readable row within this time, as Flink's
   * does; a partition that has been idle for longer does not hold it. More than 0.
   */
  readonly idleAfter?: string | undefined;
}

/** How rows are grouped beside the window's size; durations as text, whole milliseconds. */
export interface WindowOptions {
  /** How far apart windows start, more than 0 and at most the window; the window if absent. */
  readonly slide?: string | undefined;
  /** Shifts the windows from the epoch, less than `slide`; `0 seconds` if absent. */
  readonly startTime?: string | undefined;
  /** Columns to group by beside the window. */
  readonly keys?: readonly string[] | undefined;
}

/** When batches run: `available-now`, `once`, or an interval such as `1 second`; 0 is at once. */
export type Trigger = "available-now" | "once" | string;

/** How a query is named, driven and watched. */
export interface QuerySettings {
  readonly name?: string | undefined;
  /** `0 seconds` if absent: the next batch starts when the last one ends. */
  readonly trigger?: Trigger | undefined;
  /** Called after each batch. What it throws is told on the console; the query goes on. */
  readonly onProgress?: ((progress: StreamingQueryProgress) => void) | undefined;
}

/** Rows to keep, such as alerts: where each was, and what became of it. */
export interface KeptRows {
  /** An expression of one row, over the columns it is grouped with. */
  readonly where: Expr;
  /** Columns to keep beside batch_id, partition, offset, event_time, window_start and outcome. */
  readonly columns: readonly string[];
  readonly sink: Sink;
}

export interface WriteOptions extends QuerySettings {
  readonly outputMode: OutputMode;
  /** The folder from which a restart goes on. */
  readonly checkpointLocation: string;
  /** Takes the rows that are late or cannot be read, with their reasons. */
  readonly rejected?: Sink | undefined;
  /** Keeps the rows for which an expression holds, each once. */
  readonly rows?: KeptRows | undefined;
  /** Whether a batch without data may run to close windows; true if absent. */
  readonly noDataMicroBatches?: boolean | undefined;
  /** How many batches the checkpoint remembers, never fewer than 2; 100 if absent. */
  readonly minBatchesToRetain?: number | undefined;
  /** The clock, epoch ms. */
  readonly now?: (() => number) | undefined;
}

const TEXT = v.pipe(v.string("text"), v.nonEmpty("text"));
const WHOLE = "a whole number > 0";
const FLAG = v.boolean("true or false");
const wholeNumber = v.pipe(v.number(WHOLE), v.safeInteger(WHOLE), v.minValue(1, WHOLE));
const TIME = "epoch milliseconds, a whole number >= 0";
const instant = v.pipe(v.number(TIME), v.safeInteger(TIME), v.minValue(0, TIME));
const OFFSETS = '"earliest", "latest" or offsets such as {"0": 17} (-2 is earliest, -1 latest)';
const offset = v.pipe(v.number(OFFSETS), v.safeInteger(OFFSETS), v.minValue(-2, OFFSETS));

function has<T>(message: string, names: readonly (keyof T & string)[]) {
  return v.custom<T>((value) => {
    const object = value as Record<string, unknown> | null | undefined;
    return names.every((name) => typeof object?.[name] === "function");
  }, message);
}

function duration({ least = 0, words = [] }: { least?: number; words?: string[] } = {}) {
  const allowed = [...words, "a duration"].join(", ").replace(/, ([^,]*)$/, " or $1") +
    ' such as "30 seconds"';
  return v.pipe(
    v.string(allowed),
    v.rawCheck(({ dataset: { typed, value }, addIssue }) => {
      if (!typed || words.includes(value)) return;
      try {
        if (parseDuration(value) < least) addIssue({ message: `${allowed}, at least ${least} ms` });
      } catch (error) {
        const { name, message } = error as Error;
        addIssue({ message: `${allowed} (${message})`, expected: name });
      }
    }),
  );
}

/** The options that a query's spec shares with the builder. */
export const SHARED = {
  startingOffsets: v.union([
    v.picklist(["earliest", "latest"]),
    v.pipe(v.record(v.string(), offset), v.check((offsets) => !Array.isArray(offsets))),
  ], OFFSETS),
  maxOffsetsPerTrigger: wholeNumber,
  failOnDataLoss: FLAG,
  schema: v.pipe(
    v.array(
      v.object({
        name: TEXT,
        type: v.picklist(
          ["timestamp", "double", "integer", "string"],
          "timestamp, double, integer or string",
        ),
      }, '{"name": text, "type": timestamp, double, integer or string}'),
      'a list of {"name": text, "type": timestamp, double, integer or string}',
    ),
    v.nonEmpty("a list of at least one field"),
    v.check((fields) => isUnique(fields.map(({ name }) => name)), "a list of different names"),
  ) satisfies v.GenericSchema<Schema>,
  watermark: duration(),
  maxAhead: duration(),
  window: duration({ least: 1 }),
  slide: duration({ least: 1 }),
  outputMode: v.picklist(["append", "update", "complete"], "append, update or complete"),
  text: TEXT,
};

const { text, watermark, maxAhead, window, slide, outputMode, ...READ } = SHARED;
const SINK = has<Sink>("a Sink: description and addBatch(batchId, rows)", ["addBatch"]);

/** What each verb of the builder takes, under the name that its error begins with. */
const VERBS = {
  readStream: v.strictObject({
    source: has<Source>(
      "a Source: topic, description, earliestOffsets(), latestOffsets(), getBatch(), close()",
      ["earliestOffsets", "latestOffsets", "getBatch", "close"],
    ),
    schema: READ.schema,
    options: v.strictObject({
      startingOffsets: v.optional(READ.startingOffsets),
      startingTimestamp: v.optional(instant),
      maxOffsetsPerTrigger: v.optional(READ.maxOffsetsPerTrigger),
      failOnDataLoss: v.optional(READ.failOnDataLoss),
    }) satisfies v.GenericSchema<ReadOptions>,
  }),
  withWatermark: v.strictObject({
    column: text,
    delay: watermark,
    options: v.strictObject({
      maxAhead: v.optional(maxAhead),
      idleAfter: v.optional(duration({ least: 1 })),
    }) satisfies v.GenericSchema<WatermarkOptions>,
  }),
  groupByWindow: v.strictObject({
    column: text,
    window,
    options: v.strictObject({
      slide: v.optional(slide),
      startTime: v.optional(duration()),
      keys: v.optional(
        v.pipe(
          v.array(text, "a list of names"),
          v.check((names) => isUnique(names), "a list of different names"),
        ),
      ),
    }),
  }),
  writeStream: v.strictObject({
    sink: SINK,
    options: v.strictObject({
      name: v.optional(text),
      trigger: v.optional(duration({ words: ["available-now", "once"] })),
      onProgress: v.optional(v.function("a function")),
      outputMode,
      checkpointLocation: v.pipe(v.string("a folder"), v.nonEmpty("a folder, not empty text")),
      rejected: v.optional(SINK),
      rows: v.optional(v.strictObject({
        where: has<Expr>("a Polars expression", ["serialize", "alias"]),
        columns: v.array(text, "a list of names"),
        sink: SINK,
      })),
      noDataMicroBatches: v.optional(FLAG),
      minBatchesToRetain: v.optional(wholeNumber),
      now: v.optional(v.function("a function that returns epoch milliseconds")),
    }),
  }),
};

/**
 * Checks the arguments of a verb before anything is opened or written. Throws a `TypeError` for a
 * wrong type or an unknown name, a `RangeError` for a value that is not allowed, and a `SyntaxError`
 * for a duration that cannot be read: which option, what is allowed, what it is.
 */
export function checkOptions(verb: keyof typeof VERBS, given: unknown): void {
  checkRecord<unknown>(verb, VERBS[verb], given);
}

/** Checks a record against a schema of valibot, and throws what `checkOptions` throws. */
export function checkRecord<T>(
  what: string,
  schema: v.GenericSchema<unknown, T>,
  given: unknown,
): T {
  const result = v.safeParse(schema, given);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const keys = issue.path?.map(({ key }) => String(key)) ?? [];
  const option = issue.path?.find(({ key }) => key !== "options");
  let { message } = issue;
  if (issue.type === "strict_object") {
    const known = entriesOf(schema, keys.slice(0, -1));
    const missing = known[keys.at(-1) ?? ""];
    if (issue.expected === "never") {
      const names = Object.keys(known);
      const name = keys.at(-1)!;
      const near = closestMatch(name, names, { maxDistance: Math.ceil(name.length / 3) });
      throw new TypeError(
        `${what}: there is no ${name}, only ${names.join(", ")}` +
          (near === undefined ? "" : `. Did you mean ${near}?`),
      );
    }
    message = missing ? v.safeParse(missing, undefined).issues![0].message : "an object";
  }
  const ErrorOf = ERRORS.get(issue.expected!) ??
    (issue.kind === "schema" ? TypeError : RangeError);
  const [name, value] = option ? [option.key, option.value] : ["this", given];
  throw new ErrorOf(`${what}: ${name} must be ${message}, got ${show(value)}`);
}

const ERRORS = new Map([["SyntaxError", SyntaxError], ["RangeError", RangeError]]);

/** The options of the object that `keys` lead to. */
function entriesOf(schema: unknown, keys: readonly string[]): Record<string, v.GenericSchema> {
  const { entries } = schema as { entries: Record<string, v.GenericSchema> };
  const [key, ...rest] = keys;
  return key === undefined ? entries : entriesOf(entries[key], rest);
}

function isUnique(names: readonly unknown[]): boolean {
  return new Set(names).size === names.length;
}

function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : Deno.inspect(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
