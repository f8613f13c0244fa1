import { resolve } from "node:path";
import { countOf, UsageError, type Values } from "../tools/command_line.ts";
import type { BENCH } from "../tools/dev/tasks.ts";
import type { Start } from "./ours.ts";
import { comparisons, FULL, QUICK, trials } from "./trials.ts";

export interface Options {
  readonly quick: boolean;
  readonly rounds: number;
  /** Ids of trials; all if empty. */
  readonly only: readonly string[];
  readonly long: boolean;
  readonly real: string | undefined;
  readonly resume: boolean;
  /** The folder of another checkout. */
  readonly against: string | undefined;
  readonly start: Start;
}

/** Reads what the command line gave. Throws a `UsageError` for a number or a trial that it cannot be. */
export function readOptions(values: Values<typeof BENCH.options>): Options {
  const { quick, long, real, resume, straight } = values;
  const only = values.only?.split(",") ?? [];
  const listed = [FULL, QUICK].flatMap((sizes) =>
    values.against === undefined ? trials(sizes) : comparisons(sizes, [])
  );
  const known = [...new Set(listed.map(({ id }) => id))];
  const unknown = only.find((id) => !known.includes(id));
  if (unknown !== undefined) {
    throw new UsageError(`--only should name some of ${known.join(", ")}, got "${unknown}"`);
  }
  return {
    ...{ quick, long, real, resume, only },
    rounds: values.rounds === undefined ? quick ? 1 : 5 : countOf("rounds", values.rounds),
    against: values.against && resolve(values.against),
    start: straight ? "straight" : "task",
  };
}
