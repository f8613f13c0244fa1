import pl from "polars";
import type { DataFrame } from "polars";
import type { StreamingQueryProgress } from "lib";
import { seededRandom } from "../../lab/random.ts";
import type { Run } from "../../view/run.ts";

const start = Date.UTC(2024, 0, 1, 10);
const rowCount = 60_000;
const batchRows = 1_200;
const minute = 60_000;

interface Row {
  readonly eventTime: number;
  readonly arrival: number;
  readonly isFraud: boolean;
  readonly isAlert: boolean;
  readonly isBad: boolean;
}

/** 20 minutes at 50 rows a second: most arrive within 2 s, some within 40 s, a few after minutes. */
function arrivals(): Row[] {
  const next = seededRandom(20240101);
  const rows = Array.from({ length: rowCount }, (_, i) => {
    const eventTime = start + i * 20;
    const luck = next();
    const delay = luck < 0.016 ? 40e3 + next() * 180e3 : luck < 0.06 ? next() * 40e3 : next() * 2e3;
    const isFraud = next() < 5 / 3000;
    return {
      eventTime,
      arrival: eventTime + delay,
      isFraud,
      isAlert: next() < (isFraud ? 0.8 : 0.0004),
      isBad: next() < 0.0003,
    };
  });
  return rows.sort((a, b) => a.arrival - b.arrival);
}

const rows = arrivals();

/** Every row with the batch that reads it, in the order of arrival. */
const events: DataFrame = pl.DataFrame([
  times("event_time", rows.map(({ eventTime }) => eventTime)),
  pl.Series("batch_id", rows.map((_, i) => Math.floor(i / batchRows)), pl.Int64),
]);

interface Window {
  n: number;
  alerts: number;
  frauds: number;
  tp: number;
}

/** Plays the rows through the rules of lateness and closing, a plain reference without the engine. */
export function sampleRun(watermark: string, delay: number, position = 0): Run {
  const next = seededRandom(delay);
  const open = new Map<number, Window>();
  const closed = new Map<number, Window>();
  const late: { window: number; eventTime: number; batchId: number }[] = [];
  const progress: StreamingQueryProgress[] = [];
  const total = { read: 0, counted: 0, late: 0, rejected: 0, open: 0 };
  let marks = [0, 0];
  let newest = 0;
  let clock = start + minute * 60;
  for (let batchId = 0; batchId * batchRows <= rowCount; batchId++) {
    const batch = rows.slice(batchId * batchRows, (batchId + 1) * batchRows);
    const [lateMark, mark] = marks as [number, number];
    let dropped = 0;
    let rejected = 0;
    for (const row of batch) {
      const window = Math.floor(row.eventTime / minute) * minute;
      if (row.isBad) rejected++;
      else if (window + minute <= lateMark) {
        late.push({ window, eventTime: row.eventTime, batchId });
        dropped++;
      } else {
        const kept = open.get(window) ?? { n: 0, alerts: 0, frauds: 0, tp: 0 };
        open.set(window, kept);
        kept.n++;
        kept.alerts += Number(row.isAlert);
        kept.frauds += Number(row.isFraud);
        kept.tp += Number(row.isAlert && row.isFraud);
      }
      newest = Math.max(newest, row.eventTime);
    }
    const updated = open.size;
    for (const [window, kept] of open) {
      if (window + minute > mark) continue;
      closed.set(window, kept);
      open.delete(window);
      total.counted += kept.n;
    }
    total.read += batch.length;
    total.late += dropped;
    total.rejected += rejected;
    total.open = [...open.values()].reduce((sum, { n }) => sum + n, 0);
    const addBatch = Math.round((batchId === 0 ? 140 : 22) + next() * 14 + batch.length / 80);
    const steps = {
      latestOffset: 1,
      walCommit: 4 + Math.round(next() * 3),
      getBatch: 6,
      addBatch,
      commitOffsets: 4,
    };
    const triggerExecution = Object.values(steps).reduce((a, b) => a + b);
    const offset = (n: number) => ({ transactions: { "0": n * 400, "1": n * 400, "2": n * 400 } });
    const last = rowCount / batchRows;
    progress.push({
      id: "a",
      runId: "b",
      name: `kpi ${watermark}`,
      timestamp: new Date(clock).toISOString(),
      batchId,
      numInputRows: batch.length,
      inputRowsPerSecond: batchRows,
      processedRowsPerSecond: batch.length / triggerExecution * 1000,
      durationMs: { triggerExecution, ...steps },
      eventTime: {
        watermark: new Date(mark).toISOString(),
        ...(batch.length > 0 &&
          { max: new Date(Math.max(...batch.map((r) => r.eventTime))).toISOString() }),
      },
      stateOperators: [{
        operatorName: "stateStoreSave",
        numRowsTotal: open.size,
        numRowsUpdated: updated,
        numRowsRemoved: updated - open.size,
        numRowsDroppedByWatermark: new Set(
          late.filter((r) => r.batchId === batchId).map((r) => r.window),
        ).size,
      }],
      sources: [{
        description: "TopicLog[transactions]",
        startOffset: offset(Math.min(batchId, last)),
        endOffset: offset(Math.min(batchId + 1, last)),
        latestOffset: offset(last),
        numInputRows: batch.length,
      }],
      sink: { description: "memory", numOutputRows: 0 },
      rows: { rejected, malformed: 0, unscored: 0, late: dropped, total: { ...total } },
    });
    clock += triggerExecution;
    marks = [mark, Math.max(mark, newest - delay)];
  }
  return {
    watermark,
    position,
    window: { size: minute, slide: minute, offset: 0 },
    events,
    kpi: kpiRows(closed, watermark),
    open: kpiRows(open, watermark),
    progress,
    late: pl.DataFrame([
      times("window_start", late.map(({ window }) => window)),
      times("event_time", late.map(({ eventTime }) => eventTime)),
      pl.Series("batch_id", late.map(({ batchId }) => batchId), pl.Int64),
    ]),
  };
}

function times(name: string, ms: readonly number[]) {
  return pl.Series(name, [...ms], pl.Float64).cast(pl.Int64).cast(pl.Datetime("ms", "UTC"));
}

function kpiRows(windows: ReadonlyMap<number, Window>, watermark: string): DataFrame {
  const sorted = [...windows].sort(([a], [b]) => a - b);
  const counts = (name: string, of: (window: Window) => number) =>
    pl.Series(name, sorted.map(([, window]) => of(window)), pl.Float64).cast(pl.Int64);
  const shares = (name: string, of: (window: Window) => number) =>
    pl.Series(
      name,
      sorted.map(([, { tp, ...rest }]) => {
        const trials = of({ tp, ...rest });
        return trials > 0 ? tp / trials : null;
      }) as number[],
      pl.Float64,
    );
  return pl.DataFrame([
    times("window_start", sorted.map(([start]) => start)),
    times("window_end", sorted.map(([start]) => start + minute)),
    pl.Series("watermark", sorted.map(() => watermark), pl.Utf8),
    counts("n_txn", ({ n }) => n),
    counts("n_alert", ({ alerts }) => alerts),
    counts("n_fraud_true", ({ frauds }) => frauds),
    counts("tp", ({ tp }) => tp),
    counts("fp", ({ alerts, tp }) => alerts - tp),
    counts("fn", ({ frauds, tp }) => frauds - tp),
    shares("precision", ({ alerts }) => alerts),
    shares("recall", ({ frauds }) => frauds),
  ]);
}

/** The two experiments over the same rows in the same batches. */
export const runs: readonly Run[] = [
  sampleRun("30 seconds", 30_000),
  sampleRun("2 minutes", 120_000, 1),
];

/** The run with the rows that its tables count, one after another in each window. */
export function withAlerts(run: Run): Run {
  const rows = [run.kpi, run.open].flatMap((table) => table.toRecords()).flatMap((window) =>
    ([["tp", 1, 1], ["fp", 0, 1], ["fn", 1, 0]] as const).flatMap(([name, label, isAlert]) =>
      Array.from({ length: Number(window[name]) }, (_, i) => ({
        time: Number(window.window_start) + 100 * i + label,
        label,
        isAlert,
      }))
    )
  );
  const column = (name: string, of: (row: typeof rows[number], i: number) => number) =>
    pl.Series(name, rows.map(of), pl.Float64);
  return {
    ...run,
    alerts: pl.DataFrame([
      column("batch_id", () => 0).cast(pl.Int64),
      pl.Series("partition", rows.map(() => "0"), pl.Utf8),
      column("offset", (_, i) => i).cast(pl.Int64),
      times("event_time", rows.map(({ time }) => time)),
      pl.Series("outcome", rows.map(() => "counted"), pl.Utf8),
      column("Amount", (_, i) => i * 1.25),
      column("fraud_prob", ({ isAlert }, i) => 0.5 * isAlert + 0.4 / (i + 1)),
      column("Class", ({ label }) => label).cast(pl.Int32),
      column("is_alert", ({ isAlert }) => isAlert).cast(pl.Int32),
    ]),
  };
}
