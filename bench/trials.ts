import { PULSE_MS, PULSE_ROWS, WARM_UP } from "./live.ts";
import { liveOurs, realTime } from "./live_programs.ts";
import { onnxAlone, ours, queriesInOneProcess } from "./ours.ts";
import { flink, script, spark } from "./peers.ts";
import type { Job, Program } from "./programs.ts";

/** How much is measured. */
export interface Sizes {
  readonly small: number;
  readonly large: number;
  /** Rows of a batch, where batches are limited. */
  readonly batch: number;
  readonly partitions: readonly number[];
  readonly openWindows: number;
  /** Open groups, few and many, and the rows of a batch over them. */
  readonly groups: readonly [number, number];
  readonly groupBatch: number;
  /** Pulses of rows whose answers are timed. */
  readonly pulses: number;
}

export const FULL: Sizes = {
  small: 500_000,
  large: 2_000_000,
  batch: 50_000,
  partitions: [1, 2, 4, 8, 16, 32, 64],
  openWindows: 10_000,
  groups: [100_000, 500_000],
  groupBatch: 20_000,
  pulses: 40,
};

export const QUICK: Sizes = {
  small: 50_000,
  large: 200_000,
  batch: 10_000,
  partitions: [1, 8, 64],
  openWindows: 2_000,
  groups: [4_000, 20_000],
  groupBatch: 800,
  pulses: 5,
};

/** The same work for one or several programs, which run in turn. */
export interface Trial {
  readonly id: string;
  readonly title: string;
  readonly programs: readonly Program[];
  /** Programs that take so long that they run in the first rounds only; the table says in how many. */
  readonly slow?: readonly Program[];
  /** What trials that are compared with one another have in common: they run in turn; none is on Kafka. */
  readonly series?: string;
  /** Its runs take about a second, so there are `SHORT_TIMES` as many. */
  readonly isShort?: boolean;
  /** What the topic is drawn with. */
  readonly topic: Omit<Job["topic"], "dir" | "bytes" | "reference" | "maxEventTime">;
  readonly job: Omit<Job, "topic" | "bootstrap">;
  /** Read the topic from a broker. */
  readonly kafka?: boolean;
  /** Rows arrive while the programs run: what counts is how long each answer takes, not rows a second. */
  readonly isLive?: boolean;
}

export const udf = spark("udf");
export const array = spark("array");
export const duckdb = script("DuckDB, one SQL query", "duckdb_query.py");
export const clickhouse = script("ClickHouse in process, one SQL query", "clickhouse_query.py");
export const polars = script("Polars, one lazy query", "polars_query.py");
export const bytewax = script("Bytewax", "bytewax_flow.py");
export const quix = script("Quix Streams", "quix_app.py");
/** All that read a topic log. */
export const PROGRAMS: readonly Program[] = [
  ...[ours, duckdb, clickhouse, polars, flink, bytewax, array, udf],
];
export const oneQuery = queriesInOneProcess(1);
export const twoQueries = queriesInOneProcess(2);

/** Rounds of a program that is slow. */
export const SLOW_ROUNDS = 3;
/** How many times as many rounds a trial has whose runs are short. */
export const SHORT_TIMES = 3;
/** Rows of a batch that is to be fast. */
export const FAST_BATCH = 1_000;

/** Batches that find all groups open. */
export const FULL_BATCHES = 6;

/** Lists what is measured, in order. */
export function trials(sizes: Sizes): Trial[] {
  const { small, large, batch, partitions, openWindows, groups, groupBatch, pulses } = sizes;
  const lr = { model: "lr" } as const;
  const whole = { rows: large, partitions: 3, features: true };
  const files = { rows: small, partitions: 3, rowsPerFile: batch };
  const many = { model: "lr", batchRows: batch, watermark: "30 days" } as const;
  return [
    {
      id: "lr-large",
      title: `logistic regression, ${thousands(large)} rows in one batch`,
      programs: PROGRAMS,
      slow: [bytewax, array, udf],
      topic: whole,
      job: lr,
    },
    {
      id: "lr-small",
      title: `logistic regression, ${thousands(small)} rows in one batch`,
      programs: [ours, duckdb, clickhouse, polars],
      topic: files,
      job: lr,
      isShort: true,
    },
    {
      id: "lr-batches",
      title: `logistic regression, ${thousands(small)} rows in batches of ${thousands(batch)}`,
      programs: [ours, array, udf],
      topic: files,
      job: { ...lr, batchRows: batch },
    },
    {
      id: "rf-large",
      title: `random forest, ${thousands(large)} rows in one batch`,
      programs: [ours, onnxAlone, array, udf],
      slow: [array, udf],
      topic: whole,
      job: { model: "rf" },
    },
    {
      id: "kafka",
      title: `logistic regression, ${thousands(small)} rows from Kafka`,
      programs: [ours, flink, quix, array, udf],
      topic: files,
      job: lr,
      kafka: true,
    },
    {
      id: "two-queries",
      title: `one and two queries over the same ${thousands(small)} rows in one process`,
      programs: [oneQuery, twoQueries],
      topic: files,
      job: lr,
      isShort: true,
    },
    {
      id: "fast",
      title: `batches of ${thousands(FAST_BATCH)}, ${thousands(small)} rows`,
      programs: [ours],
      topic: files,
      job: { ...lr, batchRows: FAST_BATCH },
    },
    {
      id: "fast-spark",
      title: `batches of ${thousands(FAST_BATCH)}, the first ${thousands(20 * FAST_BATCH)} rows`,
      programs: [array],
      topic: { rows: 20 * FAST_BATCH, partitions: 3, rowsPerFile: FAST_BATCH },
      job: { ...lr, batchRows: FAST_BATCH },
    },
    {
      id: "live",
      title: `from Kafka to the answer, ${thousands(PULSE_ROWS)} rows every ${PULSE_MS} ms`,
      programs: [liveOurs, realTime],
      slow: [liveOurs],
      topic: { rows: (WARM_UP + pulses) * PULSE_ROWS, partitions: 2 },
      job: lr,
      isLive: true,
    },
    {
      id: "cold",
      title: `from the start of the program to the first commit, ${thousands(FAST_BATCH)} rows`,
      programs: [ours, array],
      topic: { rows: FAST_BATCH, partitions: 3 },
      job: lr,
    },
    ...partitions.map((count): Trial => ({
      id: `partitions-${count}`,
      title: `${thousands(small)} rows in ${count} partitions`,
      programs: [ours],
      topic: { rows: small, partitions: count },
      job: lr,
      series: "partitions",
      isShort: true,
    })),
    {
      id: "open-none",
      title: `${thousands(small)} rows in batches of ${thousands(batch)}, a watermark of 30 days`,
      programs: [ours],
      topic: files,
      job: many,
      series: "open",
      isShort: true,
    },
    {
      id: "open-many",
      title: `the same with ${thousands(openWindows)} more windows open`,
      programs: [ours],
      topic: { rows: small, partitions: 3, openWindows },
      job: many,
      series: "open",
      isShort: true,
    },
    ...groups.map((count, i): Trial => ({
      id: i === 0 ? "groups-few" : "groups-many",
      title: `batches of ${thousands(groupBatch)} rows over ${thousands(count)} open groups`,
      programs: [ours],
      topic: { rows: count + FULL_BATCHES * groupBatch, partitions: 3 },
      job: { ...many, batchRows: groupBatch, groups: count },
      series: "groups",
    })),
  ];
}

/** Lists what a commit is compared with another on: both models, from a topic log and from Kafka. */
export function comparisons({ small, large }: Sizes, programs: readonly Program[]): Trial[] {
  return (["lr", "rf"] as const).flatMap((model) =>
    [false, true].map((kafka): Trial => {
      const rows = kafka ? small : large;
      const name = model === "lr" ? "logistic regression" : "random forest";
      return {
        id: `${model}-${kafka ? "kafka" : "log"}`,
        title: `${name}, ${thousands(rows)} rows from ${kafka ? "Kafka" : "a topic log"}`,
        programs,
        topic: kafka ? { rows, partitions: 3 } : { rows, partitions: 3, features: true },
        job: { model },
        kafka,
      };
    })
  );
}

/** Writes a whole number with thousands separators. */
export function thousands(value: number): string {
  return value.toLocaleString("en-US");
}
