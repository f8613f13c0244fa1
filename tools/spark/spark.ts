/**
 * `deno task spark --spec FILE --sink … --checkpoint DIR`: runs a KPI query on Apache Spark, from the JSON that
 * `deno task kpi --write-spec FILE` writes.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConsoleSink, type KpiSpec, parseKpiSpec, readParquetFolder } from "lib";
import { choiceOf, runCommand, UsageError } from "../command_line.ts";
import { SPARK } from "./tasks.ts";
import { handOver } from "./hand_over.ts";
import { installSpark, kafkaJars, LOCAL_CONF, SPARK_LINES, type SparkLine } from "./install.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const JOB = join(ROOT, "tools", "spark", "kpi_job.py");

/** What `deno task spark` was told. */
export interface SparkRun {
  readonly spec: string;
  /** `parquet:DIR` or `batches:DIR`. */
  readonly sink: string;
  readonly checkpoint: string;
  /** A checkpoint of ours to go on from. */
  readonly from?: string | undefined;
  /** Default 4. */
  readonly line?: SparkLine;
  readonly master?: string;
  readonly trigger?: string;
  readonly conf?: readonly string[];
  readonly kafka?: readonly string[];
}

/** Reads the query of `--spec`; throws a `SyntaxError` that names the file. */
async function readSpec(file: string): Promise<KpiSpec> {
  const json = await Deno.readTextFile(file);
  try {
    return parseKpiSpec(json);
  } catch (cause) {
    throw new SyntaxError(
      `Cannot use --spec ${file}, which deno task kpi --write-spec makes: ${
        (cause as Error).message
      }`,
      { cause },
    );
  }
}

/** Runs `tools/spark/kpi_job.py` with spark-submit and returns its exit code. */
export async function runSpark(job: SparkRun): Promise<number> {
  const spec = await readSpec(job.spec);
  const { from, checkpoint, line = SPARK_LINES[0] } = job;
  if (from !== undefined) await handOver(spec, { from, checkpoint });
  const { python, submit, env } = await installSpark(line);
  const jars = spec.source.kind === "kafka" ? ["--jars", await kafkaJars(line)] : [];
  const master = job.master ?? "local[*]";
  const isLocal = master.startsWith("local");
  const conf = [...isLocal ? LOCAL_CONF : [], ...job.conf ?? []];
  const { code } = await new Deno.Command(submit, {
    args: [
      ...["--master", master, ...jars, ...conf.flatMap((setting) => ["--conf", setting]), JOB],
      ...["--spec", job.spec, "--sink", job.sink, "--checkpoint", checkpoint],
      ...["--trigger", job.trigger ?? "available-now"],
      ...(job.kafka ?? []).flatMap((option) => ["--kafka", option]),
    ],
    env: isLocal ? env : { PYSPARK_DRIVER_PYTHON: python },
    stdin: "null",
  }).spawn().status;
  return code;
}

/** Prints what a run wrote to `batches:DIR` as the console sink of `deno task kpi` prints it. */
async function printBatches(dir: string): Promise<void> {
  const sink = new ConsoleSink();
  const names = Array.from(Deno.readDirSync(dir), ({ name }) => name).sort();
  for (const name of names) {
    await sink.addBatch(Number(name.split("=")[1]), await readParquetFolder(join(dir, name)));
  }
}

async function main(job: SparkRun): Promise<number> {
  if (!/^((parquet|batches):.+|console)$/.test(job.sink)) {
    throw new UsageError(
      `--sink should be parquet:DIR, batches:DIR or console, got "${job.sink}"`,
    );
  }
  if (job.sink !== "console") return await runSpark(job);
  const dir = await Deno.makeTempDir();
  try {
    const code = await runSpark({ ...job, sink: `batches:${dir}` });
    if (code === 0) await printBatches(dir);
    return code;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

if (import.meta.main) {
  const code = await runCommand(SPARK, Deno.args, ({ values }) => {
    const { spark, "from-checkpoint": from, ...job } = values;
    return main({ ...job, from, line: choiceOf("spark", spark, SPARK_LINES) });
  });
  Deno.exit(code);
}
