import { existsSync } from "node:fs";
import { join } from "node:path";
import { readParquetFolder } from "lib";
import { MODELS, THRESHOLD } from "./generate.ts";
import { type Cost, measure } from "./process.ts";
import type { Job, Outcome, Program, Windows } from "./programs.ts";
import { firstCommitMs, inScratch, intervals, modified, ROOT } from "./programs.ts";

/** What runs us. */
export const VERSION = `Deno ${Deno.version.deno}`;
const DENO = Deno.execPath();

/** How the KPI query is started: as the README says, or its program alone, for a profiler. */
export const STARTS = {
  task: ["task", "-q", "kpi"],
  straight: ["run", "-A", join("tools", "kpi", "kpi.ts")],
} as const;
export type Start = keyof typeof STARTS;

/** The KPI query as the README starts it. */
export const ours = kpi("this project");

/** The KPI query of a checkout of this project. */
export function kpi(
  name: string,
  { start = "task", root = ROOT }: { readonly start?: Start; readonly root?: string } = {},
): Program {
  return {
    name,
    install() {
      if (existsSync(join(root, "node_modules"))) return Promise.resolve();
      throw new Error(`${root} has no packages yet: run deno install there`);
    },
    run: (job) => inScratch((out) => runKpi(job, { out, root, start: STARTS[start] })),
  };
}

async function runKpi(
  { topic: { dir, rows }, model, bootstrap, batchRows, watermark = "30 seconds", groups }: Job,
  { out, root, start }: { out: string; root: string; start: readonly string[] },
): Promise<Outcome> {
  const command = [
    ...[DENO, ...start],
    ...["--source", bootstrap ? `kafka:${bootstrap}` : `log:${dir}`],
    ...["--model", join(ROOT, "models", MODELS[model]), "--threshold", `${THRESHOLD}`],
    ...["--sink", `parquet:${out}/kpi`, "--checkpoint", `${out}/checkpoint`],
    ...["--watermark", watermark, "--progress", `${out}/progress.jsonl`],
    ...batchRows ? ["--max-offsets-per-trigger", `${batchRows}`] : [],
    ...groups ? ["--keys", "merchant:string", "--json"] : [],
  ];
  const cost = await measure(command, { cwd: root });
  const commits = `${out}/checkpoint/commits`;
  const last = Math.max(
    ...Deno.readDirSync(commits).map(({ name }) => modified(join(commits, name))),
  );
  const progress = (await Deno.readTextFile(`${out}/progress.jsonl`)).trim().split("\n");
  const times = progress.map((line) => JSON.parse(line).timestamp);
  return {
    ...cost,
    ...groups && { state: await stateOf(command, { out, root, groups, rows, cost }) },
    querySeconds: (last - modified(`${out}/checkpoint/metadata`)) / 1000,
    batchMs: intervals(times),
    firstCommitMs: firstCommitMs(out, cost),
    windows: await parquetWindows(`${out}/kpi`),
    version: VERSION,
  };
}

/** Returns what the state of a run with groups costs; throws if the run did not keep all of them. */
async function stateOf(
  command: readonly string[],
  { out, root, groups, rows, cost }: {
    readonly out: string;
    readonly root: string;
    readonly groups: number;
    readonly rows: number;
    readonly cost: Cost;
  },
): Promise<NonNullable<Outcome["state"]>> {
  const { openWindows, rows: { open } } = JSON.parse(cost.stdout);
  if (openWindows !== groups || open !== rows) {
    throw new Error(`${openWindows} groups of ${open} rows, not ${groups} of ${rows}`);
  }
  const state = join(out, "checkpoint", "state");
  const files = Deno.readDirSync(state).map(({ name }) => Deno.statSync(join(state, name)).size);
  const { wallSeconds, cpuSeconds } = await measure(command, { cwd: root });
  const bytes = files.reduce((sum, size) => sum + size, 0);
  return { bytes, restart: { wallSeconds, cpuSeconds } };
}

/** One or two queries of this project in one process, under 30 seconds and 2 minutes. */
export function queriesInOneProcess(queries: 1 | 2): Program {
  return {
    name: queries === 1 ? "one query" : "two queries in one process",
    install: () => Promise.resolve(),
    run: ({ topic: { dir }, model }) =>
      inScratch(async (out) => {
        const cost = await measure([
          ...[DENO, "run", "-A", join(import.meta.dirname!, "two_queries.ts")],
          ...[dir, join(ROOT, "models", MODELS[model]), `${THRESHOLD}`, out, `${queries}`],
        ], { cwd: ROOT });
        const { querySeconds } = JSON.parse(cost.stdout);
        const windows = await parquetWindows(`${out}/kpi0`);
        return {
          ...cost,
          querySeconds,
          batchMs: [],
          firstCommitMs: null,
          windows,
          version: VERSION,
        };
      }),
  };
}

/** ONNX Runtime over the topic's features, which lie in memory: a session and a thread a core. */
export const onnxAlone: Program = {
  name: "ONNX Runtime alone, both cores",
  install: () => Promise.resolve(),
  async run({ topic, model }) {
    const cost = await measure([
      ...[DENO, "run", "-A", join(import.meta.dirname!, "onnx_alone.ts")],
      ...[join(topic.dir, "features.f32"), join(ROOT, "models", MODELS[model]), `${THRESHOLD}`],
    ], { cwd: ROOT });
    const { querySeconds, alerts, version } = JSON.parse(cost.stdout);
    const wanted = Object.values(topic.reference[model]).reduce(
      (sum, counts) => sum + counts[1]!,
      0,
    );
    if (alerts !== wanted) throw new Error(`${alerts} alerts, not ${wanted}`);
    return { ...cost, querySeconds, batchMs: [], firstCommitMs: null, windows: undefined, version };
  },
};

/** Reads the window table of a parquet sink. */
export async function parquetWindows(folder: string): Promise<Windows> {
  const rows = (await readParquetFolder(folder)).toRecords();
  const names = ["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"];
  return new Map(
    rows.map((row) => [Number(row.window_start), names.map((name) => Number(row[name]))]),
  );
}
