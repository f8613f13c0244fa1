import pl, { type DataFrame } from "polars";
import { lastWindowStart, type Sink, type Source, type StreamingQueryProgress } from "lib";
import { asTimestamps, doubles } from "../lib/windows/frame.ts";
import { arrival } from "./batch_charts.ts";
import { type Content, jupyterDisplay, showInPlace } from "./display.ts";
import { sampleEvents } from "./messages.ts";
import type { Run } from "./run.ts";

/** The share of the time that drawing may take, all charts together. */
const SHARE = 0.05;
const EVERY_MS = 1000;
/** Newest batches that are drawn, and rows of each partition that are looked at in each. */
const BATCHES = 60;
const ROWS = 6;
/** Most rows dropped as late that are drawn. */
const CROSSES = 400;

/** What the charts of a kernel know of their last drawing: when it ended, and what it cost, in ms. */
export class DrawingTime {
  end = -Infinity;
  /** What a first one is taken to cost. */
  cost = 80;
  /** When each chart was last told of a batch: those that have an interest in the time. */
  readonly seen: Map<LiveArrival, number> = new Map();
}
const SHARED = new DrawingTime();

/** Shows a state of the chart in place of the last one. */
export type ShowChart = (content: Content) => void | Promise<void>;

/**
 * Draws the chart of section 5 while its query runs: once a second at most, and never so often that all
 * such charts take more than a twentieth of the time. `close` takes it away: the whole chart comes after the run.
 */
export class LiveArrival {
  readonly #run: Pick<Run, "watermark" | "window">;
  readonly #open: () => Promise<Source>;
  #source: Source | undefined;
  readonly #show: ShowChart | undefined;
  readonly #now: () => number;
  readonly #began: number;
  #progress: StreamingQueryProgress[] = [];
  #late: DataFrame[] = [];
  #events: { readonly batchId: number; readonly rows: DataFrame }[] = [];
  readonly #last: DrawingTime;
  #drawnAt = -Infinity;
  #drawing: Promise<void> | undefined;
  #hasFailed = false;
  #isClosed = false;

  /** The source is opened to read a few rows of each batch beside the query. */
  constructor(
    run: Pick<Run, "watermark" | "window">,
    open: () => Promise<Source>,
    { show = showInPlace(), now = () => performance.now(), last = SHARED }: {
      show?: ShowChart | undefined;
      now?: () => number;
      last?: DrawingTime;
    } = {},
  ) {
    [this.#run, this.#open, this.#show, this.#now] = [run, open, show, now];
    this.#last = last;
    this.#began = now();
  }

  /** Returns the sink of the rows kept aside; the chart gets those that are late. */
  beside(sink: Sink): Sink {
    return {
      description: sink.description,
      ...sink.outputModes && { outputModes: sink.outputModes },
      open: async (queryId, start) => await sink.open?.(queryId, start),
      addBatch: async (batchId, rows) => {
        await sink.addBatch(batchId, rows);
        const late = rows.filter(pl.col("kind").eq(pl.lit("late")));
        if (late.height > 0) this.#late.push(late.select("window_start", "event_time", "batch_id"));
      },
      close: async () => await sink.close?.(),
    };
  }

  /** Takes the progress of a batch, and draws if that is due. */
  update(progress: StreamingQueryProgress): void {
    this.#progress.push(progress);
    if (!this.#show || this.#drawing || this.#isClosed || this.#hasFailed) return;
    const now = this.#now();
    const idle = now - Math.max(this.#began, this.#last.end);
    this.#last.seen.set(this, now);
    const isNew = (at: number) => now - at < 5 * EVERY_MS;
    const charts = this.#last.seen.values().filter(isNew).toArray().length;
    const period = this.#last.cost / SHARE; // and each chart has its turn
    if (idle < period - this.#last.cost) return;
    if (now - this.#drawnAt < Math.max(EVERY_MS, charts * period)) return;
    this.#last.end = now;
    this.#drawing = this.#draw(now).catch((error) => {
      this.#hasFailed = true; // the run goes on without
      console.error(`The chart is no longer drawn while the query runs: ${error.message}`);
    }).finally(() => {
      this.#drawing = undefined;
    });
  }

  /** Takes the chart away. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#last.seen.delete(this);
    await this.#drawing;
    if (this.#drawnAt > -Infinity) await this.#show?.({ "text/html": "", "text/plain": "" });
    await this.#source?.close();
  }

  async #draw(began: number): Promise<void> {
    const source = this.#source ??= await this.#open();
    const progress = this.#progress.slice(-BATCHES);
    const [oldest, newest] = [progress[0]!.batchId, this.#events.at(-1)?.batchId ?? -1];
    this.#progress = progress;
    this.#events = this.#events.filter(({ batchId }) => batchId >= oldest);
    for (const batch of progress.filter(({ batchId }) => batchId > newest)) {
      const rows = await sampleEvents(source, [firstRows(batch)]);
      this.#events.push({ batchId: batch.batchId, rows });
    }
    const events = pl.concat(this.#events.map(({ rows }) => rows));
    const late = this.#late.length > 0
      ? pl.concat(this.#late).filter(pl.col("batch_id").gtEq(oldest)).tail(CROSSES)
      : events.head(0).withColumn(pl.col("event_time").alias("window_start"));
    this.#late = late.height > 0 ? [late] : [];
    const first = Number(events.getColumn("event_time").min() ?? NaN);
    const start = lastWindowStart(first, this.#run.window);
    const starts = Number.isNaN(start) ? [] : [start];
    const kpi = pl.DataFrame([asTimestamps(doubles("window_start", starts))]);
    const run = { ...this.#run, position: 0, kpi, open: kpi.head(0), progress, late, events };
    await this.#show!(arrival(run, { isLive: true })[jupyterDisplay]());
    this.#drawnAt = this.#now();
    this.#last.end = this.#drawnAt;
    this.#last.cost = this.#drawnAt - began;
  }
}

/** The progress of a batch as if it had read only its first rows. */
function firstRows(batch: StreamingQueryProgress): StreamingQueryProgress {
  const [source] = batch.sources;
  const endOffset = Object.fromEntries(
    Object.entries(source!.endOffset).map(([topic, offsets]) => [
      topic,
      Object.fromEntries(
        Object.entries(offsets).map(([partition, end]) => {
          const start = source!.startOffset[topic]?.[partition] ?? 0;
          return [partition, Math.min(end, start + ROWS)];
        }),
      ),
    ]),
  );
  return { ...batch, numInputRows: 0, sources: [{ ...source!, endOffset }] };
}
