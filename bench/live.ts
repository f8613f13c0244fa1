import { setTimeout as delay } from "node:timers/promises";
import { openKafkaPublisher, type Publisher } from "../tools/replay/kafka_publisher.ts";
import { emptyBroker, logLines } from "./broker.ts";
import { measure } from "./process.ts";
import { inScratch, type Job, type Program, ROOT, type Windows } from "./programs.ts";

/** Rows that arrive together. */
export const PULSE_ROWS = 1_000;
/** From one pulse's arrival to the next one, ms. */
export const PULSE_MS = 500;
/** Pulses at the start that do not count: a JVM compiles while it runs. */
export const WARM_UP = 10;
const POLL_MS = 100;
const PATIENCE_MS = 240_000;

/** Rows that arrived together. */
export interface Pulse {
  /** Before they were sent, epoch ms. */
  readonly sentAt: number;
  /** Where the topic's partitions ended with them. */
  readonly ends: readonly number[];
}

/** A job on a broker whose topic grows, and the folder of the run. */
export type LiveJob = Job & { readonly bootstrap: string; readonly out: string };

/** A program that goes on until it is interrupted, and how its answers are seen from outside. */
export interface LiveProgram {
  readonly version: string;
  start(job: LiveJob): Promise<
    { readonly command: readonly string[]; readonly env?: Readonly<Record<string, string>> }
  >;
  watch(job: LiveJob): Promise<{
    /** When each pulse was answered to its last row, epoch ms; undefined for one that is not. */
    answered(pulses: readonly Pulse[]): Promise<(number | undefined)[]>;
    /** The table, or true where there is none and the result is right; undefined while it is not. */
    result(): Promise<Windows | true | undefined>;
    close(): Promise<void>;
  }>;
}

/** A program on a topic that grows: `batchMs` are the times from the sending of rows to their answer. */
export function live(name: string, install: () => Promise<void>, program: LiveProgram): Program {
  return { name, install, run: (job) => inScratch((out) => runLive(program, job, out)) };
}

async function runLive(program: LiveProgram, job: Job, out: string) {
  const broker = await emptyBroker();
  const { bootstrap } = broker;
  const { partitions } = job.topic;
  try {
    const publisher = await openKafkaPublisher(bootstrap, "transactions", partitions);
    const at = { ...job, bootstrap, out };
    const watch = await program.watch(at);
    try {
      const { command, env = {} } = await program.start(at);
      const pulses: Pulse[] = [];
      let windows: Windows | true | undefined;
      let batchMs: number[] = [];
      const cost = await measure(command, {
        ...{ cwd: ROOT, env },
        async meanwhile(ended) {
          const isAnswered = async () => !(await watch.answered(pulses)).includes(undefined);
          for await (const pulse of pulsesOf(job, publisher)) {
            pulses.push(pulse);
            if (pulses.length === 1) await until(isAnswered, ended); // it has started
            await delay(PULSE_MS);
            if (ended()) return;
          }
          await until(isAnswered, ended);
          await until(async () => (windows = await watch.result()) !== undefined, ended);
          const times = await watch.answered(pulses);
          batchMs = pulses.map(({ sentAt }, i) => times[i]! - sentAt).slice(WARM_UP);
        },
      });
      return {
        ...{ ...cost, batchMs, querySeconds: cost.wallSeconds, firstCommitMs: null },
        ...{ windows: windows === true ? undefined : windows, version: program.version },
      };
    } finally {
      await watch.close();
      await publisher.close();
    }
  } finally {
    await broker.stop();
  }
}

/** Sends the next rows each time it is asked; each row's key is the number of its pulse. */
async function* pulsesOf({ topic }: Job, publisher: Publisher): AsyncGenerator<Pulse> {
  const logs = await logLines(topic);
  const rows = Math.ceil(PULSE_ROWS / topic.partitions);
  const most = Math.max(...logs.map(({ length }) => length));
  for (let from = 0; from < most; from += rows) {
    const sentAt = Date.now();
    await Promise.all(logs.map(async (lines, p) => {
      const part = lines.slice(from, from + rows);
      const messages = part.map((value) => ({ key: `${from / rows}`, value }));
      if (messages.length > 0) await publisher.send(p, messages);
    }));
    yield { sentAt, ends: logs.map(({ length }) => Math.min(length, from + rows)) };
  }
}

async function until(isSo: () => Promise<boolean>, ended: () => boolean): Promise<void> {
  const start = Date.now();
  while (!ended() && !await isSo()) {
    if (Date.now() - start > PATIENCE_MS) throw new Error("No answer for four minutes");
    await delay(POLL_MS);
  }
}
