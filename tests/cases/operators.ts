import { type Aggregate, avg, count, isoTime, max, min, sum } from "lib";
import { type Json, NotRun } from "./check.ts";

/** Times of a case are in seconds; the elements of groups without a window all happen at 0. */
export const SECOND = 1000;

const AGGREGATES: Readonly<Record<string, Aggregate>> = {
  Count: count(),
  Sum: sum("v"),
  Min: min("v"),
  Max: max("v"),
  Avg: avg("v"),
};

/** What the operator of a case computes. */
export interface Operator {
  readonly aggregate: Aggregate;
  readonly isWindowed: boolean;
  /** Names of the columns grouped by beside the window. */
  readonly keys: readonly string[];
}

/** Reads operators such as windowCount, groupSum, globalCount. */
export function operatorOf(c: Json): Operator {
  const [, kind, aggregate] = /^(window|group|global)(Count|Sum|Min|Max|Avg)$/.exec(c.operator) ??
    [];
  if (kind === undefined) throw new NotRun(`the operator ${c.operator}`);
  if (c.sortedBy !== undefined) throw new NotRun("a sorted result table");
  const elements = c.steps.flatMap((step: Json) => step.addData ?? []);
  const first = elementOf(elements[0] ?? 0, c);
  return {
    aggregate: AGGREGATES[aggregate!]!,
    isWindowed: kind === "window",
    keys: first.keys.map((_, i) => `k${i}`),
  };
}

/** Text in an element is a key; of the numbers the first is the time, where there is one. */
function elementOf(element: Json, { operator, key }: Json): { keys: Json[]; numbers: number[] } {
  const parts: Json[] = Array.isArray(element) ? element : [element];
  if (operator.startsWith("global")) return { keys: [], numbers: [0, ...parts] };
  if (operator.startsWith("window")) {
    const keys = parts.filter((part) => typeof part === "string");
    return { keys, numbers: parts.filter((part) => typeof part === "number") };
  }
  if (key === "(x, x+1)") return { keys: [element, element + 1], numbers: [0] };
  if (key !== undefined) throw new NotRun(`the key ${key}`);
  return { keys: parts.slice(0, 1), numbers: [0, ...parts.slice(1)] };
}

/** Writes the elements of a step as messages: a time t, a value v, keys k0, k1 as JSON. */
export function messagesOf(elements: readonly Json[], c: Json): string[] {
  if (!Array.isArray(elements)) throw new NotRun("several inputs");
  if (c.expand !== undefined && c.expand !== "x -> [x, x+1]") throw new NotRun(c.expand);
  const all = c.expand === undefined ? elements : elements.flatMap((x) => [x, x + 1]);
  return all.map((element) => {
    const { keys, numbers: [time, value = time] } = elementOf(element, c);
    const named = keys.map((key, i) => [`k${i}`, JSON.stringify(key)]);
    return JSON.stringify({
      t: time === undefined ? null : isoTime(time * SECOND),
      v: value,
      ...Object.fromEntries(named),
    });
  });
}
