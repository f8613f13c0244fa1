import { deepEqual } from "node:assert/strict";
import { join } from "node:path";
import { randoms } from "../faults/program.ts";
import { type Level, LEVELS } from "./contents.ts";
import { Disk, EMPTY, type Op, show, type State } from "./disk.ts";
import { keyOf, layOut, readState, silence } from "./layout.ts";
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
  /** Distinct disks a batch later, from which the program went on to the end. */
  readonly ends: number;
  readonly failures: readonly Failure[];
}

export interface ExploreOptions {
  readonly dir: string;
  readonly seed: number;
  /** States to try. */
  readonly most: number;
  readonly levels?: readonly Level[];
  /** Leaves the syncs of this name (see `syncsOf`) out, to see that a state tells. */
  readonly leftOut?: string;
  readonly stopAt?: number;
}

/** States of one moment that are looked at, in a short run and in a long one. */
const CAPS = [24, 200] as const;
/** States that are tried after a fault before the cut: an effect that fails, or a kill or another cut. */
const TRIES = { failing: 6, others: 12 } as const;

/** A history: what the disk held at its beginning, and what was done since. */
interface History {
  readonly begin: State | Disk;
  readonly ops: readonly Op[];
  readonly faults: readonly string[];
}

/** What the disk holds after a fault. */
type First = Omit<History, "ops"> & { readonly lost: readonly string[] };

/**
 * Tries states that a power cut may leave while a scenario runs: first with one cut, then with an effect that fails, a
 * kill or a cut before it. Each state is laid out, the program goes on from it by a batch, and to the end, where its
 * tables must be right; where the disk is then as it was after another state, that one's end is this one's too.
 */
export async function explore(scenario: Scenario, options: ExploreOptions): Promise<Explored> {
  const { seed, most, levels = LEVELS, leftOut, stopAt = Infinity } = options;
  const dir = join(options.dir, "disk");
  const random = randoms(seed);
  const skip = (sync: string) => nameOf(sync) === leftOut;
  const states = { journal: 0, dirs: 0, any: 0 };
  const failures: Failure[] = [];
  const seen = new Set<string>();
  const ends = new Map<string, Error | undefined>();
  const isDone = (share = 1) =>
    states.journal + states.dirs + states.any >= most * share || failures.length >= stopAt;

  const quiet = silence();
  try {
    await layOut(dir, EMPTY);
    quiet.id = 1;
    const { ops, error } = await record(dir, () => scenario.run(dir), { skip });
    if (error) throw error;
    const expected = JSON.stringify(await scenario.finish(dir));

    const fail = ({ level, faults, lost }: First & { level: Level }, error: unknown) => {
      const text = String((error as Error).message ?? error).slice(0, 500).replaceAll(dir, "");
      failures.push({ scenario: scenario.name, level, faults, lost, error: text });
    };
    const attempt = async (begin: State, how: Pick<First, "faults"> & { level: Level }) => {
      const key = keyOf(begin);
      if (seen.has(key)) return;
      seen.add(key);
      states[how.level]++;
      await layOut(dir, begin);
      quiet.id = 3;
      let end: string | undefined;
      try {
        await scenario.restart(dir, 1);
        end = keyOf(readState(dir));
        if (!ends.has(end)) {
          ends.set(end, undefined);
          const found = await scenario.finish(dir);
          if (JSON.stringify(found) !== expected) deepEqual(found, JSON.parse(expected));
        } else if (ends.get(end)) throw ends.get(end);
      } catch (error) {
        if (end) ends.set(end, error as Error);
        fail({ ...how, begin, lost: begin.lost }, error);
      }
    };
    /** Goes on from a fault for some batches, and tries states that a cut leaves there. */
    const goOn = async (first: First, most: number) => {
      await layOut(dir, first.begin instanceof Disk ? first.begin.live() : first.begin);
      quiet.id = 2;
      const batches = random() < 0.7 ? 1 : 3;
      const again = await record(dir, () => scenario.restart(dir, batches), { skip });
      if (again.error) return fail({ ...first, level: "journal" }, again.error);
      const twice = { ...first, ops: again.ops };
      const pending = new Set(first.begin instanceof Disk ? first.begin.pending() : []);
      for (let tries = 0; tries < most && !isDone(); tries++) {
        const level = pick(levels, random);
        const k = Math.floor(random() * (again.ops.length + 1));
        const cuts = diskAfter(twice, k).cuts(level, { cap: 12, random });
        // Rather one that lacks what the first fault left pending.
        const old = cuts.filter(({ lost }) => lost.some((text) => pending.has(text)));
        const state = pick(old.length > 0 && random() < 0.7 ? old : cuts, random);
        await attempt(state, { level, faults: [...first.faults, `cut after ${place(twice, k)}`] });
      }
    };
    /** Kills the program, and lets an effect of the next start fail: then that must say so. */
    const letFail = async (): Promise<First> => {
      const { begin, faults } = killOrCut();
      const run = async (failing?: { at: number; half: boolean }) => {
        await layOut(dir, begin instanceof Disk ? begin.live() : begin);
        quiet.id = 2;
        return await record(dir, () => scenario.restart(dir, 1), { skip, failing });
      };
      const { ops, numbers } = await run();
      if (ops.length === 0) return { begin, faults, lost: [] };
      const at = Math.floor(random() * ops.length);
      const half = random() < 0.5 && ops[at]!.op === "write";
      const failed = await run({ at: numbers[at]!, half });
      const told = `${show(ops[at]!)} fails${half ? " half-way" : ""}`;
      const disk = diskAfter({ begin, faults, ops: failed.ops }, Infinity);
      const first = { begin: disk, faults: [...faults, told], lost: [] };
      // A lock that is not given back is only taken over.
      const isLock = ops[at]!.path.endsWith("/lock");
      if (!failed.error && !isLock) fail({ ...first, level: "journal" }, "it was not told");
      return first;
    };
    const killOrCut = (): First => {
      const renamed = ops.flatMap(({ op }, i) => op === "rename" ? [i + 1] : []);
      const at = random() < 0.5 ? pick(renamed, random) : Math.floor(random() * ops.length);
      const how = pick(["kill", "kill", ...LEVELS] as const, random);
      const disk = diskAfter(once, at);
      if (how === "kill") {
        return { begin: disk, faults: [`kill after ${place(once, at)}`], lost: [] };
      }
      const begin = pick(disk.cuts(how, { cap: 8, random }), random);
      return { begin, faults: [`${how}: cut after ${place(once, at)}`], lost: begin.lost };
    };

    const once: History = { begin: EMPTY, ops, faults: [] };
    for (const level of levels) { // the states after one cut, half of all: as many of each level
      const options = { level, cap: CAPS[most > 1000 ? 1 : 0], random };
      const share = most / 2 / levels.length / cutsOf(once, options).reduce((n) => n + 1, 0);
      for (const [state, faults] of cutsOf(once, options)) {
        if (failures.length < stopAt && random() < share) await attempt(state, { level, faults });
      }
    }
    for (let barren = 0; !isDone() && barren < 60;) {
      const before = seen.size;
      if (random() < 0.4) await goOn(await letFail(), TRIES.failing);
      else await goOn(killOrCut(), TRIES.others);
      barren = seen.size > before ? 0 : barren + 1;
    }
  } finally {
    quiet.end();
  }
  return { states, ends: ends.size, failures };
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
): Generator<[state: State, faults: readonly string[]]> {
  const disk = diskAfter(history, 0);
  for (let k = 0; k <= history.ops.length; k++) {
    if (k > 0) disk.apply(history.ops[k - 1]!);
    const faults = [...history.faults, `cut after ${place(history, k)}`];
    for (const state of disk.cuts(level, options)) yield [state, faults];
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
