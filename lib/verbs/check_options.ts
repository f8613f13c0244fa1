import type { Expr } from "polars"; // no more: the command line's launcher may not load it
import * as v from "valibot";
import { checkRecord } from "./check_record.ts";
import { parseDuration } from "../core/duration.ts";
import type { Schema, Sink, Source } from "../core/types.ts";
import type { ReadOptions, WatermarkOptions } from "../options.ts";

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

function isUnique(names: readonly unknown[]): boolean {
  return new Set(names).size === names.length;
}
