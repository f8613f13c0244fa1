// Plays a recording into a topic: `deno task replay` on the command line, replay() in a notebook.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { openSource } from "lib";
import { makeFolder, syncFolder, writeAll } from "../lib/files.ts";
import { parseTimestamp } from "../lib/json/timestamp.ts";
import { giveTopicId, ID_FILE } from "../lib/sources/topic_id.ts";
import { topicFolder } from "../lib/sources/topic_log.ts";
import { runCommand, UsageError, type Values } from "./command_line.ts";
import type { Publisher } from "./kafka_publisher.ts";
import {
  type Disorder,
  parseDisorder,
  partitionOf,
  readRecording,
  type Recording,
  timeline,
} from "./recording.ts";
import { showStatus } from "./status_line.ts";
import { REPLAY } from "./tasks.ts";

/** Most rows are in time for any watermark, some for one of 2 minutes only, a few for neither. */
const DISORDER = REPLAY.options.disorder.default;

/** Rows sent at once: Kafka clients slow down over longer lists. */
const CHUNK_ROWS = 1000;
/** A log has a file for each, all of them open. */
const MOST_PARTITIONS = 1000;
/** How often a paced replay looks at the clock. */
const TICK_MS = 100;

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

/** What was sent; `rows` is less than `totalRows` if the replay was stopped. */
export interface ReplayResult extends ReplayProgress {
  /** Messages sent to each partition, in the form of offsets: `{"0": 20011, "1": 19963}`. */
  readonly partitions: Readonly<Record<string, number>>;
}

/**
 * Plays a recording into a new topic, its rows in order of arrival. Row `i` happens `i / rate`
 * seconds after `start`, has the key `String(i)`, and goes to the partition Kafka would choose for
 * that key. The same options always give the same topic, byte for byte, whatever the speed.
 *
 * Throws a `RangeError` or `SyntaxError` for options it cannot use, and if the topic exists.
 */
export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  return await play(planReplay(options));
}

/** Counts the messages of a topic; 0 if there is no such topic. */
export async function countMessages(from: string, topic: string): Promise<number> {
  const source = await openSource(from, topic).catch(() => undefined);
  if (source === undefined) return 0;
  const offsets = await source.latestOffsets();
  await source.close();
  return Object.values(offsets).reduce((sum, offset) => sum + offset, 0);
}

interface Plan extends Omit<ReplayOptions, "disorder"> {
  readonly target: { readonly kind: string; readonly address: string };
  readonly partitions: number;
  readonly speed: number;
  readonly startMs: number;
  readonly rate: number;
  readonly disorder: Disorder;
  readonly seed: number;
}

/** Decides everything that needs no file and no network, so that wrong usage is told at once. */
function planReplay(options: ReplayOptions): Plan {
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
function isPlainTime(ms: number): boolean {
  return ms >= -62_135_596_800_000 && ms < 253_402_300_800_000;
}

async function play(plan: Plan): Promise<ReplayResult> {
  const { startMs, speed, partitions, signal, onProgress } = plan;
  const clock = plan.clock ?? { now: () => performance.now(), sleep: setTimeout };
  const recording = readRecording(plan.from, plan.limit);
  const { eventTimes, arrivals, order } = timeline(recording.length, plan);
  if (!isPlainTime(eventTimes.at(-1)!)) {
    throw new RangeError(
      `The recording's ${recording.length} rows would end after the year 9999: ` +
        `choose a higher rate, or an earlier start`,
    );
  }
  const publisher = await openPublisher(plan, recording);
  const sent: Record<string, number> = {};
  for (let p = 0; p < partitions; p++) sent[p] = 0;
  let rows = 0;
  try {
    const began = clock.now();
    while (rows < order.length && !signal?.aborted) {
      const now = speed === Infinity ? Infinity : startMs + (clock.now() - began) * speed;
      const due = order.subarray(rows, rows + CHUNK_ROWS).findIndex((row) => arrivals[row]! > now);
      const chunk = order.subarray(rows, rows + (due < 0 ? CHUNK_ROWS : due));
      const messages = Array.from(chunk, (row) => {
        return { key: String(row), value: recording.message(row, eventTimes[row]!) };
      });
      const parts = Object.groupBy(messages, ({ key }) => partitionOf(key, partitions));
      for (const [partition, part] of Object.entries(parts)) {
        await publisher.send(Number(partition), part!);
        sent[partition]! += part!.length;
      }
      rows += chunk.length;
      onProgress?.({ rows, totalRows: order.length });
      if (due >= 0) await clock.sleep(TICK_MS);
    }
  } finally {
    await publisher.close();
  }
  return { rows, totalRows: order.length, partitions: sent };
}

async function openPublisher(plan: Plan, recording: Recording): Promise<Publisher> {
  const { target: { kind, address }, topic, partitions } = plan;
  if (kind === "log") return openLogPublisher(topicFolder(address, topic), { ...plan, recording });
  const { openKafkaPublisher } = await import("./kafka_publisher.ts");
  return openKafkaPublisher(address, topic, partitions);
}

/** Makes a topic log with all its partitions, so that it can be read before the first message. */
async function openLogPublisher(
  folder: string,
  { recording, overwrite, partitions, startMs, rate, disorder, seed }: Plan & {
    recording: Recording;
  },
): Promise<Publisher> {
  await makeFolder(folder);
  const old = Array.from(Deno.readDirSync(folder), ({ name }) => name)
    .filter((name) => /^partition-\d+\.jsonl$/.test(name));
  if (old.length > 0 && !overwrite) {
    throw new RangeError(
      `The topic ${folder} already exists: delete it, or choose another one with --topic`,
    );
  }
  await Deno.remove(join(folder, ID_FILE)).catch((error) => { // first: what is left is another topic
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  for (const name of old) await Deno.remove(join(folder, name));
  // The same topic has the same id.
  const options = JSON.stringify({ partitions, startMs, rate, disorder, seed });
  const id = createHash("sha256").update(recording.digest()).update(options).digest("hex");
  await giveTopicId(folder, id.slice(0, 32));
  const files: Deno.FsFile[] = [];
  for (let p = 0; p < partitions; p++) {
    const path = join(folder, `partition-${p}.jsonl`);
    files.push(await Deno.open(path, { append: true, createNew: true }));
  }
  await syncFolder(folder);
  return {
    async send(partition, messages) {
      const lines = messages.map(({ value }) => value + "\n").join("");
      await writeAll(files[partition]!, new TextEncoder().encode(lines));
    },
    async close() { // what was sent stays sent
      for (const file of files) await file.sync();
      for (const file of files) file.close();
    },
  };
}

/** Turns the options into those of `replay`, which says what is wrong with them. */
function optionsOf(values: Values<typeof REPLAY.options>): ReplayOptions {
  const { speed, partitions, seed, limit, rate, ...texts } = values;
  return {
    ...texts,
    speed: speed === "max" ? speed : Number(speed),
    partitions: Number(partitions),
    seed: Number(seed),
    limit: limit === undefined ? undefined : Number(limit),
    rate: Number(rate),
  };
}

async function main(values: Values<typeof REPLAY.options>): Promise<void> {
  const stop = new AbortController();
  let sent = 0, rowsInAll = 0;
  const onProgress = ({ rows, totalRows }: ReplayProgress) => [sent, rowsInAll] = [rows, totalRows];
  let plan: Plan;
  try {
    plan = planReplay({ ...optionsOf(values), signal: stop.signal, onProgress });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  for (const signal of ["SIGINT", ...Deno.build.os === "windows" ? [] : ["SIGTERM"]] as const) {
    Deno.addSignalListener(signal as Deno.Signal, () => stop.abort());
  }
  using status = showStatus(() => [`replay: ${sent} of ${rowsInAll || "?"} rows sent`]);
  status.update();
  const { rows, totalRows, partitions } = await play(plan);
  status[Symbol.dispose]();
  const parts = Object.entries(partitions).map(([p, n]) => `partition ${p}: ${n}`).join(", ");
  const how = rows < totalRows ? "stopped after" : "sent";
  console.log(`replay: ${how} ${rows} of ${totalRows} rows to ${plan.to} ${plan.topic} (${parts})`);
}

if (import.meta.main) {
  Deno.exit(await runCommand(REPLAY, Deno.args, ({ values }) => main(values)));
}
