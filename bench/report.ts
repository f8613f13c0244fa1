import { cpus, totalmem } from "node:os";
import { type Goal, goalsOf, grownMs, isMet, quantile, type Results } from "./goals.ts";
import { median } from "../view/statistics.ts";
import type { Run } from "./programs.ts";
import { thousands, type Trial } from "./trials.ts";

/** What a benchmark found, and under what circumstances. */
export interface Findings {
  readonly results: Results;
  readonly trials: readonly Trial[];
  readonly rounds: number;
  /** ISO date. */
  readonly date: string;
  /** Programs and trials that could not be measured, with the reason. */
  readonly left: readonly { readonly name: string; readonly reason: string }[];
  /** The command that our program was started by. */
  readonly start: string;
}

const HEADER = [
  "program",
  "rounds",
  "rows/s (query)",
  "query time",
  "rows/s (process)",
  "CPU s",
  "peak memory, MiB",
];

/** Writes the findings as Markdown. */
export function markdown({ results, trials, rounds, date, left, start }: Findings): string {
  const load = [...results.values()].flatMap((programs) => [...programs.values()].flat())
    .map((run) => run.load);
  const goals = goalsOf(results, trials);
  const met = goals.filter(isMet).length;
  const parts = [
    "# Results of `deno task bench`",
    `Made by the program on ${date}; see \`NOTES.md\` for how it measures. ${machine()}.`,
    `Load (processes that wanted to run, ours and the measured program's included): median ${
      median(load).toFixed(1)
    }, at most ${
      Math.max(...load).toFixed(1)
    }, on ${cpus().length} cores. Rounds: ${rounds}; the tables say where they are fewer or more. This project is started by \`${start}\`.`,
    "![rows per second by program](results.svg)",
    `## Goals: ${met} of ${goals.length} reached`,
    grid(["figure", "goal", "reached", ""], goals.map(goalRow)),
    "## Programs",
    "Medians, with the least and the most in brackets. *Query* is the time from the start of the " +
    "query to its end, without the start of the program and the load of the model; *rows/s* and " +
    "the ratio are by it. *Process* is all of the program, measured from outside. Each table was " +
    "compared with the reference, window by window.",
    ...trials.filter(({ id, isLive }) => !isLive && (results.get(id)?.size ?? 0) > 1)
      .flatMap((trial) => [
        `### ${capital(trial.title)}`,
        grid(HEADER, programRows(trial, results.get(trial.id)!)),
      ]),
    ...trials.filter(({ id, isLive }) => isLive && results.has(id)).flatMap(({ id, title }) => [
      `### ${capital(title)}`,
      "From before the rows are sent to Kafka until the commit of the batch with the last of them.",
      grid(["program", "rounds", "p50, ms", "p99, ms", "most, ms"], latencyRows(results.get(id)!)),
    ]),
    ...trials.some(({ id, job }) => job.groups && results.has(id))
      ? [
        "### Open groups",
        "Windows by merchant, none of them final. The batches are those that find all groups open; " +
        "state files are those of the whole run; the restart is a second start with nothing to read.",
        grid(
          [
            "groups",
            "batches",
            "batch p50, ms",
            "most, ms",
            "memory, MiB",
            "state, MB",
            "restart, s",
            "its CPU s",
          ],
          trials.flatMap((trial) => groupRows(trial, results.get(trial.id))),
        ),
      ]
      : [],
    "### One program alone",
    grid(
      ["what", ...HEADER],
      trials.filter(({ id, isLive }) => !isLive && results.get(id)?.size === 1).flatMap((trial) =>
        programRows(trial, results.get(trial.id)!).map((row) => [trial.title, ...row])
      ),
    ),
    ...left.length > 0
      ? ["## Not measured", grid(["what", "why"], left.map(({ name, reason }) => [name, reason]))]
      : [],
    "## Versions",
    grid(["program", "version"], versionsOf(results)),
  ];
  return parts.join("\n\n") + "\n";
}

function goalRow(goal: Goal): string[] {
  const { figure, unit, value, atLeast, atMost } = goal;
  const wanted = atLeast !== undefined ? `≥ ${atLeast}${unit}` : `≤ ${atMost}${unit}`;
  return [figure, wanted, `${short(value)}${unit}`, isMet(goal) ? "reached" : "**missed**"];
}

function programRows(trial: Trial, programs: ReadonlyMap<string, readonly Run[]>): string[][] {
  const [first] = programs.values();
  const own = median(first!.map(({ querySeconds }) => querySeconds));
  return [...programs].map(([name, runs]) => {
    const query = median(runs.map(({ querySeconds }) => querySeconds));
    const rate = (of: (run: Run) => number) =>
      ranged(runs.map((run) => trial.topic.rows / of(run)), (x) => thousands(Math.round(x)));
    return [
      name,
      `${runs.length}`,
      rate(({ querySeconds }) => querySeconds),
      `${short(query / own)}×`,
      rate(({ wallSeconds }) => wallSeconds),
      ranged(runs.map(({ cpuSeconds }) => cpuSeconds), short),
      ranged(runs.map(({ peakMiB }) => peakMiB), short),
    ];
  });
}

function latencyRows(programs: ReadonlyMap<string, readonly Run[]>): string[][] {
  return [...programs].map(([name, runs]) => {
    const times = runs.flatMap(({ batchMs }) => batchMs);
    return [
      name,
      `${runs.length}`,
      ...[0.5, 0.99, 1].map((share) => short(quantile(times, share))),
    ];
  });
}

function groupRows(
  { job: { groups } }: Trial,
  programs: ReadonlyMap<string, readonly Run[]> | undefined,
): string[][] {
  if (groups === undefined) return [];
  return [...programs?.values() ?? []].map((runs) => {
    const times = runs.flatMap(grownMs);
    return [
      thousands(groups),
      `${runs[0]!.batchMs.length}`,
      short(median(times)),
      short(quantile(times, 1)),
      ranged(runs.map(({ largestMiB }) => largestMiB), short),
      ranged(runs.map(({ state }) => (state?.bytes ?? NaN) / 1e6), short),
      ranged(runs.map(({ state }) => state?.restart.wallSeconds ?? NaN), short),
      ranged(runs.map(({ state }) => state?.restart.cpuSeconds ?? NaN), short),
    ];
  });
}

function ranged(values: readonly number[], format: (value: number) => string): string {
  if (values.some(Number.isNaN)) return "–";
  const middle = format(median(values));
  return values.length < 2
    ? middle
    : `${middle} (${format(Math.min(...values))} – ${format(Math.max(...values))})`;
}

function versionsOf(results: Results): string[][] {
  const versions = new Map<string, string>();
  for (const programs of results.values()) {
    for (const [name, runs] of programs) versions.set(name, runs[0]!.version);
  }
  return [...versions];
}

function machine(): string {
  const [first] = cpus();
  return `Machine: ${cpus().length} × ${first?.model.trim() ?? "unknown processor"}, ${
    Math.round(totalmem() / 2 ** 30)
  } GiB, ${Deno.build.os} ${Deno.build.arch}`;
}

/** Writes a table as Markdown. */
export function grid(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Writes a number with two or three figures. */
export function short(value: number): string {
  return value >= 100 ? thousands(Math.round(value)) : value.toFixed(value >= 10 ? 1 : 2);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
