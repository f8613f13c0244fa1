import { parseTimestamp } from "../../lib/json/timestamp.ts";
import { topicFolder } from "../../lib/topic_log/topic_log.ts";
import { type Disorder, parseDisorder } from "./recording.ts";
import { REPLAY } from "../tasks.ts";

/** Most rows are in time for any watermark, some for one of 2 minutes only, a few for neither. */
const DISORDER = REPLAY.options.disorder.default;

/** A log has a file for each, all of them open. */
const MOST_PARTITIONS = 1000;

export interface ReplayOptions {
  /** A recording, `.parquet` or `.csv`. */
  readonly from: string;
  /** `log:DIR` or `kafka:BOOTSTRAP`. */
  readonly to: string;
  readonly topic: string;
  /** Default 3. */
  readonly partitions?: number | undefined;
  /** Seconds of the recording a second of wall time; default `max`, as fast as it goes. */
  readonly speed?: number | "max" | undefined;
  /** Delays and the shares of the rows they hit; default `2s:0.90,40s:0.08,4m:0.02`. */
  readonly disorder?: string | undefined;
  /** Seed of the disorder, a whole number; default 42. */
  readonly seed?: number | undefined;
  /** Plays only the first rows of the recording. */
  readonly limit?: number | undefined;
  /** Event time of the first row, in UTC if it names no zone; default `2024-01-01T10:00:00Z`. */
  readonly start?: string | undefined;
  /** Rows a second of event time; default 50. */
  readonly rate?: number | undefined;
  /** Replaces a topic log that exists; default false. */
  readonly overwrite?: boolean | undefined;
  /** Stops the replay after the rows being sent. */
  readonly signal?: AbortSignal | undefined;
  /** Called as rows are sent. */
  readonly onProgress?: ((progress: ReplayProgress) => void) | undefined;
  /** The wall clock, for tests. */
  readonly clock?: { now(): number; sleep(ms: number): Promise<unknown> } | undefined;
}

export interface ReplayProgress {
  /** Rows sent so far. */
  readonly rows: number;
  readonly totalRows: number;
}

/** What a replay does. */
export interface ReplayPlan extends Omit<ReplayOptions, "disorder"> {
  readonly target: { readonly kind: string; readonly address: string };
  readonly partitions: number;
  readonly speed: number;
  readonly startMs: number;
  readonly rate: number;
  readonly disorder: Disorder;
  readonly seed: number;
}

/** Decides everything that needs no file and no network, so that wrong usage is told at once. */
export function planReplay(options: ReplayOptions): ReplayPlan {
  const [, kind, address] = /^(log|kafka):(.+)$/.exec(options.to) ?? [];
  if (kind === undefined || address === undefined) {
    throw new RangeError(`The target should be log:DIR or kafka:BOOTSTRAP, got "${options.to}"`);
  }
  if (options.overwrite && kind !== "log") {
    throw new RangeError("Only a topic log can be overwritten");
  }
  if (!/\.(parquet|csv)$/i.test(options.from)) {
    throw new RangeError(`The recording should be a .parquet or .csv file, got "${options.from}"`);
  }
  topicFolder(".", options.topic);
  const startMs = parseTimestamp(options.start ?? "2024-01-01T10:00:00Z");
  if (startMs === null || !isPlainTime(startMs)) {
    throw new RangeError(
      `The start should be a time such as 2024-01-01T10:00:00Z, from year 1 to 9999, ` +
        `got "${options.start}"`,
    );
  }
  const { partitions = 3, seed = 42, rate = 50, limit } = options;
  const speed = options.speed === undefined || options.speed === "max" ? Infinity : options.speed;
  const whole = (value: number, least: number) => Number.isSafeInteger(value) && value >= least;
  const rules: [name: string, value: number, rule: string, holds: boolean][] = [
    [
      "number of partitions",
      partitions,
      `a whole number from 1 to ${MOST_PARTITIONS}`,
      whole(partitions, 1) && partitions <= MOST_PARTITIONS,
    ],
    ["speed", speed, `a number > 0 or "max"`, speed > 0],
    ["seed", seed, "a whole number", whole(seed, -Infinity)],
    ["limit", limit ?? 1, "a whole number > 0", whole(limit ?? 1, 1)],
    ["rate", rate, "a number > 0", rate > 0 && rate < Infinity],
  ];
  for (const [name, value, rule, holds] of rules) {
    if (!holds) throw new RangeError(`The ${name} should be ${rule}, got ${value}`);
  }
  const disorder = parseDisorder(options.disorder ?? DISORDER);
  return {
    ...options,
    target: { kind, address },
    partitions,
    speed,
    startMs,
    rate,
    disorder,
    seed,
  };
}

/** Whether any reader of timestamps can read it: a year has four digits. */
export function isPlainTime(ms: number): boolean {
  return ms >= -62_135_596_800_000 && ms < 253_402_300_800_000;
}
