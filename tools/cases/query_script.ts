import { join } from "node:path";
import type { DataFrame } from "polars";
import {
  avg,
  count,
  isoTime,
  max,
  MemorySource,
  min,
  type OutputMode,
  ParquetSink,
  readParquetFolder,
  readStream,
  type ResultStream,
  type Schema,
  type Sink,
  type StreamingQuery,
  type StreamingQueryProgress,
  sum,
} from "lib";
import { type Check, equals, fails, type Json, NotRun, sameRows } from "./check.ts";

/** Times of a case are seconds; the elements of groups without a window all happen at 0. */
const SECOND = 1000;
const ENDLESS = "36500 days";
const AGGREGATES = { Count: count(), Sum: sum("v"), Min: min("v"), Max: max("v"), Avg: avg("v") };
type AggregateName = keyof typeof AGGREGATES;

interface Operator {
  readonly aggregate: AggregateName;
  readonly isWindowed: boolean;
  readonly keys: readonly string[];
}

/** Plays the steps of one case against a query on a checkpoint of its own, as Spark's StreamTest does. */
export class QueryScript {
  readonly #case: Json;
  readonly #operator: Operator;
  readonly #source = new MemorySource();
  readonly #dir = Deno.makeTempDirSync({ prefix: "case-" });
  readonly #checkpoint = join(this.#dir, "checkpoint");
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
    this.#sink = new RecordingSink(c.outputMode, c.sink && new ParquetSink(join(this.#dir, "out")));
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
        await this.#removeCommits((id, last) => (id === last) === (name === "deleteLastCommit"));
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
        return equals(name, await this.#nextWatermark(), want);
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
    const { outputMode, noDataBatches = true } = { ...this.#case, ...changes };
    const triggers: Json = { once: "once", availableNow: "available-now" };
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
    const timed = delay === null ? rows : rows.withWatermark("t", seconds(delay));
    const shift = offset ?? startTime;
    return timed.groupByWindow("t", isWindowed ? seconds(window) : ENDLESS, {
      keys,
      ...isWindowed && slide !== undefined && { slide: seconds(slide) },
      ...shift !== undefined && { startTime: seconds(shift) },
    }).agg({ value: AGGREGATES[aggregate] });
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

  /** The watermark that the next batch will run with, in seconds. */
  async #nextWatermark(): Promise<number> {
    const [last] = (await this.#commits()).slice(-1);
    const text = await Deno.readTextFile(join(this.#checkpoint, "commits", String(last)));
    return JSON.parse(text.split("\n")[1]!).nextBatchWatermarkMs / SECOND;
  }

  async #commits(): Promise<number[]> {
    const files = await Array.fromAsync(Deno.readDir(join(this.#checkpoint, "commits")));
    return files.map(({ name }) => Number(name)).sort((a, b) => a - b);
  }

  async #removeCommits(isRemoved: (id: number, last: number) => boolean): Promise<void> {
    const ids = await this.#commits();
    for (const id of ids.filter((id) => isRemoved(id, ids.at(-1)!))) {
      await Deno.remove(join(this.#checkpoint, "commits", String(id)));
    }
  }
}

/** Keeps the rows of each batch, and can fail once. */
class RecordingSink implements Sink {
  readonly description = "RecordingSink";
  readonly batches = new Map<number, DataFrame>();
  failsOnce = false;
  readonly #files: ParquetSink | undefined;
  readonly #mode: OutputMode;

  constructor(mode: OutputMode, files: ParquetSink | undefined) {
    this.#mode = mode;
    this.#files = files;
  }

  open(...args: Parameters<ParquetSink["open"]>): Promise<void> {
    return this.#files?.open(...args) ?? Promise.resolve();
  }

  async addBatch(batchId: number, rows: DataFrame): Promise<void> {
    if (this.failsOnce) {
      this.failsOnce = false;
      throw new Error(PLANNED);
    }
    await this.#files?.addBatch(batchId, rows);
    this.batches.set(batchId, rows);
  }

  /** All rows: those of the whole folder if there is one, of the last table in complete mode. */
  async all(): Promise<DataFrame[]> {
    if (this.#files) return [await readParquetFolder(this.#files.dir)];
    return [...this.batches.values()].slice(this.#mode === "complete" ? -1 : 0);
  }

  since(batchId: number): DataFrame[] {
    return [...this.batches].filter(([id]) => id > batchId).map(([, rows]) => rows);
  }
}

const PLANNED = "planned failure";

function isPlanned({ message }: Error): boolean {
  return message.includes(PLANNED);
}

/** Spark words its refusals in its own way; ours say what cannot be done. */
function isRefusal({ message }: Error): boolean {
  return /Cannot (?!read prop)|is disallowed|does not support/.test(message);
}

/** Reads operators such as windowCount, groupSum, globalCount. */
function operatorOf(c: Json): Operator {
  const [, kind, aggregate] = /^(window|group|global)(Count|Sum|Min|Max|Avg)$/.exec(c.operator) ??
    [];
  if (kind === undefined) throw new NotRun(`the operator ${c.operator}`);
  if (c.sortedBy !== undefined) throw new NotRun("a sorted result table");
  const elements = c.steps.flatMap((step: Json) => step.addData ?? []);
  const first = elementOf(elements[0] ?? 0, c);
  return {
    aggregate: aggregate as AggregateName,
    isWindowed: kind === "window",
    keys: first.keys.map((_, i) => `k${i}`),
  };
}

/** Text in an element is a key; of the numbers the first is the time, where there is one. */
function elementOf(element: Json, { operator, key }: Json): { keys: Json[]; numbers: number[] } {
  const parts: Json[] = Array.isArray(element) ? element : [element];
  if (operator.startsWith("global")) return { keys: [], numbers: [0, ...parts] };
  if (operator.startsWith("window")) {
    const keys = parts.filter((part) => typeof part === "string");
    return { keys, numbers: parts.filter((part) => typeof part === "number") };
  }
  if (key === "(x, x+1)") return { keys: [element, element + 1], numbers: [0] };
  if (key !== undefined) throw new NotRun(`the key ${key}`);
  return { keys: parts.slice(0, 1), numbers: [0, ...parts.slice(1)] };
}

function messagesOf(elements: readonly Json[], c: Json): string[] {
  if (!Array.isArray(elements)) throw new NotRun("several inputs");
  if (c.expand !== undefined && c.expand !== "x -> [x, x+1]") throw new NotRun(c.expand);
  const all = c.expand === undefined ? elements : elements.flatMap((x) => [x, x + 1]);
  return all.map((element) => {
    const { keys, numbers: [time, value = time] } = elementOf(element, c);
    const named = keys.map((key, i) => [`k${i}`, JSON.stringify(key)]);
    return JSON.stringify({
      t: isoTime(time! * SECOND),
      v: value,
      ...Object.fromEntries(named),
    });
  });
}

function startsOf(frame: DataFrame): number[] {
  return frame.toRecords().map(({ window_start }: Json) => window_start.getTime() / SECOND);
}

function isoTimes(stats: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(stats).map(([name, time]) => [name, isoTime(time * SECOND)]),
  );
}

function seconds(n: number): string {
  return `${n} seconds`;
}
