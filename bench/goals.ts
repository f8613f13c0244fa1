import type { Run } from "./programs.ts";
import {
  array,
  bytewax,
  duckdb,
  oneQuery,
  polars,
  quix,
  type Trial,
  twoQueries,
  udf,
} from "./trials.ts";
import { ours, oursByTask, type Program } from "./programs.ts";

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
  const faster = (figure: string, id: string, [peer, atLeast]: [Program, number]): Goal => {
    const value = seconds(id, peer) / seconds(id, ours);
    return { figure: `${figure} against ${peer.name}`, unit: "×", value, atLeast };
  };
  const title = (id: string) => trials.find((trial) => trial.id === id)?.title ?? id;
  const all: Goal[] = [
    ...([[udf, 10], [array, 6], [duckdb, 1], [polars, 1], [bytewax, 1]] as const)
      .map(([peer, goal]) => faster(title("lr-large"), "lr-large", [peer, goal])),
    ...[udf, array].map((peer) => faster(title("lr-batches"), "lr-batches", [peer, 20])),
    ...[udf, array].map((peer) => faster(title("rf-large"), "rf-large", [peer, 10])),
    ...([[udf, 12], [array, 12], [quix, 1]] as const)
      .map(([peer, goal]) => faster(title("kafka"), "kafka", [peer, goal])),
    { figure: `${title("fast")}, p50`, unit: " ms", value: batch("fast", ours, 0.5), atMost: 15 },
    { figure: `${title("fast")}, p99`, unit: " ms", value: batch("fast", ours, 0.99), atMost: 50 },
    {
      figure: `${title("fast")}, p50 against ${array.name}`,
      unit: "×",
      value: batch("fast-spark", array, 0.5) / batch("fast", ours, 0.5),
      atLeast: 50,
    },
    {
      figure: "cold start to the first commit",
      unit: " s",
      value: median(runs("cold", oursByTask).map(({ firstCommitMs }) => firstCommitMs)) / 1000,
      atMost: 1.5,
    },
    ...["lr-large", "long"].map((id): Goal => ({
      figure: `resident memory, ${title(id)}`,
      unit: " MiB",
      value: Math.max(...runs(id, ours).map(({ peakMiB }) => peakMiB)),
      atMost: 400,
    })),
    {
      figure: "slowest number of partitions against the fastest",
      unit: "×",
      value: spreadOf(
        trials.filter(({ id }) => id.startsWith("partitions-"))
          .map(({ id }) => seconds(id, ours)),
      ),
      atMost: 1.15,
    },
    {
      figure: `${title("open-many")} against none`,
      unit: "×",
      value: seconds("open-many", ours) / seconds("open-none", ours),
      atMost: 1.15,
    },
    {
      figure: `${twoQueries.name} against ${oneQuery.name}`,
      unit: "×",
      value: seconds("two-queries", twoQueries) / seconds("two-queries", oneQuery),
      atMost: 1.5,
    },
  ];
  return all.filter(({ value }) => Number.isFinite(value));
}

/** Whether a goal is reached. */
export function isMet({ value, atLeast = -Infinity, atMost = Infinity }: Goal): boolean {
  return value >= atLeast && value <= atMost;
}

/** Returns the median; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
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
