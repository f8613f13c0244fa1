// Plays a recording into a topic: `deno task replay` on the command line, replay() in a notebook.
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { openSource } from "lib";
import { topicFolder } from "../../lib/topic_log/topic_log.ts";
import { runCommand, UsageError, type Values } from "../command_line.ts";
import type { Publisher } from "./kafka_publisher.ts";
import { openLogPublisher } from "./log_publisher.ts";
import { partitionOf, readRecording, type Recording, timeline } from "./recording.ts";
import {
  isPlainTime,
  planReplay,
  type ReplayOptions,
  type ReplayPlan,
  type ReplayProgress,
} from "./replay_plan.ts";
import { showStatus } from "../status_line.ts";
import { REPLAY } from "../tasks.ts";

export type { ReplayOptions, ReplayProgress };

/** Rows sent at once: Kafka clients slow down over longer lists. */
const CHUNK_ROWS = 1000;
/** How often a paced replay looks at the clock. */
const TICK_MS = 100;

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

async function play(plan: ReplayPlan): Promise<ReplayResult> {
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

async function openPublisher(plan: ReplayPlan, recording: Recording): Promise<Publisher> {
  const { target: { kind, address }, topic, partitions } = plan;
  if (kind === "log") {
    const { startMs, rate, disorder, seed, overwrite } = plan;
    const made = JSON.stringify({ partitions, startMs, rate, disorder, seed });
    const id = createHash("sha256").update(recording.digest()).update(made).digest("hex");
    const folder = topicFolder(address, topic);
    return openLogPublisher(folder, { partitions, overwrite, id: id.slice(0, 32) }); // the same topic, the same id
  }
  const { openKafkaPublisher } = await import("./kafka_publisher.ts");
  return openKafkaPublisher(address, topic, partitions);
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
  let plan: ReplayPlan;
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
