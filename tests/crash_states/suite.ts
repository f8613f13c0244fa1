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

/** What a worker is asked for: its part of the states of all scenarios. */
export interface Part {
  readonly base: string;
  readonly seed: number;
  readonly most: number;
  readonly index: number;
  readonly of: number;
}

/** Tries so many states that a power cut may leave, on all processors. */
export async function crashSuite({ table, seed, crashStates }: SuiteOptions): Promise<void> {
  await inMemory(async (dir) => {
    const of = navigator.hardwareConcurrency;
    const parts = Array.from({ length: of }, (_, index): Part => {
      const base = join(dir, String(index));
      return { base, seed: seed + index, most: Math.ceil(crashStates / of), index, of };
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

/** Tries a part of the states: of each scenario by its weight, and of what is left by the others' lack. */
export async function explorePart(
  { base, seed, most, index, of }: Part,
  add: (found: Found) => void,
): Promise<void> {
  // Those with few states first: what they have not, the others take over.
  const scenarios = (await scenariosIn(join(base, "topics")))
    .map(({ weight = 1, ...scenario }, i) => ({ weight, scenario, i }))
    .sort((a, b) => a.weight - b.weight);
  let [left, weights] = [most, scenarios.reduce((sum, { weight }) => sum + weight, 0)];
  for (const { weight, scenario, i } of scenarios) {
    const share = Math.ceil(left * weight / weights);
    const options = { dir: base, seed: seed + i, most: share, part: { index, of } };
    const explored = await explore(scenario, options);
    const { journal, dirs, any } = explored.states;
    [left, weights] = [left - journal - dirs - any, weights - weight];
    add([scenario.name, explored]);
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
    for (const leftOut of untold) if (isTold(leftOut)) told.add(leftOut); // a scenario that came later
    for (const leftOut of told) table.add(`${leftOut} left out`, "noticed");
    const missed = [...untold.difference(told)];
    for (const leftOut of missed) table.add(`${leftOut} left out`, "NOT NOTICED");
    deepEqual(missed, []);
  });
}
