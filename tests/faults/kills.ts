import { equal } from "node:assert/strict";
import { join } from "node:path";
import {
  type FaultTable,
  killAll,
  kpiArgs,
  logTopic,
  placeIn,
  randoms,
  runKpi,
  startKpi,
  type Topic,
  transactions,
} from "./program.ts";
import { readTables, sameTables, type Tables } from "./tables.ts";

/** Rows there at the start, rows that arrive after each crash, rows that arrive before the last run. */
const FIRST = 300, MORE = 40, LAST = 120;
export const SAME = "tables equal, all rows accounted for";
/** What came of a kill that came too late: not a kill. */
export const TOO_LATE = "had ended before, not a kill";

/** Makes a topic of its own for each run; `dir` is the run's folder. */
export type NewTopic = (dir: string) => Promise<Topic> | Topic;

export interface KillOptions {
  readonly dir: string;
  readonly table: FaultTable;
  readonly seed: number;
  readonly newTopic?: NewTopic;
  /** Names the source in the table. */
  readonly source?: string;
}

/** Every moment of every effect of a run over the first rows of a topic, and how long that run takes. */
async function killMoments(options: KillOptions): Promise<{ moments: string[]; ms: number }> {
  const dir = join(options.dir, "count");
  await Deno.mkdir(dir);
  const topic = await (options.newTopic ?? logTopic)(join(dir, "topics"));
  await topic.send(transactions(0, FIRST));
  const [effects, log] = [join(dir, "effects"), join(dir, "log")];
  const env = { EFFECTS_LOG: effects, CRASH_LOG: log };
  const { code, stderr } = await startKpi(kpiArgs(topic, placeIn(dir)), { crashes: true, env })
    .ended;
  equal(code, 0, stderr);
  await Deno.mkdir(join(dir, "time"));
  const began = performance.now();
  await runKpi(kpiArgs(topic, placeIn(join(dir, "time"))));
  const ms = performance.now() - began;
  await topic.close?.();
  const names = (await Deno.readTextFile(effects)).split("\n");
  const moments = names.flatMap((name, i) =>
    ["before", ...name === "write" ? ["half"] : [], ...i === names.length - 1 ? ["after"] : []]
      .map((moment) => `${i + 1}:${moment}`)
  );
  return { moments, ms };
}

/** The tables of a run that nothing disturbs, over `rows` rows. */
export async function undisturbedProgram(dir: string, rows: number): Promise<Tables> {
  const [topic, place] = [logTopic(join(dir, "topics")), placeIn(dir)];
  await topic.send(transactions(0, rows));
  await runKpi(kpiArgs(topic, place));
  const tables = await readTables(place);
  sameTables(tables, tables, rows);
  return tables;
}

/**
 * Kills the program at each of the `crashes` in turn, each run a restart of the one before, with rows that arrive in
 * between; then lets it end, and compares.
 */
export class Killer {
  readonly #options: KillOptions;
  readonly #expected = new Map<number, Promise<Tables>>();
  #runs = 0;

  constructor(options: KillOptions) {
    this.#options = options;
  }

  async kill(fault: string, crashes: readonly Crash[]): Promise<void> {
    const { table, newTopic = logTopic, source = "topic log" } = this.#options;
    const dir = join(this.#options.dir, `run-${this.#runs++}`);
    await Deno.mkdir(dir);
    const topic = await newTopic(join(dir, "topics"));
    const place = placeIn(dir);
    let rows = 0;
    const send = async (more: number) => {
      await topic.send(transactions(rows, rows + more));
      rows += more;
    };
    await send(FIRST);
    for (const crash of crashes) {
      const env = {
        CRASH_LOG: join(dir, "crashes"),
        ..."at" in crash && { CRASH_AT: crash.at },
      };
      const crashes = "at" in crash;
      const { process, ended } = startKpi(kpiArgs(topic, place), { crashes, env });
      if ("afterMs" in crash) {
        const timer = setTimeout(() => {
          try {
            killAll(process);
          } catch { /* it has ended by itself: the table says that this kill came too late */ }
        }, crash.afterMs);
        ended.finally(() => clearTimeout(timer));
      }
      const { code, stderr } = await ended;
      const name = "at" in crash ? stepOf(await lastLine(join(dir, "crashes"))) : fault;
      if ("at" in crash) equal(code, 137, `not killed at ${crash.at}: ${stderr}`);
      table.add(`${name}, ${source}`, code === 137 ? SAME : TOO_LATE);
      await send(MORE);
    }
    await send(LAST);
    await runKpi(kpiArgs(topic, place));
    await topic.close?.();
    const expected = await this.#tables(rows);
    try {
      const found = await readTables(place);
      sameTables(found, expected, rows);
    } catch (cause) {
      throw new Error(`After ${fault} ${JSON.stringify(crashes)} in ${dir}`, { cause });
    }
    await Deno.remove(dir, { recursive: true });
  }

  #tables(rows: number): Promise<Tables> {
    const known = this.#expected.get(rows) ??
      undisturbedProgram(join(this.#options.dir, `undisturbed-${rows}`), rows);
    this.#expected.set(rows, known);
    return known;
  }
}

/** At an effect, `17:half`, or after a time. */
export type Crash = { readonly at: string } | { readonly afterMs: number };

/** Kills at moments of the protocol, at random times, and twice in a row; `share` of 1 is all moments. */
export async function killSuite(
  options: KillOptions & { share: number; random: number; twice: number },
): Promise<void> {
  const random = randoms(options.seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const { moments, ms } = await killMoments(options);
  const killer = new Killer(options);
  for (const at of moments) if (random() < options.share) await killer.kill("a step", [{ at }]);
  for (let i = 0; i < options.random; i++) {
    await killer.kill("kill -9 at a random time", [{ afterMs: random() * ms }]);
  }
  // A restart begins with the batch that was cut off: its first effects are those of the same batch.
  const early = moments.slice(0, Math.floor(moments.length / 4)).filter((at) => /before/.test(at));
  for (let i = 0; i < options.twice; i++) {
    await killer.kill("twice", [{ at: pick(moments) }, { at: pick(early) }]);
  }
}

/** Names a step of the protocol by the effect it was killed at: `write /x/offsets/.3.tmp half`. */
function stepOf(line: string): string {
  const [effect, moment, path] = line.split(" ", 3);
  const place = /checkpoint\/(offsets|state|commits|sources|metadata|lock)/.exec(path!)?.[1] ??
    /\.(metadata)\.tmp$/.exec(path!)?.[1] ?? /\/(out|rejected)(\/|$)/.exec(path!)?.[1] ??
    "checkpoint";
  const names: Record<string, string> = { out: "sink", rejected: "rejected rows" };
  const file = effect === "sync" && !/\.tmp$/.test(path!) ? "folder of " : "";
  return `kill -9 ${moment === "half" ? "in the middle of" : moment} ${effect}, ${file}${
    names[place] ?? place
  }`;
}

async function lastLine(path: string): Promise<string> {
  return (await Deno.readTextFile(path)).trim().split("\n").at(-1)!;
}
