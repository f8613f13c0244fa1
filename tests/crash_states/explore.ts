import { deepEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { randoms } from "../faults/program.ts";
import { type Level, LEVELS } from "./contents.ts";
import { Disk, EMPTY, type Op, show, type State } from "./disk.ts";
import { record } from "./recorder.ts";
import type { Scenario } from "./scenarios.ts";

/** A state that a program does not go on from, or not to the right tables. */
export interface Failure {
  readonly scenario: string;
  readonly level: Level;
  /** The faults before, in words. */
  readonly faults: readonly string[];
  readonly lost: readonly string[];
  readonly error: string;
}

export interface Explored {
  /** Distinct states tried, by level. */
  readonly states: Readonly<Record<Level, number>>;
  readonly failures: readonly Failure[];
}

export interface ExploreOptions {
  readonly dir: string;
  readonly seed: number;
  /** States to try. */
  readonly most: number;
  readonly levels?: readonly Level[];
  /** Tries the states of one of several parts, so that some can be at work at once. */
  readonly part?: { readonly index: number; readonly of: number };
  /** Leaves the syncs of this name (see `syncsOf`) out, to see that a state tells. */
  readonly leftOut?: string;
  readonly stopAt?: number;
}

/** States of one moment that are looked at, in a short run and in a long one. */
const CAPS = [24, 200] as const;

/** A history: what the disk held at its beginning, and what was done since. */
interface History {
  readonly begin: State | Disk;
  readonly ops: readonly Op[];
  readonly faults: readonly string[];
}

/**
 * Tries states that a power cut may leave while a scenario runs: first with one cut, then with a kill or
 * a cut before it. Each state is laid out, the program goes on from it, and its tables must be right.
 */
export async function explore(scenario: Scenario, options: ExploreOptions): Promise<Explored> {
  const { seed, most, levels = LEVELS, part = { index: 0, of: 1 }, leftOut, stopAt = Infinity } =
    options;
  const dir = join(options.dir, "disk");
  const random = randoms(seed);
  const skip = (sync: string) => nameOf(sync) === leftOut;
  const states = { journal: 0, dirs: 0, any: 0 };
  const failures: Failure[] = [];
  const seen = new Set<string>();
  const isDone = () =>
    states.journal + states.dirs + states.any >= most || failures.length >= stopAt;

  const quiet = silence();
  try {
    await layOut(dir, EMPTY);
    quiet.id = 1;
    const { ops, error } = await record(dir, () => scenario.run(dir), { skip });
    if (error) throw error;
    const expected = await scenario.finish(dir);

    const fail = (
      { level, faults, lost, error }: Omit<Failure, "scenario" | "error"> & { error: unknown },
    ) => {
      const text = String((error as Error).message ?? error).slice(0, 500).replaceAll(dir, "");
      failures.push({ scenario: scenario.name, level, faults, lost, error: text });
    };
    const attempt = async (
      { level, state, faults }: { level: Level; state: State; faults: readonly string[] },
    ) => {
      const key = keyOf(state);
      if (seen.has(key) || Number.parseInt(key.slice(0, 8), 16) % part.of !== part.index) return;
      seen.add(key);
      states[level]++;
      await layOut(dir, state);
      quiet.id = 3;
      try {
        deepEqual(await scenario.finish(dir), expected);
      } catch (error) {
        fail({ level, faults, lost: state.lost, error });
      }
    };
    /** Kills the program, cuts the power, or lets an effect fail: then the program must say so. */
    const firstFault = async (once: History, random: () => number) => {
      const renamed = once.ops.flatMap(({ op }, i) => op === "rename" ? [i + 1] : []);
      const at = random() < 0.5 ? pick(renamed, random) : Math.floor(random() * once.ops.length);
      const how = pick(["kill", "kill", "fail", ...LEVELS] as const, random);
      if (how === "kill") {
        return { begin: diskAfter(once, at), faults: [`kill after ${place(once, at)}`], lost: [] };
      }
      if (how !== "fail") {
        const begin = pick(diskAfter(once, at).cuts(how, { cap: 8, random }), random);
        return { begin, faults: [`${how}: cut after ${place(once, at)}`], lost: begin.lost };
      }
      await layOut(dir, EMPTY);
      quiet.id = 1;
      let n = 0;
      const failed = await record(dir, () => scenario.run(dir), {
        skip,
        before: ({ op, path }) => {
          if (n++ === at) throw new Error(`${op} of ${path} fails`);
        },
      });
      const faults = [`${show(once.ops[at]!)} fails`];
      if (!failed.error) fail({ level: "journal", faults, lost: [], error: "it was not told" });
      return { begin: diskAfter({ ...once, ops: failed.ops }, Infinity), faults, lost: [] };
    };
    const once: History = { begin: EMPTY, ops, faults: [] };
    for (const level of levels) { // the states after one cut, half of all: as many of each level
      const options = { level, cap: CAPS[most > 1000 ? 1 : 0], random };
      const share = most / 2 / levels.length / cutsOf(once, options).reduce((n) => n + 1, 0);
      for (const found of cutsOf(once, options)) {
        if (failures.length < stopAt && random() < share) await attempt(found);
      }
    }
    for (let barren = 0; !isDone() && barren < 200;) {
      const before = seen.size;
      const first = await firstFault(once, random);
      await layOut(dir, first.begin instanceof Disk ? first.begin.live() : first.begin);
      quiet.id = 2;
      const batches = random() < 0.7 ? 1 : 3;
      const again = await record(dir, () => scenario.restart(dir, batches), { skip });
      if (again.error) fail({ ...first, level: "journal", error: again.error });
      const twice = { ...first, ops: again.ops };
      const pending = new Set(first.begin instanceof Disk ? first.begin.pending() : []);
      for (let tries = 0; tries < 12 && !isDone() && !again.error; tries++) {
        const level = pick(levels, random);
        const k = Math.floor(random() * (again.ops.length + 1));
        const cuts = diskAfter(twice, k).cuts(level, { cap: 12, random });
        // Rather one that lacks what the first fault left pending.
        const old = cuts.filter(({ lost }) => lost.some((text) => pending.has(text)));
        const state = pick(old.length > 0 && random() < 0.7 ? old : cuts, random);
        await attempt({ level, state, faults: [...first.faults, `cut after ${place(twice, k)}`] });
      }
      barren = seen.size > before ? 0 : barren + 1;
    }
  } finally {
    quiet.end();
  }
  return { states, failures };
}

/** Names the syncs of a scenario, those of all batches by one name: `fsync checkpoint/state/.N.tmp`. */
export async function syncsOf(scenario: Scenario, base: string): Promise<readonly string[]> {
  const dir = join(base, "disk");
  const names = new Set<string>();
  await layOut(dir, EMPTY);
  await record(dir, () => scenario.run(dir), { skip: (sync) => !names.add(nameOf(sync)) });
  return [...names];
}

function nameOf(sync: string): string {
  return sync.replaceAll(/\d+/g, "N");
}

function* cutsOf(
  history: History,
  { level, ...options }: { level: Level; cap: number; random: () => number },
): Generator<{ level: Level; state: State; faults: readonly string[] }> {
  const disk = diskAfter(history, 0);
  for (let k = 0; k <= history.ops.length; k++) {
    if (k > 0) disk.apply(history.ops[k - 1]!);
    for (const state of disk.cuts(level, options)) {
      yield { level, state, faults: [...history.faults, `cut after ${place(history, k)}`] };
    }
  }
}

function diskAfter({ begin, ops }: History, k: number): Disk {
  const disk = begin instanceof Disk ? begin.copy() : Disk.from(begin);
  for (const op of ops.slice(0, k)) disk.apply(op);
  return disk;
}

function place({ ops }: History, k: number): string {
  return `effect ${k} of ${ops.length}${k > 0 ? `, ${show(ops[k - 1]!)}` : ""}`;
}

function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)]!;
}

async function layOut(dir: string, { dirs, files }: State): Promise<void> {
  await Deno.remove(dir, { recursive: true }).catch(() => {});
  await Deno.mkdir(dir, { recursive: true });
  for (const path of dirs) Deno.mkdirSync(join(dir, path));
  for (const [path, bytes] of files) Deno.writeFileSync(join(dir, path), bytes);
}

/** Identifies a state by what is in its files; who held the lock does not matter. */
function keyOf({ dirs, files }: State): string {
  const hash = createHash("sha1").update(dirs.toSorted().join("\n"));
  for (const [path, bytes] of [...files].sort(([a], [b]) => a < b ? -1 : 1)) {
    hash.update(`\n${path}\n`).update(path.endsWith("/lock") ? "" : bytes);
  }
  return hash.digest("hex");
}

/** Takes away what differs between equal runs, ids and warnings, until `end`. */
function silence() {
  const { warn } = console;
  const { randomUUID } = crypto;
  const quiet = {
    id: 0,
    end() {
      console.warn = warn;
      crypto.randomUUID = randomUUID;
    },
  };
  console.warn = () => {};
  crypto.randomUUID = () => `00000000-0000-4000-8000-00000000000${quiet.id}`;
  return quiet;
}
