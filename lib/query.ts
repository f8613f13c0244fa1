import type { DataFrame } from "polars";
import type { QueryStanding, StreamingQueryProgress } from "./progress.ts";
import { DEFAULTS } from "./options.ts";
import { parseDuration } from "./core/duration.ts";
import { isoTime } from "./core/time.ts";
import { explain } from "./explain.ts";
import { groupsIn } from "./windows/state.ts";
import { pause } from "./wait.ts";
import { MicroBatches, type QueryParts } from "./micro_batch.ts";

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
  readonly #opened: AsyncDisposableStack;
  readonly #batches: MicroBatches;
  readonly #recent: StreamingQueryProgress[] = [];
  readonly #ended: Promise<void>;
  #status = status("Initializing query");
  #isActive = true;
  #exception: StreamingQueryException | null = null;
  readonly #stop = new AbortController();
  #warned = false;
  /** Ends the wait between two triggers. */
  #wake = new AbortController();
  /** Resolved each time a look at the source finds nothing to do. */
  #idle: (() => void)[] = [];

  /** Runs batches from here on; what is `opened` is closed when it ends. */
  constructor(parts: QueryParts, opened: AsyncDisposableStack) {
    this.id = parts.checkpoint.id;
    this.name = parts.writing.name ?? null;
    this.#parts = parts;
    this.#opened = opened;
    this.#batches = new MicroBatches(parts, this.#stop.signal);
    this.#ended = this.#run();
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
    return this.#parts.pipeline.rows(groupsIn(this.#batches.entry.state));
  }

  /** Where the query stands after its last batch, also if that was run by an earlier start. */
  get standing(): QueryStanding {
    const { cursor: { batchId, watermark }, entry: { state, total } } = this.#batches;
    return {
      nextBatchId: batchId,
      watermark: isoTime(watermark),
      openGroups: state.size,
      rows: { ...total, open: state.rows },
    };
  }

  /** Says in words why windows are written or not: the last batches, the watermark, what it waits for. */
  explain(): string {
    return explain(this.#recent, this.#parts.pipeline, groupsIn(this.#batches.entry.state));
  }

  /**
   * Stops the query after the running batch. A batch that waits for its source is left, and a restart
   * runs it again: it takes less than a second, whatever the source does.
   */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("The query was stopped"));
    this.#wake.abort();
    await this.#ended;
  }

  /** Waits until the query ends, at most `ms` milliseconds; returns whether it has ended. Throws if it failed. */
  async awaitTermination(ms?: number): Promise<boolean> {
    if (ms !== undefined && !(ms >= 0)) {
      throw new RangeError(`awaitTermination: ms must be a number >= 0, got ${ms}`);
    }
    const end = new AbortController();
    await Promise.race([this.#ended, pause(ms ?? Infinity, end.signal)]);
    end.abort();
    if (this.#exception !== null) throw this.#exception;
    return !this.#isActive;
  }

  /** Waits until all data that is available now has been processed and written. Throws if the query failed. */
  async processAllAvailable(): Promise<void> {
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#wake.abort();
    await Promise.race([idle, this.#ended]);
    if (this.#exception !== null) throw this.#exception;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      await this.#trigger();
      this.#status = status("Stopped");
    } catch (error) {
      const wasStopped = signal.aborted && error === signal.reason;
      const message = error instanceof Error ? error.message : String(error);
      if (!wasStopped) this.#exception = this.#failure(message, error);
      this.#status = status(wasStopped ? "Stopped" : `Terminated with exception: ${message}`);
    }
    this.#isActive = false;
    await this.#opened.disposeAsync();
  }

  #failure(message: string, cause: unknown): StreamingQueryException {
    const { batchId, before } = this.#batches.cursor;
    const query = `Query ${this.name ?? this.id} failed in batch ${batchId}`;
    const from = `${this.#parts.source.description} from ${JSON.stringify(before.end)}`;
    return new StreamingQueryException(`${query}, reading ${from}: ${message}`, { cause });
  }

  async #trigger(): Promise<void> {
    const { trigger = DEFAULTS.trigger } = this.#parts.writing;
    if (trigger === "once") {
      await this.#runNext();
    } else if (trigger === "available-now") {
      while (!this.#stop.signal.aborted && await this.#runNext());
    } else {
      const interval = parseDuration(trigger);
      while (!this.#stop.signal.aborted) await this.#runInterval(interval);
    }
  }

  async #runInterval(interval: number): Promise<void> {
    const { now = Date.now } = this.#parts.writing;
    const began = now();
    // A clock that was set back must not make the wait longer than the interval.
    const rest = () => Math.min(interval, began + interval - now());
    const waiting = this.#idle;
    this.#idle = [];
    if (await this.#runNext()) {
      this.#idle.push(...waiting); // there may be more
      await this.#wait(rest());
    } else {
      this.#status = status("Waiting for data to arrive");
      for (const resolve of waiting) resolve();
      await this.#wait(Math.max(POLLING_DELAY, rest()));
    }
  }

  async #runNext(): Promise<boolean> {
    this.#status = status("Processing new data", true);
    const batch = await this.#batches.runNext();
    if (batch === undefined) return false;
    const progress = { id: this.id, runId: this.runId, name: this.name, ...batch };
    this.#recent.push(progress);
    if (this.#recent.length > NUM_PROGRESS_UPDATES) this.#recent.shift();
    Promise.try(() => this.#parts.writing.onProgress?.(progress)).catch((error) =>
      this.#warn(error)
    );
    return true;
  }

  /** Tells of the first thing that `onProgress` threw. */
  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const { batchId } = this.lastProgress!;
    console.warn(`onProgress threw after batch ${batchId}, and the query goes on: ${error}`);
  }

  /** Waits, but not when asked to stop or while `processAllAvailable` is called. */
  async #wait(ms: number): Promise<void> {
    if (ms <= 0 || this.#stop.signal.aborted || this.#idle.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 0)); // lets others run
      return;
    }
    this.#wake = new AbortController();
    await pause(ms, this.#wake.signal);
  }
}

function status(message: string, isRunning = false): StreamingQueryStatus {
  return { message, isDataAvailable: isRunning, isTriggerActive: isRunning };
}
