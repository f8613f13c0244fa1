// `deno task spark` on a cluster of a master and two workers, one of which is killed in the middle of a batch.
import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { readParquetFolder } from "lib";
import { replay } from "replay";
import { SPARK_LINES, sparkHome } from "../../tools/spark/install.ts";
import { runSpark } from "../../tools/spark/spark.ts";
import { isBrokerMissing, openTestBroker } from "../kafka/broker.ts";
import { IS_LONG, ours, rowsOf, specFor, withoutSpark } from "./topics.ts";

const line = SPARK_LINES[0];
const ignore = IS_LONG && (await withoutSpark("tests/spark/cluster_test.ts", line) ||
  await isBrokerMissing());
const LOOPBACK = "127.0.0.1";
const CONF = [
  ...[`spark.driver.host=${LOOPBACK}`, `spark.driver.bindAddress=${LOOPBACK}`],
  ...["spark.executor.memory=512m", "spark.executor.cores=1", "spark.ui.enabled=false"],
  ...["spark.sql.shuffle.partitions=2", "spark.log.level=ERROR"],
  `spark.pyspark.python=${sparkHome(line).python}`,
];

/** Starts a daemon of Spark's in this process group's care and returns it. */
function daemon(dir: string, kind: "master.Master" | "worker.Worker", ...args: string[]) {
  const { submit, env } = sparkHome(line);
  return new Deno.Command(join(submit, "..", "spark-class"), {
    args: [`org.apache.spark.deploy.${kind}`, "--host", LOOPBACK, ...args],
    env: { ...env, SPARK_WORKER_DIR: join(dir, "work"), SPARK_DAEMON_MEMORY: "256m" },
    ...{ stdin: "null", stdout: "null", stderr: "null" } as const,
  }).spawn();
}

function freePort(): number {
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  return listener.addr.port;
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** The ids of a process and of all that it started. */
async function family(pid: number): Promise<number[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`).catch(() => "");
  const children = text.trim().split(" ").filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(family))).flat()];
}

async function idsIn(folder: string): Promise<number[]> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name).catch(() => []);
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Part of the long run alone, `SPARK_TESTS=long`; elsewhere it is no test that is left out. */
const long: typeof Deno.test | (() => void) = IS_LONG ? Deno.test : () => {};
long({
  name: "a cluster that loses a worker in the middle of a batch writes our table",
  ignore,
  async fn() {
    const dir = await Deno.makeTempDir({ prefix: "cluster-" });
    const broker = await openTestBroker();
    const [port, webPort] = [freePort(), freePort()];
    const url = `spark://${LOOPBACK}:${port}`;
    const daemons = [
      daemon(dir, "master.Master", "--port", `${port}`, "--webui-port", `${webPort}`),
      ...[0, 1].map(() =>
        daemon(dir, "worker.Worker", "--cores", "1", "--memory", "1g", "--webui-port", "0", url)
      ),
    ];
    try {
      const from = join(import.meta.dirname!, "../../data/transactions_60k.parquet");
      const to = `kafka:${broker.bootstrap}`;
      await replay({ from, to, topic: "t", limit: 8000, rate: 15 });
      const spec = await specFor(dir, "rf", {
        source: { kind: "kafka", address: broker.bootstrap },
        topic: "t",
        maxOffsetsPerTrigger: 900,
      });
      const file = join(dir, "spec.json");
      await Deno.writeTextFile(file, JSON.stringify(spec));
      await until(async () => {
        try { // while it starts, its page answers something else, or nothing
          const answer = await fetch(`http://${LOOPBACK}:${webPort}/json/`);
          return (await answer.json()).aliveworkers === 2;
        } catch {
          return false;
        }
      });
      const checkpoint = join(dir, "checkpoint"), out = join(dir, "out");
      const job = { spec: file, sink: `parquet:${out}`, checkpoint, master: url, conf: CONF };
      let isDone = false;
      const running = runSpark(job).finally(() => isDone = true);
      let killedIn = -1;
      await until(async () => {
        ok(!isDone, "the query ended before a worker was killed");
        const [planned, done] = await Promise.all(
          ["offsets", "commits"].map((log) => idsIn(join(checkpoint, log))),
        );
        killedIn = planned!.find((id) => id > 1 && !done!.includes(id)) ?? -1;
        return killedIn > 0;
      });
      for (const pid of await family(daemons[2]!.pid)) Deno.kill(pid, "SIGKILL");
      ok(!(await idsIn(join(checkpoint, "commits"))).includes(killedIn), "it fell in a batch");
      equal(await running, 0);
      const wanted = rowsOf(await ours(spec, join(dir, "ours")));
      deepEqual((await readParquetFolder(out)).sort("window_start").toRecords(), wanted);
      ok(wanted.length > 4, `${wanted.length}`);
    } finally {
      for (const { pid } of daemons) {
        for (const member of (await family(pid)).reverse()) {
          try {
            Deno.kill(member, "SIGKILL");
          } catch { /* it has ended */ }
        }
      }
      await Promise.all(daemons.map(({ status }) => status));
      await broker.close();
      await Deno.remove(dir, { recursive: true });
    }
  },
});
