import { deepEqual } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { FaultTable } from "../faults/program.ts";
import { LEVELS } from "./contents.ts";
import { explore, type Explored, syncsOf } from "./explore.ts";
import { scenariosIn } from "./scenarios.ts";

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

/** Gives `work` a folder in memory, where there is such a place: a sync takes no time there. */
async function inMemory(work: (base: string) => Promise<void>): Promise<void> {
  const base = await Deno.makeTempDir(existsSync("/dev/shm") ? { dir: "/dev/shm" } : {});
  try {
    await work(base);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

/** Tries so many states that a power cut may leave, on all processors. */
export async function crashSuite({ table, seed, crashStates }: SuiteOptions): Promise<void> {
  await inMemory(async (dir) => {
    const of = navigator.hardwareConcurrency;
    const parts = Array.from({ length: of }, (_, index): Part => {
      const base = join(dir, String(index));
      return { base, seed: seed + index, most: Math.ceil(crashStates / of), index, of };
    });
    const found = (await Promise.all(parts.map(inWorker))).flat();
    for (const [name, { states }] of found) {
      for (const level of LEVELS) {
        table.add(
          `power cut (${level}), ${name}`,
          "tables equal, all accounted for",
          states[level],
        );
      }
    }
    deepEqual(found.flatMap(([, { failures }]) => failures), []);
  });
}

type Found = readonly (readonly [name: string, explored: Explored])[];

function inWorker(part: Part): Promise<Found> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  return new Promise<Found>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(part);
  }).finally(() => worker.terminate());
}

/** Tries a part of the states. */
export async function explorePart({ base, seed, most, index, of }: Part): Promise<Found> {
  const found: [string, Explored][] = [];
  const scenarios = await scenariosIn(join(base, "topics"));
  for (const [i, scenario] of scenarios.entries()) {
    const left = most - found.reduce((sum, [, { states }]) => {
      return sum + states.journal + states.dirs + states.any;
    }, 0);
    const share = Math.ceil(left / (scenarios.length - i));
    const options = { dir: base, seed: seed + i, most: share, part: { index, of } };
    found.push([scenario.name, await explore(scenario, options)]);
  }
  return found;
}

/** Leaves out one sync after another, and counts those that no state tells of. */
export async function leftOutSuite({ table, seed }: SuiteOptions): Promise<void> {
  await inMemory(async (base) => {
    const unseen: string[] = [];
    for (const scenario of await scenariosIn(join(base, "topics"))) {
      for (const leftOut of await syncsOf(scenario, base)) {
        const options = {
          dir: base,
          seed,
          most: 2000,
          levels: ["dirs", "any"] as const,
          stopAt: 1,
        };
        const { failures } = await explore(scenario, { ...options, leftOut });
        table.add(`${leftOut} left out`, failures.length > 0 ? "noticed" : "NOT NOTICED");
        if (failures.length === 0) unseen.push(`${scenario.name}: ${leftOut}`);
      }
    }
    console.error(`Left out and not noticed:\n${unseen.join("\n")}`);
  });
}
