import { deepEqual } from "node:assert/strict";
import { join } from "node:path";
import { inWorker } from "../faults/in_worker.ts";
import { type FaultTable, inMemory } from "../faults/program.ts";
import { LEVELS } from "./contents.ts";
import { explore, type Explored, type Failure, syncsOf } from "./explore.ts";
import { scenariosIn } from "./scenarios.ts";

const WORKER = new URL("./worker.ts", import.meta.url);

interface SuiteOptions {
  readonly table: FaultTable;
  readonly seed: number;
  readonly crashStates: number;
}

/** What a worker is asked for: states of all scenarios, in the rounds `first`, `first + step` and so on. */
export interface Part {
  readonly base: string;
  readonly seed: number;
  readonly most: number;
  readonly first: number;
  readonly step: number;
}

/** Of a scenario in a round: then most of those that are tried are new ones. */
const STATES_A_ROUND = 600;

/** Tries so many states that a power cut may leave, on all processors. */
export async function crashSuite({ table, seed, crashStates }: SuiteOptions): Promise<void> {
  await inMemory(async (dir) => {
    const step = 2 * navigator.hardwareConcurrency; // each waits for its disk half of the time
    const most = Math.ceil(crashStates / step);
    const parts = Array.from({ length: step }, (_, first): Part => {
      return { base: join(dir, String(first)), seed, most, first, step };
    });
    const began = performance.now();
    const failures: Failure[] = [];
    let sum = 0;
    const add = ([name, explored]: Found) => {
      failures.push(...explored.failures);
      for (const failure of explored.failures) console.error(failure); // the others take a while
      for (const level of LEVELS) {
        sum += explored.states[level];
        const fault = `power cut (${level}), ${name}`;
        table.add(fault, "tables equal, all accounted for", explored.states[level]);
      }
      const seconds = (performance.now() - began) / 1000;
      console.error(
        `${name}: ${sum} states in ${seconds.toFixed(0)} s, ${explored.ends} ends, ` +
          `${explored.failures.length} wrong`,
      );
    };
    await Promise.all(parts.map((part) => inWorker(WORKER, part, add)));
    deepEqual(failures, []);
  });
}

export type Found = readonly [name: string, explored: Explored];

/** Tries a part of the states, round by round, since other batches make other states. */
export async function explorePart(
  { base, seed, most, first, step }: Part,
  add: (found: Found) => void,
): Promise<void> {
  let left = most;
  for (let round = first; left > 0; round += step) {
    const scenarios = await scenariosIn(join(base, "topics"), round);
    const each = Math.min(STATES_A_ROUND, most / scenarios.length);
    for (const [i, { weight = 1, ...scenario }] of scenarios.entries()) {
      const share = Math.ceil(Math.min(left, each * weight));
      if (share <= 0) break;
      const options = { dir: base, seed: seed + 100 * round + i, most: share };
      const explored = await explore(scenario, options);
      const { journal, dirs, any } = explored.states;
      left -= journal + dirs + any;
      add([scenario.name, explored]);
    }
  }
}

/** Leaves out one sync after another, of all batches at once, and counts those that no state tells of. */
export async function leftOutSuite({ table, seed }: SuiteOptions): Promise<void> {
  await inMemory(async (base) => {
    const untold = new Set<string>();
    const told = new Set<string>();
    // A takeover builds a checkpoint by the same code, elsewhere.
    const isTold = (sync: string) => told.has(sync.replace("checkpoint/takeover", "checkpoint"));
    const options = { dir: base, seed, levels: ["dirs", "any"] as const, stopAt: 1 };
    for (const scenario of await scenariosIn(join(base, "topics"))) {
      for (const leftOut of await syncsOf(scenario, base)) {
        if (isTold(leftOut)) continue; // by another scenario
        const { failures } = await explore(scenario, { ...options, most: 600, leftOut });
        untold.add(leftOut);
        if (failures.length === 0) continue;
        untold.delete(leftOut);
        told.add(leftOut);
        console.error(`${leftOut}: told by ${scenario.name}`);
      }
    }
    for (const leftOut of told) table.add(`${leftOut} left out`, "noticed");
    for (const leftOut of untold) table.add(`${leftOut} left out`, "NOT NOTICED");
    deepEqual([...untold], []);
  });
}
