/** Compares the KPI query of this checkout with that of another, such as the commit before. */
import { type Results } from "./goals.ts";
import { median } from "../view/statistics.ts";
import { grid, short } from "./report.ts";
import { type Trial } from "./trials.ts";

/** The table of a comparison: seconds of the query, and this checkout's share of the other's round by round. */
export function comparisonTable(
  results: Results,
  trials: readonly Trial[],
  [own, other]: readonly [string, string],
): string {
  const rows = trials.flatMap(({ id, title }) => {
    const [mine, theirs] = [own, other].map((name) => results.get(id)?.get(name) ?? []);
    if (mine!.length === 0 || theirs!.length === 0) return [];
    const [a, b] = [mine!, theirs!].map((runs) => runs.map(({ querySeconds }) => querySeconds));
    const shares = a!.slice(0, b!.length).map((seconds, round) => seconds / b![round]!);
    return [[title, range(a!, " s"), range(b!, " s"), range(shares, "×")]];
  });
  return grid(["what", own, other, "time against it, round by round"], rows);
}

function range(values: readonly number[], unit: string): string {
  const [low, high] = [Math.min(...values), Math.max(...values)].map(short);
  return `${short(median(values))}${unit} (${low} – ${high})`;
}
