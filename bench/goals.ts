import { median } from "../view/statistics.ts";
import { onnxAlone, ours } from "./ours.ts";
import { flink } from "./peers.ts";
import type { Program, Run } from "./programs.ts";
import {
  array,
  bytewax,
  clickhouse,
  duckdb,
  FULL_BATCHES,
  oneQuery,
  polars,
  quix,
  type Trial,
  twoQueries,
  udf,
} from "./trials.ts";

/** Every run of every trial: trial id, program name, runs in the order they ran. */
export type Results = ReadonlyMap<string, ReadonlyMap<string, readonly Run[]>>;

/** One line of the table of goals. */
export interface Goal {
  readonly figure: string;
  /** Such as `12.3×`. */
  readonly unit: "×" | " ms" | " MiB" | " s";
  readonly value: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Returns the goals that the results can tell about, with what was reached. */
export function goalsOf(results: Results, trials: readonly Trial[]): Goal[] {
  const runs = (id: string, { name }: Program) => results.get(id)?.get(name) ?? [];
  const seconds = (id: string, program: Program) =>
    median(runs(id, program).map((run) => run.querySeconds));
  const batch = (id: string, program: Program, share: number) =>
    quantile(runs(id, program).flatMap(({ batchMs }) => batchMs), share);
  const grown = (id: string, share: number) => quantile(runs(id, ours).flatMap(grownMs), share);
  const title = (id: string) => trials.find((trial) => trial.id === id)?.title ?? id;
  const faster = (id: string, peers: readonly (readonly [Program, number])[]) =>
    peers.map(([peer, atLeast]): Goal => {
      const value = seconds(id, peer) / seconds(id, ours);
      return { figure: `${title(id)} against ${peer.name}`, unit: "×", value, atLeast };
    });
  const most = (id: string, of: (run: Run) => number) => Math.max(...runs(id, ours).map(of));
  const partitions = trials.filter(({ id }) => id.startsWith("partitions-"));
  const all: Goal[] = [
    ...faster("lr-large", [
      ...[[duckdb, 1.75], [clickhouse, 1.75], [polars, 3.5], [flink, 8], [bytewax, 24]] as const,
      ...[[array, 20], [udf, 30]] as const,
    ]),
    ...faster("lr-small", [[duckdb, 1.5], [clickhouse, 1.5]]),
    ...faster("lr-batches", [[array, 35], [udf, 45]]),
    ...faster("rf-large", [[array, 9], [udf, 10]]),
    {
      figure: `${title("rf-large")}, time against ${onnxAlone.name}`,
      unit: "×",
      value: seconds("rf-large", ours) / seconds("rf-large", onnxAlone),
      atMost: 1.15,
    },
    ...faster("kafka", [[flink, 6], [quix, 18], [array, 18], [udf, 18]]),
    { figure: `${title("fast")}, p50`, unit: " ms", value: batch("fast", ours, 0.5), atMost: 4 },
    { figure: `${title("fast")}, p99`, unit: " ms", value: batch("fast", ours, 0.99), atMost: 12 },
    {
      figure: `${title("fast")}, p50 against ${array.name}`,
      unit: "×",
      value: batch("fast-spark", array, 0.5) / batch("fast", ours, 0.5),
      atLeast: 50,
    },
    {
      figure: "cold start to the first commit",
      unit: " s",
      value: median(runs("cold", ours).map((run) => run.firstCommitMs ?? NaN)) / 1000,
      atMost: 1.5,
    },
    ...["lr-large", "long"].map((id): Goal => ({
      figure: `resident memory of the query's process, ${title(id)} (with the two that start it: ${
        most(id, ({ peakMiB }) => peakMiB).toFixed(0)
      } MiB)`,
      unit: " MiB",
      value: most(id, ({ largestMiB }) => largestMiB),
      atMost: 320,
    })),
    {
      figure: "slowest number of partitions against the fastest",
      unit: "×",
      value: spreadOf(partitions.map(({ id }) => seconds(id, ours))),
      atMost: 1.08,
    },
    {
      figure: `${title("open-many")} against none`,
      unit: "×",
      value: seconds("open-many", ours) / seconds("open-none", ours),
      atMost: 1.08,
    },
    {
      figure: `a batch, p50: ${title("groups-many")}, against ${title("groups-few")}`,
      unit: "×",
      value: grown("groups-many", 0.5) / grown("groups-few", 0.5),
      atMost: 1.5,
    },
    {
      figure: `resident memory of the query's process, ${title("groups-many")}`,
      unit: " MiB",
      value: most("groups-many", ({ largestMiB }) => largestMiB),
      atMost: 700,
    },
    {
      figure: `a second start with nothing to read, ${title("groups-many")}`,
      unit: " s",
      value: median(runs("groups-many", ours).map((run) => run.state?.restart.wallSeconds ?? NaN)),
      atMost: 3,
    },
    {
      figure: `${twoQueries.name} against ${oneQuery.name}`,
      unit: "×",
      value: seconds("two-queries", twoQueries) / seconds("two-queries", oneQuery),
      atMost: 1.2,
    },
  ];
  return all.filter(({ value }) => Number.isFinite(value));
}

/** The times of the batches that found all groups open, ms. */
export function grownMs({ batchMs }: Run): readonly number[] {
  return batchMs.slice(-FULL_BATCHES);
}

/** Whether a goal is reached. */
export function isMet({ value, atLeast = -Infinity, atMost = Infinity }: Goal): boolean {
  return value >= atLeast && value <= atMost;
}

/** Returns the value below which a share of the values lies, between its neighbours; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? NaN;
  return below + (sorted[Math.ceil(at)] ?? NaN) * (at % 1) - below * (at % 1);
}

function spreadOf(values: readonly number[]): number {
  const known = values.filter(Number.isFinite);
  return known.length > 1 ? Math.max(...known) / Math.min(...known) : NaN;
}
