// Plays a recording into a topic: `deno task replay` on the command line, replay() in a notebook.
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openSource } from "lib";
import { topicFolder } from "../lib/sources/topic_log.ts";
import type { Publisher } from "./kafka_publisher.ts";
import { type Disorder, parseDisorder, partitionOf, readRecording, timeline } from "./recording.ts";

/** Most rows are in time for any watermark, some for one of 2 minutes only, a few for neither. */
const DISORDER = "2s:0.90,40s:0.08,4m:0.02";

const USAGE = `Usage: deno task replay --from FILE --to TARGET --topic TOPIC [options]
  --from FILE       the recording, .parquet or .csv, with the columns Time, V1 to V28, Amount, Class
  --to TARGET       log:DIR (a topic log) or kafka:BOOTSTRAP (such as kafka:127.0.0.1:9092)
  --topic TOPIC     its name; a topic log must not exist yet
  --partitions N    partitions of the topic (3)
  --speed X         seconds of the recording a second, or max (max)
  --disorder SPEC   longest delays and the shares of the rows they hit, or none (${DISORDER})
  --seed N          of the disorder; the same arguments give the same topic (42)
  --limit N         play the first N rows only
  --start TIME      event time of the first row (2024-01-01T10:00:00Z)
  --rate N          rows a second of event time (50)`;

/** Rows sent at once: Kafka clients slow down over longer lists. */
const CHUNK_ROWS = 1000;
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
  /** Event time of the first row; default `2024-01-01T10:00:00Z`. */
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
  const startMs = Date.parse(options.start ?? "2024-01-01T10:00:00Z");
  if (Number.isNaN(startMs)) {
    throw new RangeError(
      `The start should be a time such as 2024-01-01T10:00:00Z, got "${options.start}"`,
    );
  }
  const { partitions = 3, seed = 42, rate = 50, limit } = options;
  const speed = options.speed === undefined || options.speed === "max" ? Infinity : options.speed;
  const whole = (value: number, least: number) => Number.isSafeInteger(value) && value >= least;
  const rules: [name: string, value: number, rule: string, holds: boolean][] = [
    ["number of partitions", partitions, "a whole number > 0", whole(partitions, 1)],
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

async function play(plan: Plan): Promise<ReplayResult> {
  const { startMs, speed, partitions, signal, onProgress } = plan;
  const clock = plan.clock ?? { now: () => performance.now(), sleep: setTimeout };
  const recording = readRecording(plan.from, plan.limit);
  const { eventTimes, arrivals, order } = timeline(recording.length, plan);
  const publisher = await openPublisher(plan);
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

async function openPublisher(plan: Plan): Promise<Publisher> {
  const { target: { kind, address }, topic, partitions } = plan;
  if (kind === "log") return openLogPublisher(topicFolder(address, topic), plan);
  const { openKafkaPublisher } = await import("./kafka_publisher.ts");
  return openKafkaPublisher(address, topic, partitions);
}

/** Makes a topic log with all its partitions, so that it can be read before the first message. */
async function openLogPublisher(
  folder: string,
  { partitions, overwrite }: Plan,
): Promise<Publisher> {
  await Deno.mkdir(folder, { recursive: true });
  const old = Array.from(Deno.readDirSync(folder), ({ name }) => name)
    .filter((name) => /^partition-\d+\.jsonl$/.test(name));
  if (old.length > 0 && !overwrite) {
    throw new RangeError(
      `The topic ${folder} already exists: delete it, or choose another one with --topic`,
    );
  }
  for (const name of old) await Deno.remove(join(folder, name));
  const files = Array.from({ length: partitions }, (_, p) => join(folder, `partition-${p}.jsonl`));
  for (const file of files) await Deno.writeTextFile(file, "", { createNew: true });
  return {
    send(partition, messages) {
      const lines = messages.map(({ value }) => value + "\n").join("");
      return Deno.writeTextFile(files[partition]!, lines, { append: true });
    },
    close: () => Promise.resolve(),
  };
}

/** Reads the command line; throws for what the usage does not name. */
function parseOptions(args: string[]): ReplayOptions {
  const names = [...USAGE.matchAll(/^ +--(\w+)/gm)].map(([, name]) => name!);
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const { from, to, topic, speed, disorder, start, ...others } =
    parseArgs({ args, options }).values;
  if (from === undefined || to === undefined || topic === undefined) {
    throw new TypeError("--from, --to and --topic are required");
  }
  const number = (value: string | undefined) => value === undefined ? undefined : Number(value);
  return {
    from,
    to,
    topic,
    disorder,
    start,
    speed: speed === "max" ? speed : number(speed),
    partitions: number(others.partitions),
    seed: number(others.seed),
    limit: number(others.limit),
    rate: number(others.rate),
  };
}

/** Says something on stderr, in place of the progress line that a terminal shows. */
function say(text: string): void {
  console.error(`${Deno.stderr.isTerminal() ? "\r\x1b[K" : ""}replay: ${text}`);
}

/** Makes a function that shows progress: one line that changes, or a line every few seconds in a log. */
function progressPrinter(): (progress: ReplayProgress) => void {
  const terminal = Deno.stderr.isTerminal();
  let next = 0;
  return ({ rows, totalRows }) => {
    if (Date.now() < next) return;
    next = Date.now() + (terminal ? 100 : 5000);
    const text = `${rows} of ${totalRows} rows`;
    if (!terminal) return say(text);
    Deno.stderr.writeSync(new TextEncoder().encode(`\rreplay: ${text}`));
  };
}

async function main(args: string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const stop = new AbortController();
  let plan: Plan;
  try {
    plan = planReplay({
      ...parseOptions(args),
      signal: stop.signal,
      onProgress: progressPrinter(),
    });
  } catch (error) {
    say(`${firstLine(error)}\n${USAGE}`);
    return 2;
  }
  Deno.addSignalListener("SIGINT", () => stop.abort());
  try {
    const { rows, totalRows, partitions } = await play(plan);
    const parts = Object.entries(partitions).map(([p, n]) => `partition ${p}: ${n}`).join(", ");
    const how = rows < totalRows ? "stopped after" : "sent";
    say(`${how} ${rows} of ${totalRows} rows to ${plan.to} ${plan.topic} (${parts})`);
    return 0;
  } catch (error) {
    say(firstLine(error));
    return 1;
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
