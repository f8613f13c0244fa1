import { existsSync } from "node:fs";
import { join } from "node:path";
import { readParquetFolder } from "lib";
import {
  installSpark,
  kafkaJars,
  PYTHON as SPARK_PYTHON,
  SPARK_ENV,
} from "../tools/spark/spark.ts";
import { type GeneratedTopic, type ModelName, MODELS, THRESHOLD } from "./generate.ts";
import { type Cost, measure } from "./process.ts";

export const ROOT = join(import.meta.dirname!, "..");
export const CACHE = join(ROOT, ".cache", "bench");
const PEERS = join(import.meta.dirname!, "peers");
const PEERS_VENV = join(ROOT, ".cache", "bench-venv");
const PEERS_PYTHON = join(PEERS_VENV, "bin", "python");

/** What a program is to do. */
export interface Job {
  readonly topic: GeneratedTopic;
  readonly model: ModelName;
  /** Read this broker's copy of the topic instead of the files. */
  readonly bootstrap?: string;
  /** Rows a batch at most; one batch for all if absent. */
  readonly batchRows?: number;
  /** Default 30 seconds. */
  readonly watermark?: string;
}

/** Counts of a window by its start, epoch ms. */
export type Windows = ReadonlyMap<number, readonly number[]>;

/** A finished run. */
export interface Run extends Cost {
  /** From the start of the query to its end, without the start of the program or the model's load. */
  readonly querySeconds: number;
  /** From one batch's start to the next one's, ms; empty for a program without batches. */
  readonly batchMs: readonly number[];
  /** From the program's start to the first commit, ms; NaN for a program without commits. */
  readonly firstCommitMs: number;
  readonly windows: Windows;
  readonly version: string;
}

/** A program that answers the query. */
export interface Program {
  readonly name: string;
  /** Makes it ready; throws with the reason why it cannot run here. */
  install(): Promise<void>;
  run(job: Job): Promise<Run>;
}

/** The KPI query, its program started straight, so that its memory is its own. */
export const ours = kpi("this project", ["run", "-A", join(ROOT, "tools", "kpi.ts")]);
/** The same as a user starts it. */
export const oursByTask = kpi("this project, by deno task kpi", ["task", "-q", "kpi"]);

function kpi(name: string, start: readonly string[]): Program {
  return {
    name,
    install: () => Promise.resolve(),
    run: (job) =>
      inScratch(async (out) => {
        const { topic: { dir }, model, bootstrap, batchRows, watermark = "30 seconds" } = job;
        const cost = await measure([
          ...[Deno.execPath(), ...start],
          ...["--source", bootstrap ? `kafka:${bootstrap}` : `log:${dir}`],
          ...["--model", join(ROOT, "models", MODELS[model]), "--threshold", `${THRESHOLD}`],
          ...["--sink", `parquet:${out}/kpi`, "--checkpoint", `${out}/checkpoint`],
          ...["--watermark", watermark, "--progress", `${out}/progress.jsonl`],
          ...batchRows ? ["--max-offsets-per-trigger", `${batchRows}`] : [],
        ], { cwd: ROOT });
        const started = mtime(`${out}/checkpoint/metadata`);
        const progress = (await Deno.readTextFile(`${out}/progress.jsonl`)).trim().split("\n");
        return {
          ...cost,
          querySeconds: (lastCommit(`${out}/checkpoint/commits`) - started) / 1000,
          batchMs: intervals(progress.map((line) => JSON.parse(line).timestamp)),
          firstCommitMs: firstCommit(out) - cost.startedAt,
          windows: await parquetWindows(`${out}/kpi`),
          version: `Deno ${Deno.version.deno}`,
        };
      }),
  };
}

/** One or two queries of this project in one process, under 30 seconds and 2 minutes. */
export function queriesInOneProcess(queries: 1 | 2): Program {
  return {
    name: queries === 1 ? "one query" : "two queries in one process",
    install: () => Promise.resolve(),
    run: ({ topic: { dir }, model }) =>
      inScratch(async (out) => {
        const cost = await measure([
          ...[Deno.execPath(), "run", "-A", join(import.meta.dirname!, "two_queries.ts")],
          ...[dir, join(ROOT, "models", MODELS[model]), `${THRESHOLD}`, out, `${queries}`],
        ], { cwd: ROOT });
        const { querySeconds } = JSON.parse(cost.stdout);
        const windows = await parquetWindows(`${out}/kpi0`);
        const version = `Deno ${Deno.version.deno}`;
        return { ...cost, querySeconds, batchMs: [], firstCommitMs: NaN, windows, version };
      }),
  };
}

/** The original's pipeline on Spark, its probability by a Python UDF or, kinder, by vector_to_array. */
export function spark(how: "udf" | "array"): Program {
  const models = join(CACHE, "spark-models");
  return {
    name: how === "udf" ? "Spark, the original's UDF" : "Spark, vector_to_array",
    async install() {
      await installSpark();
      try {
        await Deno.stat(join(models, "done"));
      } catch {
        const script = join(PEERS, "spark_models.py");
        const env = { ...SPARK_ENV, PYTHONPATH: PEERS };
        await measure([SPARK_PYTHON, script, join(ROOT, "models"), models], { env });
        await Deno.writeTextFile(join(models, "done"), "");
      }
    },
    run: (job) =>
      inScratch(async (out) => {
        const { topic, model, bootstrap, batchRows, watermark = "30 seconds" } = job;
        const jars = bootstrap ? ["--jars", await kafkaJars()] : [];
        const conf = [
          "spark.ui.enabled=false",
          "spark.sql.session.timeZone=UTC",
          "spark.sql.shuffle.partitions=8", // the original's
          "spark.driver.host=127.0.0.1",
          "spark.driver.bindAddress=127.0.0.1",
        ].flatMap((setting) => ["--conf", setting]);
        // Files are a batch at least, so smaller batches have smaller files of the same rows.
        const files = batchRows ? `${topic.dir}/batches` : `${topic.dir}/transactions`;
        const limit = !batchRows ? [] : bootstrap ? [`${batchRows}`] : ["1"];
        const cost = await measure([
          join(SPARK_PYTHON, "..", "spark-submit"),
          ...["--master", "local[*]", ...jars, ...conf, join(PEERS, "spark_query.py")],
          ...[bootstrap ? `kafka:${bootstrap}` : files, join(models, model), `${THRESHOLD}`],
          ...[how, out, watermark, ...limit],
        ], { env: { ...SPARK_ENV, PYTHONPATH: PEERS } });
        const answer = lastLine(cost.stdout);
        return {
          ...cost,
          ...answer,
          batchMs: intervals(answer.batches.map(({ timestamp }) => timestamp)),
          firstCommitMs: firstCommit(out) - cost.startedAt,
        };
      }),
  };
}

/** A peer that is one Python script over the topic's files. */
export function script(name: string, file: string): Program {
  return {
    name,
    install: installPeers,
    async run({ topic, model, bootstrap }) {
      const place = bootstrap ?? `${topic.dir}/transactions`;
      const path = join(ROOT, "models", MODELS[model]);
      const command = [PEERS_PYTHON, join(PEERS, file), place, path, `${THRESHOLD}`];
      const cost = await measure([...command, `${topic.rows}`]);
      return { ...cost, ...lastLine(cost.stdout), batchMs: [], firstCommitMs: NaN };
    },
  };
}

let installed: Promise<void> | undefined;

/** Installs the Python peers, once. */
function installPeers(): Promise<void> {
  return installed ??= (async () => {
    const requirements = join(PEERS, "requirements.txt");
    const stamp = join(PEERS_VENV, "requirements.txt");
    const wanted = await Deno.readTextFile(requirements);
    if (await Deno.readTextFile(stamp).catch(() => "") === wanted) return;
    await measure(["python3", "-m", "venv", "--clear", PEERS_VENV]);
    const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"];
    await measure([PEERS_PYTHON, ...pip, "-r", requirements]);
    await Deno.writeTextFile(stamp, wanted); // last: it is complete
  })();
}

/** What a Python peer prints last. */
interface Answer {
  readonly querySeconds: number;
  readonly version: string;
  readonly windows: Windows;
  readonly batches: readonly { readonly timestamp: string }[];
}

function lastLine(stdout: string): Answer {
  const { windows, ...answer } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  const rows = (windows as number[][]).map(([start, ...counts]) => [start!, counts] as const);
  return { ...answer, windows: new Map(rows) };
}

/** Runs in a folder of its own that is removed afterwards. */
async function inScratch<T>(action: (folder: string) => Promise<T>): Promise<T> {
  await Deno.mkdir(CACHE, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: CACHE, prefix: "run-" });
  try {
    return await action(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function parquetWindows(folder: string): Promise<Windows> {
  const rows = (await readParquetFolder(folder)).toRecords();
  const names = ["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"];
  return new Map(
    rows.map((row) => [Number(row.window_start), names.map((name) => Number(row[name]))]),
  );
}

/** Epoch ms; NaN once so many batches ran that the file is purged. */
function firstCommit(out: string): number {
  const path = `${out}/checkpoint/commits/0`;
  return existsSync(path) ? mtime(path) : NaN;
}

/** Epoch ms. */
function lastCommit(folder: string): number {
  return Math.max(...Deno.readDirSync(folder).map(({ name }) => mtime(`${folder}/${name}`)));
}

function mtime(path: string): number {
  return Deno.statSync(path).mtime!.getTime();
}

function intervals(timestamps: readonly string[]): number[] {
  const times = timestamps.map(Date.parse);
  return times.slice(1).map((time, i) => time - times[i]!);
}
