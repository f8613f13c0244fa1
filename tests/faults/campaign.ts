/**
 * Kills over settings drawn at random. A history is one query: it is started, ended at a moment, rows arrive, and so on
 * some times; then it goes on to the end, and has to come to what a run with the same settings comes to that nothing
 * disturbs. Most ends are at an effect within a process (see `end_at.ts`), the others are kills of the program.
 */
import { equal } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openSource, type ResultStream, type Source } from "lib";
import {
  argsOf,
  type Drawn,
  drawSettings,
  LIMITS,
  outputOf,
  type Pick,
  settingsOf,
} from "./campaign_settings.ts";
import { endAt } from "./end_at.ts";
import { kpisOver, runQuery } from "./in_process.ts";
import { kafkaTopic } from "./kafka.ts";
import {
  killAll,
  logTopic,
  type Place,
  placeIn,
  randoms,
  startKpi,
  type StartOptions,
  type Topic,
  transactions,
} from "./program.ts";
import { readTables, sameTables } from "./tables.ts";

/** Rows at the start, at most so many after each end, and before the last run. */
const FIRST = 220, MORE = 10, LAST = 60;
const ENDS = 20;
const ALL = transactions(0, FIRST + ENDS * MORE + LAST)
  .map((text, i) => text.replace("{", `{"merchant":"m${i % 7}","number":${i},`));

export const WAYS = [
  "ended at an effect, in process",
  "kill -9 at an effect",
  "kill -9 of deno task kpi",
] as const;
export type Way = typeof WAYS[number];

/** What came of a history. */
export interface Told {
  readonly seed: number;
  readonly way: Way;
  readonly source: string;
  readonly drawn: Drawn;
  /** Ends that came in time. */
  readonly kills: number;
  /** What was not as it should be, and where to look. */
  readonly wrong: string | undefined;
}

export interface HistoryOptions {
  /** A folder of its own, which stays if something is wrong. */
  readonly dir: string;
  readonly way: Way;
  readonly seed: number;
  /** A broker; without one all topics are logs. */
  readonly bootstrap?: string | undefined;
}

/** Runs a history: the same for the same seed, but for kills at a time. */
export async function runHistory(options: HistoryOptions): Promise<Told> {
  const { dir, way, seed, bootstrap } = options;
  const random = randoms(seed);
  const pick: Pick = (list) => list[Math.floor(random() * list.length)]!;
  // Of the program's few histories every fourth, so that there is one.
  const isKafka = bootstrap !== undefined && (way === WAYS[0] ? random() < 0.1 : seed % 4 === 0);
  const drawn = drawSettings(pick);
  await Deno.mkdir(dir, { recursive: true });
  const topic = isKafka
    ? await kafkaTopic(bootstrap, `campaign-${seed}`)
    : logTopic(join(dir, "topics"));
  const told = { seed, way, source: isKafka ? "Kafka" : "topic log", drawn };
  let [rows, kills] = [0, 0];
  const send = async (more: number) => {
    await topic.send(ALL.slice(rows, rows + more));
    rows += more;
  };
  try {
    const query = way === WAYS[0]
      ? inProcess(drawn, topic, random)
      : inProgram(drawn, topic, { random, atEffect: way === WAYS[1] });
    const [place, other] = [placeIn(join(dir, "killed")), placeIn(join(dir, "undisturbed"))];
    for (const { dir } of [place, other]) await Deno.mkdir(dir);
    await send(FIRST);
    for (let n = 0; n < ENDS; n++) {
      if (await query.kill(place, pick(LIMITS))) kills++;
      await send(Math.floor(random() * MORE));
    }
    await send(LAST);
    await query.run(place);
    await query.run(other);
    const expected = await readTables(other, outputOf(drawn, other));
    const windows = drawn.slide === undefined ? 1 : 2;
    sameTables(expected, expected, rows, windows);
    sameTables(await readTables(place, outputOf(drawn, place)), expected, rows, windows);
    equal(existsSync(place.alerts), drawn.keepsAlerts);
    await Deno.remove(dir, { recursive: true });
    return { ...told, kills, wrong: undefined };
  } catch (error) {
    const what = `history ${seed} in ${dir}, ${JSON.stringify(told)}`;
    return { ...told, kills, wrong: `${what}: ${(error as Error).stack}` };
  } finally {
    await topic.close?.();
  }
}

interface Query {
  /** Starts it and ends it; returns whether that came in time. */
  kill(place: Place, limit: number): Promise<boolean>;
  /** Runs it to its end. */
  run(place: Place): Promise<void>;
}

/** An effect: rather one of the start and of the first batch after it. */
function drawEffect(random: () => number): number {
  return 1 + Math.floor(random() ** 2 * 110);
}

/** A source that stands for the one of the start that runs, so that the query over it is built once. */
class Standing {
  now: Source | undefined;
  readonly source = new Proxy({}, {
    get: (_, name) => {
      const value: unknown = Reflect.get(this.now!, name);
      return typeof value === "function" ? value.bind(this.now) : value;
    },
    has: (_, name) => Reflect.has(this.now!, name),
  }) as Source;
}

function inProcess(drawn: Drawn, topic: Topic, random: () => number): Query {
  const standing = new Standing();
  const built = new Map<number | undefined, ResultStream>();
  const start = async (place: Place, limit?: number) => {
    standing.now = await openSource(topic.source, topic.name);
    const settings = settingsOf(drawn, place, { source: standing.source, limit });
    const result = built.get(limit) ?? kpisOver(standing.source, settings);
    built.set(limit, result);
    await runQuery(place, { ...settings, result });
  };
  return {
    async kill(place, limit) {
      const moment = random() < 0.2 ? "half" : random() < 0.6 ? "before" : "after";
      const at = { effect: drawEffect(random), moment } as const;
      const isKilled = await endAt(at, () => start(place, limit));
      if (isKilled) await standing.now?.close(); // its connections end with a process too
      return isKilled;
    },
    run: start,
  };
}

function inProgram(
  drawn: Drawn,
  topic: Topic,
  { random, atEffect }: { readonly random: () => number; readonly atEffect: boolean },
): Query {
  let wholeMs = 3000;
  const start = async (
    place: Place,
    limit?: number,
    options: StartOptions & { afterMs?: number } = {},
  ) => {
    const { process, ended } = startKpi(argsOf(drawn, place, topic, limit), options);
    const { afterMs } = options;
    const timer = afterMs === undefined ? undefined : setTimeout(() => {
      try {
        killAll(process);
      } catch { /* it has ended by itself, which its code tells */ }
    }, afterMs);
    const { code, stderr } = await ended;
    clearTimeout(timer);
    const odd = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Took over"));
    equal(odd.join("\n"), "");
    return code;
  };
  return {
    async kill(place, limit) {
      const env = {
        CRASH_AT: `${drawEffect(random)}:${random() < 0.7 ? "before" : "after"}`,
        CRASH_LOG: join(place.dir, "crashes"),
      };
      const began = performance.now();
      const how = atEffect ? { crashes: true, env } : { afterMs: random() * wholeMs };
      const code = await start(place, limit, how);
      if (code === 0) wholeMs = performance.now() - began;
      equal(code === 0 ? 137 : code, 137);
      return code === 137;
    },
    run: async (place) => equal(await start(place), 0),
  };
}
