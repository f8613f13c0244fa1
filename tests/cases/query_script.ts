import { join } from "node:path";
import type { DataFrame } from "polars";
import {
  MemorySource,
  ParquetSink,
  readStream,
  type ResultStream,
  type Schema,
  type StreamingQuery,
  type StreamingQueryProgress,
} from "lib";
import { type Check, equals, fails, type Json, NotRun, refuseUnknown, sameRows } from "./check.ts";
import { isoTimes, seconds, startsOf } from "./seconds.ts";
import { nextWatermark, removeCommits } from "./commits.ts";
import { messagesOf, type Operator, operatorOf, SECOND } from "./operators.ts";
import { isPlanned, RecordingSink } from "./recording_sink.ts";

const ENDLESS = "36500 days";

/** What a start may set anew. */
const CHANGEABLE = [
  "outputMode",
  "delay",
  "window",
  "slide",
  "offset",
  "startTime",
  "noDataBatches",
];

/** Plays the steps of one case against a query on a checkpoint of its own, as Spark's StreamTest does. */
export class QueryScript {
  readonly #case: Json;
  readonly #operator: Operator;
  readonly #source = new MemorySource();
  readonly #dir: string;
  readonly #checkpoint: string;
  readonly #sink: RecordingSink;
  readonly #progress: StreamingQueryProgress[] = [];
  #query: StreamingQuery | undefined;
  /** What the last check had seen. */
  #checkedBatch = -1;
  #checkedProgress = 0;
  #clock = 0;

  constructor(c: Json) {
    this.#case = c;
    this.#operator = operatorOf(c);
    this.#dir = Deno.makeTempDirSync({ prefix: "case-" });
    this.#checkpoint = join(this.#dir, "checkpoint");
    this.#sink = new RecordingSink(
      c.outputMode,
      c.sink === "parquet" ? new ParquetSink(join(this.#dir, "out")) : undefined,
    );
  }

  async close(): Promise<void> {
    await this.#query?.stop();
    await Deno.remove(this.#dir, { recursive: true });
  }

  /** Plays one step; returns what its checks got. */
  async play(step: Json): Promise<Check[]> {
    if (step.expectError !== undefined) {
      const { expectError, ...rest } = step;
      return [
        await fails("expectError", async () => {
          if (this.#query === undefined) await this.#start();
          await this.play(rest);
        }, { want: expectError, isRight: isRefusal }),
      ];
    }
    const checks: Check[] = [];
    for (const [name, value] of Object.entries<Json>(step)) {
      checks.push(...await this.#do(name, value));
    }
    return checks;
  }

  async #do(name: string, value: Json): Promise<Check[]> {
    switch (name) {
      // What a check belongs to, or how data came to be.
      case "partitions":
      case "emptyBatch":
      case "expectFailure":
      case "probe":
        return [];
      case "addData":
        this.#source.addData(messagesOf(value, this.#case));
        await this.#process();
        return [];
      case "start":
        await this.#query?.stop();
        await this.#start(value);
        return [];
      case "stop":
        await this.#query?.stop();
        return [];
      case "awaitTermination":
        return [equals(name, await this.#query!.awaitTermination(), value)];
      case "advanceClock":
        this.#clock += value * SECOND;
        await this.#process();
        return [];
      case "failOnceWhenValueIs":
        this.#sink.failsOnce = true;
        return [await fails(name, () => this.#start(), { want: "failure", isRight: isPlanned })];
      case "clearSink":
        this.#sink.batches.clear();
        return [];
      case "purgeCommitLogKeepLatest":
      case "deleteLastCommit":
        await removeCommits(
          this.#checkpoint,
          (id, last) => (id === last) === (name === "deleteLastCommit"),
        );
        return [];
      default:
        await this.#process();
        return [await this.#check(name, value)];
    }
  }

  async #check(name: string, want: Json): Promise<Check> {
    const since = this.#progress.slice(this.#checkedProgress);
    const last = this.#progress.at(-1)!;
    const withData = this.#progress.findLast(({ numInputRows }) => numInputRows > 0)!;
    const state = last?.stateOperators[0]!;
    switch (name) {
      case "checkAnswer":
      case "checkFiles":
        return sameRows(name, this.#seen(await this.#sink.all(), want), want);
      case "checkAnswerStarts":
        return sameRows(name, (await this.#sink.all()).flatMap(startsOf), want);
      case "checkNewAnswer":
        return sameRows(name, this.#seen(this.#sink.since(this.#checkedBatch), want), want);
      case "checkLastBatch": {
        const batch = this.#progress.findLast((p) => p.numInputRows + p.sink.numOutputRows > 0)!;
        return sameRows(name, this.#seen([this.#sink.batches.get(batch.batchId)!], want), want);
      }
      case "assertEventStats":
        return equals(name, withData.eventTime, want === null ? {} : isoTimes(want));
      case "assertWatermark":
        return equals(name, await nextWatermark(this.#checkpoint), want);
      case "assertNumStateRows":
        return equals(name, state.numRowsTotal, want);
      case "assertNumRowsDroppedByWatermark":
        return equals(name, withData.stateOperators[0]!.numRowsDroppedByWatermark, want);
      case "rawInputRowsDropped":
        return equals(name, withData.rows.late, want);
      case "assertState": {
        const total = (count: (p: StreamingQueryProgress["stateOperators"][number]) => number) =>
          since.reduce((sum, { stateOperators }) => sum + count(stateOperators[0]!), 0);
        this.#checkedProgress = this.#progress.length;
        const got: Json = {
          total: state.numRowsTotal,
          updated: total(({ numRowsUpdated }) => numRowsUpdated),
          removed: total(({ numRowsRemoved }) => numRowsRemoved),
          droppedByWatermark: total((p) => p.numRowsDroppedByWatermark),
        };
        refuseUnknown(want, Object.keys(got).join(" "), "a count of state");
        return equals(name, Object.fromEntries(Object.keys(want).map((k) => [k, got[k]])), want);
      }
      case "assertMetrics":
        return equals(name, {
          outputRows: last.sink.numOutputRows,
          updatedStateRows: state.numRowsUpdated,
          totalStateRows: state.numRowsTotal,
        }, want);
      default:
        throw new NotRun(`a step ${name}`);
    }
  }

  /** Spark's StreamTest starts the query before the first step, unless a step starts it. */
  async #process(): Promise<void> {
    if (this.#query === undefined) {
      const first = this.#case.steps.find((step: Json) =>
        ["start", "stop", "failOnceWhenValueIs"].some((name) => name in step)
      );
      if (first !== undefined && !("stop" in first)) return;
      await this.#start();
    }
    if (this.#query!.isActive) await this.#query!.processAllAvailable();
  }

  async #start({ trigger = "processingTime", ...changes }: Json = {}): Promise<void> {
    const unknown = Object.keys(changes).find((name) => !CHANGEABLE.includes(name));
    if (unknown !== undefined) throw new NotRun(`a start with ${unknown}`);
    const { outputMode, noDataBatches = true } = { ...this.#case, ...changes };
    const triggers: Json = { once: "once", availableNow: "available-now" };
    if (trigger !== "processingTime" && !(trigger in triggers)) {
      throw new NotRun(`a start with the trigger ${trigger}`);
    }
    this.#query = await this.#result({ ...this.#case, ...changes }).writeStream(this.#sink, {
      outputMode,
      checkpointLocation: this.#checkpoint,
      noDataMicroBatches: noDataBatches,
      now: () => this.#clock,
      onProgress: (progress) => this.#progress.push(progress),
      ...trigger in triggers && { trigger: triggers[trigger] },
    });
    if (trigger in triggers) await this.#query.awaitTermination();
    else await this.#query.processAllAvailable();
  }

  #result({ delay, window, slide, offset, startTime }: Json): ResultStream {
    const { aggregate, isWindowed, keys } = this.#operator;
    const schema: Schema = [
      { name: "t", type: "timestamp" },
      { name: "v", type: "double" },
      ...keys.map((name) => ({ name, type: "string" as const })),
    ];
    const rows = readStream(this.#source, schema);
    const timed = (delay ?? null) === null ? rows : rows.withWatermark("t", seconds(delay));
    const shift = offset ?? startTime;
    return timed.groupByWindow("t", isWindowed ? seconds(window) : ENDLESS, {
      keys,
      ...isWindowed && slide !== undefined && { slide: seconds(slide) },
      ...shift !== undefined && { startTime: seconds(shift) },
    }).agg({ value: aggregate });
  }

  /** Rows as the case shows them: the keys, then the start (and the end, where it is asked for). */
  #seen(frames: readonly DataFrame[], want: readonly Json[]): Json[] {
    const { isWindowed, keys } = this.#operator;
    this.#checkedBatch = Math.max(-1, ...this.#sink.batches.keys());
    const width = want[0]?.length ?? 0;
    return frames.flatMap((frame): Json[] => frame.toRecords()).map((row) => {
      const named = keys.map((key) => JSON.parse(row[key]));
      const window = isWindowed ? [row.window_start, row.window_end] : [];
      const times = window.map((time) => time.getTime() / SECOND);
      if (isWindowed && width <= named.length + 2) times.pop();
      return [...named, ...times, Number(row.value)];
    });
  }
}

/** Spark words its refusals in its own way; ours say what cannot be done. */
function isRefusal({ message }: Error): boolean {
  return /Cannot (?!read prop)|is disallowed|does not support/.test(message);
}
