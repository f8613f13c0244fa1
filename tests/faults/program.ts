import { equal } from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FEATURES } from "lib";
import { parseCommand } from "../../tools/command_line.ts";
import { kpiPlan } from "../../tools/kpi/kpi_options.ts";
import { kpiAccess, permissionFlags } from "../../tools/run.ts";
import { KPI } from "../../tools/tasks.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BASE = Date.UTC(2024, 0, 1, 10);
const PARTITIONS = 2;

/** A generator of numbers in [0, 1): the same for the same seed. */
export function randoms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Makes rows `[from, to)` of a topic whose final tables do not depend on where batches end: 2 s of event time a
 * row; every 17th cannot be read; every 23rd is 20 minutes late, later than any batch of a hundred rows is long.
 */
export function transactions(from: number, to: number): string[] {
  const rows: string[] = [];
  for (let i = from; i < to; i++) {
    const late = i > 200 && i % 23 === 0 ? 20 * 60_000 : 0;
    const random = randoms(i);
    const features = FEATURES.map((name) => [name, name === "Amount" ? i : random() * 8 - 4]);
    const event_time = new Date(BASE + i * 2_000 - late).toISOString();
    const row = { event_time, Time: i, ...Object.fromEntries(features), Class: i % 11 ? 0 : 1 };
    rows.push(i % 17 === 0 ? `{"event_time": broken row ${i}` : JSON.stringify(row));
  }
  return rows;
}

/** Where rows are sent; a topic log, or Kafka. */
export interface Topic {
  /** As `--source` takes it. */
  readonly source: string;
  readonly name: string;
  send(rows: readonly string[]): Promise<void>;
  close?(): Promise<void>;
}

/** Makes a topic log in a folder. */
export function logTopic(dir: string, name = "transactions"): Topic {
  let sent = 0;
  return {
    source: `log:${dir}`,
    name,
    async send(rows) {
      await Deno.mkdir(join(dir, name), { recursive: true });
      const lines = Array.from({ length: PARTITIONS }, () => "");
      for (const row of rows) lines[sent++ % PARTITIONS] += `${row}\n`;
      for (const [partition, text] of lines.entries()) {
        const file = join(dir, name, `partition-${partition}.jsonl`);
        await Deno.writeTextFile(file, text, { append: true });
      }
    },
  };
}

/** Gives `work` a folder in memory, where there is such a place: a sync takes no time there. */
export async function inMemory(work: (base: string) => Promise<void>): Promise<void> {
  const base = await Deno.makeTempDir(existsSync("/dev/shm") ? { dir: "/dev/shm" } : {});
  try {
    await work(base);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

/** The folders of one run of the program. */
export interface Place {
  readonly dir: string;
  readonly checkpoint: string;
  readonly sink: string;
  readonly rejected: string;
  readonly alerts: string;
  readonly progress: string;
}

export function placeIn(dir: string): Place {
  return {
    dir,
    checkpoint: join(dir, "checkpoint"),
    sink: join(dir, "out"),
    rejected: join(dir, "rejected"),
    alerts: join(dir, "alerts"),
    progress: join(dir, "progress.jsonl"),
  };
}

/** The options of the program, `--sink parquet:…` and small batches; later options win. */
export function kpiArgs(topic: Topic, place: Place, options: readonly string[] = []): string[] {
  return [
    ...["--source", topic.source, "--topic", topic.name, "--models", join(ROOT, "models")],
    ...["--checkpoint", place.checkpoint, "--sink", `parquet:${place.sink}`],
    ...["--rejected", place.rejected, "--alerts", place.alerts, "--progress", place.progress],
    ...["--max-offsets-per-trigger", "100", ...options],
  ];
}

export interface Ended {
  /** 137 if it was killed. */
  readonly code: number;
  readonly stderr: string;
}

/** How the program is started. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Straight, without the launcher, and with `crash.ts` before it: such a run can end at any effect. */
  readonly crashes?: boolean;
}

/** Starts the program as its own processes: as `deno task kpi`, unless it is to crash. */
export function startKpi(
  args: readonly string[],
  { env = {}, crashes = false }: StartOptions = {},
): { process: Deno.ChildProcess; ended: Promise<Ended> } {
  const process = new Deno.Command(Deno.execPath(), {
    args: [...crashes ? crashingProgram(args) : ["task", "--quiet", "kpi"], ...args],
    cwd: ROOT,
    env: { TZ: "America/New_York", ...env },
    detached: true, // a group of its own, which killAll ends
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const ended = process.output().then(({ code, stderr }) => ({
    code,
    stderr: new TextDecoder().decode(stderr),
  }));
  return { process, ended };
}

/** Kills `deno task`, the launcher and the query in one moment, as a crash of the machine would. */
export function killAll({ pid }: Deno.ChildProcess): void {
  Deno.kill(-pid, "SIGKILL");
}

/** The launcher's permissions, and what crash.ts takes: its folder, the environment, and to kill itself. */
function crashingProgram(args: readonly string[]): string[] {
  const plan = kpiPlan(parseCommand(KPI, args).values);
  const access = kpiAccess(plan);
  const own = [dirname(plan.checkpoint!)];
  const flags = permissionFlags({
    ...access,
    read: [...access.read, ...own],
    write: [...access.write, ...own],
  });
  const crash = join(ROOT, "tests", "faults", "crash.ts");
  const others = flags.filter((flag) => !flag.startsWith("--allow-env"));
  const program = join(ROOT, "tools", "kpi", "kpi.ts");
  return ["run", ...others, "--allow-env", "--allow-run", "--preload", crash, program];
}

/** Runs the program to its end, which must be a good one. */
export async function runKpi(args: readonly string[]): Promise<void> {
  const { code, stderr } = await startKpi(args).ended;
  equal(code, 0, stderr);
}

/** The outcomes of one fault: how often it was tried, and what came of it. */
export class FaultTable {
  readonly #rows = new Map<string, Map<string, number>>();

  add(fault: string, outcome: string, times = 1): void {
    const outcomes = this.#rows.get(fault) ?? new Map<string, number>();
    this.#rows.set(fault, outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + times));
  }

  /** How often faults whose name matches were tried and had another outcome than `but`. */
  tried(fault: RegExp, but?: string): number {
    let sum = 0;
    for (const [name, outcomes] of this.#rows) {
      if (!fault.test(name)) continue;
      for (const [outcome, times] of outcomes) if (outcome !== but) sum += times;
    }
    return sum;
  }

  toString(): string {
    const rows = [...this.#rows].map(([fault, outcomes]) => [
      fault,
      String([...outcomes.values()].reduce((sum, times) => sum + times, 0)),
      [...outcomes].map(([outcome, times]) => outcomes.size > 1 ? `${outcome}: ${times}` : outcome)
        .join("; "),
    ]);
    const table = [["fault", "times tried", "outcome"], ...rows];
    const widths = [0, 1].map((column) => Math.max(...table.map((row) => row[column]!.length)));
    const lines = table.map(([fault, tried, outcome]) =>
      `| ${fault!.padEnd(widths[0]!)} | ${tried!.padStart(widths[1]!)} | ${outcome} |`
    );
    lines.splice(1, 0, `| ${"-".repeat(widths[0]!)} | ${"-".repeat(widths[1]! - 1)}: | --- |`);
    return lines.join("\n");
  }
}
