/** PySpark of two lines of releases, each with its packages and its Kafka connector in the project's own `.cache`. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { step } from "../jupyter/env.ts";
import { fetchJars } from "./jars.ts";
import { must, run } from "./run.ts";

/** The lines of releases, the one that is used unless another is asked for first. */
export const SPARK_LINES = ["4", "3.5"] as const;
export type SparkLine = typeof SPARK_LINES[number];

const HERE = fileURLToPath(new URL(".", import.meta.url));
const CACHE = join(HERE, "..", "..", ".cache");
const CONNECTOR = ["spark-sql-kafka-0-10", "spark-token-provider-kafka-0-10"];
const SCALA: Readonly<Record<SparkLine, string>> = { "4": "2.13", "3.5": "2.12" };
const JAVA: Readonly<Record<SparkLine, readonly number[]>> = { "4": [17, 21], "3.5": [17] };

/** Settings for one machine; `--conf` goes before them. The usual 200 partitions would cost seconds a batch. */
export const LOCAL_CONF: readonly string[] = [
  "spark.log.level=ERROR",
  "spark.ui.enabled=false",
  "spark.ui.showConsoleProgress=false",
  "spark.sql.shuffle.partitions=2",
  "spark.driver.host=127.0.0.1",
  "spark.driver.bindAddress=127.0.0.1",
];

/** Where one line of Spark is, or will be. */
export interface SparkHome {
  readonly line: SparkLine;
  /** The Python that has PySpark. */
  readonly python: string;
  readonly submit: string;
  /** Variables that keep Spark on this machine and in its own Python. */
  readonly env: Readonly<Record<string, string>>;
}

/** Returns the places of a line of Spark. */
export function sparkHome(line: SparkLine): SparkHome {
  const bin = join(CACHE, `spark-${line}-venv`, "bin");
  const python = join(bin, "python");
  return {
    line,
    python,
    submit: join(bin, "spark-submit"),
    env: {
      PYSPARK_PYTHON: python,
      PYSPARK_DRIVER_PYTHON: python,
      SPARK_LOCAL_IP: "127.0.0.1",
      PYTHONPATH: "",
    },
  };
}

/** Says what is missing to run a line of Spark and how to get it; undefined if nothing is, or can be installed here. */
export async function missingForSpark(line: SparkLine): Promise<string | undefined> {
  const home = Deno.env.get("JAVA_HOME");
  const java = await run(home ? join(home, "bin", "java") : "java", ["-version"]);
  const version = Number(/version "(\d+)/.exec(java.output)?.[1] ?? 0);
  if (JAVA[line].includes(version)) return undefined;
  return `Spark ${line} needs Java ${JAVA[line].join(" or ")}, found ${
    version || "none"
  }. Debian, Ubuntu: ` +
    "apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17; Windows: winget install " +
    "EclipseAdoptium.Temurin.17.JRE. Or set JAVA_HOME to one";
}

/** Whether PySpark and its packages, as pinned now, are installed. */
export async function isSparkInstalled(line: SparkLine): Promise<boolean> {
  const stamp = await Deno.readTextFile(stampOf(line)).catch(() => "");
  return stamp === createHash("sha256").update(await pins(line)).digest("hex");
}

/** Installs PySpark and its packages where they are missing; throws an Error that says what to do by hand. */
export async function installSpark(line: SparkLine): Promise<SparkHome> {
  const missing = await missingForSpark(line);
  if (missing !== undefined) throw new Error(missing);
  const home = sparkHome(line);
  if (await isSparkInstalled(line)) return home;
  const venv = join(home.python, "..", "..");
  await step(`Installing PySpark ${await versionOf(line)} into ${venv}, about 500 MB`, async () => {
    await must("python3", ["-m", "venv", "--clear", venv]);
    const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"];
    await must(home.python, [...pip, "-r", join(HERE, `spark-${line}.txt`)]);
  });
  const stamp = createHash("sha256").update(await pins(line)).digest("hex");
  await Deno.writeTextFile(stampOf(line), stamp); // last: it is complete
  return home;
}

/** Fetches the Kafka connector of a line of Spark where it is missing and returns its jars, comma-separated. */
export async function kafkaJars(line: SparkLine): Promise<string> {
  const version = await versionOf(line);
  const jars = await fetchJars({
    pom: join(HERE, "pom.xml"),
    dir: join(CACHE, `spark-${version}-jars`),
    what: "Spark's Kafka connector, about 8 MB,",
    only: [...CONNECTOR.map((name) => `${name}_${SCALA[line]}`), "kafka-clients", "commons-pool2"],
    properties: { "spark.version": version, "scala.version": SCALA[line] },
  });
  return jars.join();
}

async function versionOf(line: SparkLine): Promise<string> {
  return /^pyspark==(\S+)$/m.exec(await pins(line))![1]!;
}

async function pins(line: SparkLine): Promise<string> {
  const files = [`spark-${line}.txt`, "requirements.txt"];
  const texts = await Promise.all(files.map((name) => Deno.readTextFile(join(HERE, name))));
  return texts.join("").replaceAll(/^#.*\n/gm, ""); // another comment is no other installation
}

function stampOf(line: SparkLine): string {
  return join(CACHE, `spark-${line}-venv`, "requirements.sha256");
}
