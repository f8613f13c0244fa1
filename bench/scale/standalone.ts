/** A Spark cluster of more than one process on this machine: a master and workers of one core each. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { sparkHome, type SparkLine } from "../../tools/spark/install.ts";
import { killTree } from "../process.ts";

const LOOPBACK = "127.0.0.1";
const POLL_MS = 50;
const PATIENCE_MS = 240_000;

/** A cluster that waits for work. */
export interface StandaloneCluster {
  readonly workers: readonly Deno.ChildProcess[];
  /** What `deno task spark` is told to run here. */
  readonly job: { readonly master: string; readonly conf: readonly string[] };
  /** Ends the master, the workers and their executors. */
  close(): Promise<void>;
}

/** Starts a cluster and returns when all its workers have come; its files are in `dir`. */
export async function openCluster(
  count: number,
  { line, dir }: { readonly line: SparkLine; readonly dir: string },
): Promise<StandaloneCluster> {
  const { submit, env, python } = sparkHome(line);
  const [port, webPort] = [freePort(), freePort()];
  const master = `spark://${LOOPBACK}:${port}`;
  const daemon = (kind: string, ...args: string[]) =>
    new Deno.Command(join(submit, "..", "spark-class"), {
      args: [`org.apache.spark.deploy.${kind}`, "--host", LOOPBACK, ...args],
      env: { ...env, SPARK_WORKER_DIR: join(dir, "work"), SPARK_DAEMON_MEMORY: "256m" },
      ...{ stdin: "null", stdout: "null", stderr: "null" } as const,
    }).spawn();
  const first = daemon("master.Master", "--port", `${port}`, "--webui-port", `${webPort}`);
  const place = ["--cores", "1", "--memory", "1g", "--webui-port", "0", master];
  const workers = Array.from({ length: count }, () => daemon("worker.Worker", ...place));
  const close = async () => {
    for (const child of [...workers, first]) await killTree(child);
  };
  const until = Date.now() + PATIENCE_MS;
  while (await aliveWorkers(webPort) !== count) {
    if (Date.now() > until) {
      await close();
      throw new Error(`Spark's master saw no ${count} workers in ${PATIENCE_MS / 60_000} minutes`);
    }
    await delay(POLL_MS);
  }
  const conf = [
    ...[`spark.driver.host=${LOOPBACK}`, `spark.driver.bindAddress=${LOOPBACK}`],
    ...["spark.executor.memory=512m", "spark.executor.cores=1", "spark.ui.enabled=false"],
    ...[`spark.sql.shuffle.partitions=${count}`, "spark.log.level=ERROR"],
    `spark.pyspark.python=${python}`,
  ];
  return { workers, job: { master, conf }, close };
}

/** Asks the master's page; while it starts, that answers something else, or nothing. */
async function aliveWorkers(webPort: number): Promise<number | undefined> {
  try {
    return (await (await fetch(`http://${LOOPBACK}:${webPort}/json/`)).json()).aliveworkers;
  } catch {
    return undefined;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  return listener.addr.port;
}
