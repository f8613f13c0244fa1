/**
 * `deno task spark --spec FILE --sink … --checkpoint DIR`: runs a KPI query on Apache Spark, from the JSON that
 * `deno task kpi --write-spec FILE` writes. PySpark and its packages are installed into the project's own `.cache`.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConsoleSink, type KpiSpec, parseKpiSpec, readParquetFolder } from "lib";
import { runCommand, UsageError } from "../command_line.ts";
import { step } from "../env.ts";
import { SPARK } from "../tasks.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const VENV = join(ROOT, ".cache", "spark-venv");
const JARS = join(ROOT, ".cache", "spark-jars");
const REQUIREMENTS = join(ROOT, "tools", "spark", "requirements.txt");
const JOB = join(ROOT, "tools", "spark", "kpi_job.py");
const KAFKA_JARS =
  "spark-sql-kafka-0-10_2.12,spark-token-provider-kafka-0-10_2.12,kafka-clients,commons-pool2";

/** The Python that has PySpark. */
export const PYTHON = join(VENV, "bin", "python");

/** Variables that keep Spark on this machine and in our Python. */
export const SPARK_ENV: Readonly<Record<string, string>> = {
  PYSPARK_PYTHON: PYTHON,
  PYSPARK_DRIVER_PYTHON: PYTHON,
  SPARK_LOCAL_IP: "127.0.0.1",
  PYTHONPATH: "",
};

/** Settings for one machine; `--conf` goes before them. The usual 200 partitions would cost seconds a batch. */
export const LOCAL_CONF: readonly string[] = [
  "spark.log.level=ERROR",
  "spark.ui.enabled=false",
  "spark.ui.showConsoleProgress=false",
  "spark.sql.shuffle.partitions=2",
  "spark.driver.host=127.0.0.1",
  "spark.driver.bindAddress=127.0.0.1",
];

/** Says what is missing to run Spark and how to get it; undefined if nothing is, or can be installed here. */
export async function missingForSpark(): Promise<string | undefined> {
  const remedy = "Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install " +
    "openjdk@17; Windows: winget install EclipseAdoptium.Temurin.17.JRE. Or set JAVA_HOME to one";
  const home = Deno.env.get("JAVA_HOME");
  const java = await run(home ? join(home, "bin", "java") : "java", ["-version"]);
  const version = Number(/version "(\d+)/.exec(java.output)?.[1] ?? 0);
  if (version === 17) return undefined;
  return `Spark 3.5 needs Java 17, found ${version || "none"}. ${remedy}`;
}

/** Whether PySpark and its packages, as pinned now, are installed. */
export async function isSparkInstalled(): Promise<boolean> {
  const stamp = await Deno.readTextFile(join(VENV, "requirements.sha256")).catch(() => "");
  return stamp === await pins();
}

/** Installs PySpark and its packages where they are missing; throws an Error that says what to do by hand. */
export async function installSpark(): Promise<void> {
  const missing = await missingForSpark();
  if (missing !== undefined) throw new Error(missing);
  if (await isSparkInstalled()) return;
  await step("Installing PySpark into .cache/spark-venv, about 450 MB", async () => {
    await must("python3", ["-m", "venv", "--clear", VENV]);
    const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"];
    await must(PYTHON, [...pip, "-r", REQUIREMENTS]);
  });
  await Deno.writeTextFile(join(VENV, "requirements.sha256"), await pins()); // last: it is complete
}

/** Fetches the Kafka connector where it is missing and returns its jars, comma-separated. */
export async function kafkaJars(): Promise<string> {
  const list = () => Array.from(Deno.readDirSync(JARS), ({ name }) => join(JARS, name)).join();
  try {
    return list();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const part = `${JARS}.${crypto.randomUUID()}`;
  const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
  const pom = join(ROOT, "tools", "spark", "pom.xml");
  const options = [`-DincludeArtifactIds=${KAFKA_JARS}`, `-DoutputDirectory=${part}`];
  await step("Fetching Spark's Kafka connector into .cache/spark-jars, about 8 MB", async () => {
    await must("mvn", ["-q", "-B", "-f", pom, goal, ...options]);
    await Deno.rename(part, JARS);
  });
  return list();
}

/** What `deno task spark` was told. */
export interface SparkRun {
  readonly spec: string;
  /** `parquet:DIR` or `batches:DIR`. */
  readonly sink: string;
  readonly checkpoint: string;
  readonly master?: string;
  readonly trigger?: string;
  readonly conf?: readonly string[];
  readonly kafka?: readonly string[];
}

/** Runs `tools/spark/kpi_job.py` with spark-submit and returns its exit code. */
export async function runSpark(job: SparkRun): Promise<number> {
  const spec: KpiSpec = parseKpiSpec(await Deno.readTextFile(job.spec));
  await installSpark();
  const jars = spec.source.kind === "kafka" ? ["--jars", await kafkaJars()] : [];
  const master = job.master ?? "local[*]";
  const isLocal = master.startsWith("local");
  const conf = [...isLocal ? LOCAL_CONF : [], ...job.conf ?? []];
  const { code } = await new Deno.Command(join(VENV, "bin", "spark-submit"), {
    args: [
      ...["--master", master, ...jars, ...conf.flatMap((setting) => ["--conf", setting]), JOB],
      ...["--spec", job.spec, "--sink", job.sink, "--checkpoint", job.checkpoint],
      ...["--trigger", job.trigger ?? "available-now"],
      ...(job.kafka ?? []).flatMap((option) => ["--kafka", option]),
    ],
    env: isLocal ? SPARK_ENV : { PYSPARK_DRIVER_PYTHON: PYTHON },
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

async function pins(): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(REQUIREMENTS)).digest("hex");
}

async function run(command: string, args: readonly string[]) {
  try {
    const done = await new Deno.Command(command, { args: [...args], stdin: "null" }).output();
    return { success: done.success, output: [done.stdout, done.stderr].map(text).join("") };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { success: false, output: `${command} was not found` };
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { success, output } = await run(command, args);
  if (success) return;
  const end = output.trim().split("\n").slice(-12).join("\n");
  throw new Error(`${command} failed; the first installation needs a network. It said:\n${end}`);
}

async function main(job: SparkRun): Promise<number> {
  if (!/^((parquet|batches):.+|console)$/.test(job.sink)) {
    throw new UsageError(
      `--sink should be parquet:DIR, batches:DIR or console, got "${job.sink}"`,
    );
  }
  if (job.sink !== "console") return await runSpark(job);
  const dir = await Deno.makeTempDir();
  const code = await runSpark({ ...job, sink: `batches:${dir}` });
  if (code === 0) await printBatches(dir);
  await Deno.remove(dir, { recursive: true });
  return code;
}

if (import.meta.main) {
  Deno.exit(await runCommand(SPARK, Deno.args, ({ values }) => main(values)));
}
