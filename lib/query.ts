import type { DataFrame } from "polars";
import type { StreamingQueryProgress } from "./core/progress.ts";
import { parseDuration } from "./core/duration.ts";
import type { QuerySettings } from "./options.ts";
import { MicroBatches, type QueryParts, type TriggerLimits } from "./micro_batch.ts";

export interface StreamingQueryStatus {
  readonly message: string;
  readonly isDataAvailable: boolean;
  readonly isTriggerActive: boolean;
}

/** Raised by `awaitTermination` and `processAllAvailable` when the query failed. */
export class StreamingQueryException extends Error {
  override readonly name = "StreamingQueryException";
}

/** Milliseconds between two looks at a source that had nothing new. */
const POLLING_DELAY = 25;
const NUM_PROGRESS_UPDATES = 100;

/** A running query: Spark's `StreamingQuery`. Make one with `writeStream`. */
export class StreamingQuery {
  /** Stays the same over restarts from one checkpoint. */
  readonly id: string;
  /** Is new with every start. */
  readonly runId: string = crypto.randomUUID();
  readonly name: string | null;
  readonly #parts: QueryParts;
  readonly #settings: QuerySettings;
  readonly #batches: MicroBatches;
  readonly #recent: StreamingQueryProgress[] = [];
  readonly #ended: Promise<void>;
  #status: StreamingQueryStatus = status("Initializing query", false, false);
  #isActive = true;
  #exception: StreamingQueryException | null = null;
  #stopping = false;
  /** Ends the wait between two triggers. */
  #wake: () => void = () => {};
  /** Resolved each time a look at the source finds nothing to do. */
  #idle: (() => void)[] = [];

  private constructor(parts: QueryParts, settings: QuerySettings, batches: MicroBatches) {
    this.id = parts.checkpoint.id;
    this.name = settings.name ?? null;
    this.#parts = parts;
    this.#settings = settings;
    this.#batches = batches;
    this.#ended = this.#run();
  }

  /** Prepares the sinks, reads the checkpoint and starts to run batches. */
  static async start(parts: QueryParts, settings: QuerySettings): Promise<StreamingQuery> {
    try {
      const { checkpoint: { id }, sink, rejected } = parts;
      const batches = await MicroBatches.resume(parts);
      const { batchId, conf } = batches.cursor;
      await sink.open?.(id, { batchId, isNew: batchId === 0 });
      // Under a name of its own, so that both sinks cannot share a folder.
      const isNew = batchId === 0 || conf?.rejected !== rejected?.description;
      await rejected?.open?.(`${id}/rejected`, { batchId, isNew });
      return new StreamingQuery(parts, settings, batches);
    } catch (error) {
      await parts.checkpoint.close();
      throw error;
    }
  }

  get isActive(): boolean {
    return this.#isActive;
  }

  get status(): StreamingQueryStatus {
    return this.#status;
  }

  /** Why the query failed; null if it did not. */
  get exception(): StreamingQueryException | null {
    return this.#exception;
  }

  /** The progress of the last batch that ran; null before the first. */
  get lastProgress(): StreamingQueryProgress | null {
    return this.#recent.at(-1) ?? null;
  }

  /** The progress of the last 100 batches. */
  get recentProgress(): readonly StreamingQueryProgress[] {
    return [...this.#recent];
  }

  /** The windows that are not final yet, as rows of the result; in the order they were opened. */
  get openWindows(): DataFrame {
    return this.#batches.openWindows;
  }

  /** Says in words why windows are written or not: the last batches, the watermark, what it waits for. */
  explain(): string {
    return this.#batches.explain(this.#recent);
  }

  /** Stops the query after the running batch. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    await this.#ended;
  }

  /** Waits until the query ends, at most `ms` milliseconds; returns whether it has ended. Throws if it failed. */
  async awaitTermination(ms?: number): Promise<boolean> {
    const timer = startTimer(ms ?? Infinity);
    await Promise.race([this.#ended, timer.ended]);
    timer.end();
    if (this.#exception !== null) throw this.#exception;
    return !this.#isActive;
  }

  /** Waits until all data that is available now has been processed and written. Throws if the query failed. */
  async processAllAvailable(): Promise<void> {
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#wake();
    await Promise.race([idle, this.#ended]);
    if (this.#exception !== null) throw this.#exception;
  }

  async #run(): Promise<void> {
    const { source, pipeline, sink, rejected, checkpoint } = this.#parts;
    try {
      await this.#trigger();
      this.#status = status("Stopped", false, false);
    } catch (error) {
      const { batchId, start } = this.#batches.cursor;
      const message = error instanceof Error ? error.message : String(error);
      this.#exception = new StreamingQueryException(
        `Query ${this.name ?? this.id} failed in batch ${batchId}, reading ${source.description} ` +
          `from ${JSON.stringify(start)}: ${message}`,
        { cause: error },
      );
      this.#status = status(`Terminated with exception: ${message}`, false, false);
    } finally {
      this.#isActive = false;
      pipeline.close();
      await Promise.allSettled([source.close(), sink.close?.(), rejected?.close?.()]);
      await Promise.allSettled([checkpoint.close()]); // after the sinks: it lets another query in
    }
  }

  async #trigger(): Promise<void> {
    const { trigger = "0 seconds" } = this.#settings;
    if (trigger === "once") {
      await this.#runNext({ once: true });
    } else if (trigger === "available-now") {
      const until = await this.#parts.source.latestOffsets();
      while (!this.#stopping && await this.#runNext({ until }));
    } else {
      const interval = parseDuration(trigger);
      while (!this.#stopping) await this.#runInterval(interval);
    }
  }

  async #runInterval(interval: number): Promise<void> {
    const began = this.#parts.now();
    // A clock that was set back must not make the wait longer than the interval.
    const rest = () => Math.min(interval, began + interval - this.#parts.now());
    const waiting = this.#idle;
    this.#idle = [];
    if (await this.#runNext({})) {
      this.#idle.push(...waiting); // there may be more
      await this.#wait(rest());
    } else {
      this.#status = status("Waiting for data to arrive", false, false);
      for (const resolve of waiting) resolve();
      await this.#wait(Math.max(POLLING_DELAY, rest()));
    }
  }

  async #runNext(limits: TriggerLimits): Promise<boolean> {
    this.#status = status("Processing new data", true, true);
    const batch = await this.#batches.runNext(limits);
    if (batch === undefined) return false;
    const progress = { id: this.id, runId: this.runId, name: this.name, ...batch };
    this.#recent.push(progress);
    if (this.#recent.length > NUM_PROGRESS_UPDATES) this.#recent.shift();
    this.#settings.onProgress?.(progress);
    return true;
  }

  /** Waits, but not when asked to stop or while `processAllAvailable` is called. */
  async #wait(ms: number): Promise<void> {
    if (ms <= 0 || this.#stopping || this.#idle.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 0)); // lets others run
      return;
    }
    const timer = startTimer(ms);
    this.#wake = timer.end;
    await timer.ended;
  }
}

/** Longer than this no timer of the runtime can wait: it would end at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Starts a timer of any length, ms, that can be ended before. */
function startTimer(ms: number): { readonly ended: Promise<void>; readonly end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout>;
  const wait = (rest: number) => {
    const next = rest > LONGEST_TIMER ? () => wait(rest - LONGEST_TIMER) : resolve;
    timer = setTimeout(next, Math.min(rest, LONGEST_TIMER));
  };
  wait(ms);
  const end = () => {
    clearTimeout(timer);
    resolve();
  };
  return { ended: promise, end };
}

function status(
  message: string,
  isDataAvailable: boolean,
  isTriggerActive: boolean,
): StreamingQueryStatus {
  return { message, isDataAvailable, isTriggerActive };
}
