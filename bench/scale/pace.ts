/** At how many rows a second a query no longer keeps up with a topic on Kafka that grows. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { replay } from "replay";
import { openKafkaPublisher } from "../../tools/replay/kafka_publisher.ts";
import { emptyBroker } from "../broker.ts";
import { partitionFiles } from "../long.ts";
import { killTree, measure } from "../process.ts";
import { ROOT } from "../programs.ts";
import { openFeeder } from "./feed.ts";
import { type Commit, commitsOf, type Engine, RECORDING, rowsUpTo, trialOf } from "./trial.ts";

/** Rows a second. */
export interface Pace {
  /** The highest rate that it kept up with. */
  readonly kept: number;
  /** The lowest at which it fell behind, twice; absent if the feeder could send no more. */
  readonly lost?: number;
  /** What it commits of a backlog while nothing is sent, if it did not fall behind. */
  readonly backlog?: number;
}

/** What became of a rate. */
export interface Step {
  /** Rows a second that were sent. */
  readonly sent: number;
  /** Rows a second that were committed meanwhile. */
  readonly committed: number;
}

const STEP_MS = 20_000;
/** What is committed and sent in one step differ a little by where batches end. */
const EQUAL = 0.9;
/** How close the two rates of a pace are. */
const CLOSE = 1.2;
const FIRST: Readonly<Record<Engine, number>> = { process: 25_000, spark: 1_000 };
const PARTITIONS = 3;
const TOPIC = "live";
const POLL_MS = 100;
const PATIENCE_MS = 300_000;
/** Rows in a batch of a backlog. */
const BACKLOG_ROWS = 500_000;

/** Looks for the pace of whatever `step` feeds: doubles the rate until it is lost, then goes between. */
export async function findPace(
  first: number,
  step: (rate: number) => Promise<Step>,
): Promise<Pace> {
  let kept = 0, lost = Infinity;
  for (let rate = first; lost / kept > CLOSE;) {
    let { sent, committed } = await step(rate);
    const isFed = sent >= EQUAL * rate;
    if (committed < EQUAL * sent) ({ sent, committed } = await step(rate)); // it may have been another program
    if (committed >= EQUAL * sent) kept = Math.max(kept, sent);
    else lost = Math.min(lost, sent);
    if (!isFed && lost === Infinity) return { kept };
    rate = lost === Infinity ? 2 * rate : kept === 0 ? lost / 2 : Math.sqrt(kept * lost);
  }
  return { kept, lost };
}

/** Feeds a broker of its own beside the query, which looks for rows every second. */
export async function measurePace(engine: Engine, dir: string): Promise<Pace> {
  const broker = await emptyBroker();
  try {
    const { bootstrap } = broker;
    await (await openKafkaPublisher(bootstrap, TOPIC, PARTITIONS)).close(); // the topic is there
    const source = `kafka:${bootstrap}`;
    const options = { dir, name: "pace", source, topic: TOPIC, trigger: "1 second" };
    const { command, checkpoint } = await trialOf(engine, options);
    const feeder = await openFeeder(bootstrap, {
      ...{ topic: TOPIC, partitions: PARTITIONS },
      rows: await recordedRows(dir),
    });
    const [program, ...args] = command;
    const quiet = { stdin: "null", stdout: "null", stderr: "inherit" } as const;
    const child = new Deno.Command(program!, { args, cwd: ROOT, ...quiet }).spawn();
    let hasEnded = false;
    child.status.then(() => hasEnded = true);
    try {
      const seen: (Commit & { readonly rows: number })[] = [];
      const look = () => {
        const last = commitsOf(checkpoint).at(-1);
        if (last === undefined || last.id === seen.at(-1)?.id) return;
        seen.push({ ...last, rows: rowsUpTo(checkpoint, last) });
      };
      const drained = async () => {
        const until = Date.now() + PATIENCE_MS;
        for (look(); seen.at(-1)?.rows !== feeder.sent; look()) {
          if (hasEnded) throw new Error("The query ended: see above");
          if (Date.now() > until) throw new Error(`The query has not caught up in five minutes`);
          await delay(POLL_MS);
        }
      };
      await feeder.feed(FIRST[engine], 1000);
      await drained(); // it has started
      const pace = await findPace(FIRST[engine], async (rate) => {
        const settled = Date.now() + STEP_MS / 3;
        const timer = setInterval(look, POLL_MS);
        const sent = await feeder.feed(rate, STEP_MS);
        clearInterval(timer);
        const during = seen.filter(({ time }) => time >= settled);
        const [from, to] = [during.at(0), during.at(-1)];
        const committed = during.length < 2
          ? 0
          : (to!.rows - from!.rows) / ((to!.time - from!.time) / 1000);
        console.error(`${engine}: ${Math.round(sent)} sent, ${Math.round(committed)} committed`);
        await drained();
        return { sent, committed };
      });
      if (pace.lost !== undefined) return pace;
      await killTree(child);
      return { ...pace, backlog: await measureBacklog(engine, { dir, source }) };
    } finally {
      if (!hasEnded) await killTree(child);
      await feeder.close();
    }
  } finally {
    await broker.stop();
  }
}

/** Reads all that was sent, from its beginning, and returns the rows a second from the first commit to the last. */
async function measureBacklog(
  engine: Engine,
  place: { readonly dir: string; readonly source: string },
): Promise<number> {
  const options = { ...place, name: "backlog", topic: TOPIC, rows: BACKLOG_ROWS };
  const { command, checkpoint } = await trialOf(engine, options);
  await measure(command, { cwd: ROOT, timeoutMs: PATIENCE_MS });
  const commits = commitsOf(checkpoint);
  const [from, to] = [commits.at(0)!, commits.at(-1)!];
  const rows = rowsUpTo(checkpoint, to) - rowsUpTo(checkpoint, from);
  return rows / ((to.time - from.time) / 1000);
}

/** The recording's rows as messages. */
async function recordedRows(dir: string): Promise<Uint8Array[]> {
  const to = join(dir, "recorded");
  await replay({ from: RECORDING, to: `log:${dir}`, topic: "recorded", overwrite: true });
  const encoder = new TextEncoder();
  return partitionFiles(to).flatMap((name) =>
    Deno.readTextFileSync(join(to, name)).trimEnd().split("\n").map((line) => encoder.encode(line))
  );
}
