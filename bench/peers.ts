import { existsSync } from "node:fs";
import { join } from "node:path";
import { step } from "../tools/jupyter/env.ts";
import { installSpark, kafkaJars, SPARK_LINES, sparkHome } from "../tools/spark/install.ts";
import { fetchJars } from "../tools/spark/jars.ts";
import { must } from "../tools/spark/run.ts";
import { MODELS, THRESHOLD } from "./generate.ts";
import { measure } from "./process.ts";
import type { Job, Outcome, Program, Windows } from "./programs.ts";
import { CACHE, firstCommitMs, inScratch, intervals, ROOT } from "./programs.ts";

/** Where the peers' scripts are. */
export const PEERS = join(import.meta.dirname!, "peers");
const VENV = join(ROOT, ".cache", "bench-venv");
const PYTHON = join(VENV, "bin", "python");

/** The line of Spark's releases that is measured. */
export const LINE = SPARK_LINES[0];

/** The original's pipeline on Spark, its probability by a Python UDF or, kinder, by vector_to_array. */
export function spark(how: "udf" | "array"): Program {
  return {
    name: how === "udf" ? "Spark, the original's UDF" : "Spark, vector_to_array",
    install: installModels,
    run: (job) =>
      inScratch(async (out) => {
        const { topic, model, bootstrap, batchRows, watermark = "30 seconds" } = job;
        const { submit, env } = sparkHome(LINE);
        const jars = bootstrap ? ["--jars", await kafkaJars(LINE)] : [];
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
          ...[submit, "--master", "local[*]", ...jars, ...conf, join(PEERS, "spark_query.py")],
          ...[bootstrap ? `kafka:${bootstrap}` : files, join(MODELS_DIR, model), `${THRESHOLD}`],
          ...[how, out, watermark, ...limit],
        ], { env: { ...env, PYTHONPATH: PEERS } });
        const answer = lastLine(cost.stdout);
        return {
          ...cost,
          ...answer,
          batchMs: intervals(answer.batches.map(({ timestamp }) => timestamp)),
          firstCommitMs: firstCommitMs(out, cost),
        };
      }),
  };
}

/** Where Spark's copies of the models are. */
export const MODELS_DIR = join(CACHE, `spark-${LINE}-models`);

/** Installs Spark, and makes its copies of the models. */
export async function installModels(): Promise<void> {
  const { python, env } = await installSpark(LINE);
  const done = join(MODELS_DIR, "done");
  if (existsSync(done)) return;
  const script = join(PEERS, "spark_models.py");
  await measure([python, script, join(ROOT, "models"), MODELS_DIR], {
    env: { ...env, PYTHONPATH: PEERS },
  });
  await Deno.writeTextFile(done, "");
}

/** A peer that is one Python script over the topic's files, or over a broker's copy. */
export function script(name: string, file: string): Program {
  return { name, install: installPeers, run: (job) => runScript(job, file, {}) };
}

/** Flink's SQL in one process, without the workers for Python functions. */
export const flink: Program = {
  name: "Flink, one SQL query",
  async install() {
    await installPeers();
    await fetchJars(FLINK_JARS);
  },
  async run(job) {
    const [jar] = await fetchJars(FLINK_JARS);
    const env = { _python_worker_execution_mode: "process", KAFKA_JAR: jar! };
    return await runScript(job, "flink_query.py", env);
  },
};

const FLINK_JARS = {
  pom: join(PEERS, "pom.xml"),
  dir: join(ROOT, ".cache", "flink-jars"),
  what: "Flink's Kafka connector",
};

async function runScript(
  { topic, model, bootstrap }: Job,
  file: string,
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const place = bootstrap ?? `${topic.dir}/transactions`;
  const path = join(ROOT, "models", MODELS[model]);
  const command = [PYTHON, join(PEERS, file), place, path, `${THRESHOLD}`, `${topic.rows}`];
  const cost = await measure(command, { env });
  return { ...cost, ...lastLine(cost.stdout), batchMs: [], firstCommitMs: null };
}

let installed: Promise<void> | undefined;

/** Installs the Python peers, once. */
function installPeers(): Promise<void> {
  return installed ??= (async () => {
    const requirements = join(PEERS, "requirements.txt");
    const stamp = join(VENV, "requirements.txt");
    const wanted = await Deno.readTextFile(requirements);
    if (await Deno.readTextFile(stamp).catch(() => "") === wanted) return;
    await step(`Installing the peers into ${VENV}, about 1.3 GB`, async () => {
      await must("python3", ["-m", "venv", "--clear", VENV]);
      const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"];
      await must(PYTHON, [...pip, "-r", requirements]);
    });
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
