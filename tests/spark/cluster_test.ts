// `deno task spark` on a cluster of a master and two workers, one of which is killed in the middle of a batch.
import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { readParquetFolder } from "lib";
import { replay } from "replay";
import { killTree } from "../../bench/process.ts";
import { openCluster } from "../../bench/scale/standalone.ts";
import { SPARK_LINES } from "../../tools/spark/install.ts";
import { runSpark } from "../../tools/spark/spark.ts";
import { isBrokerMissing, openTestBroker } from "../kafka/broker.ts";
import { IS_LONG, ours, rowsOf, specFor, withoutSpark } from "./topics.ts";

const line = SPARK_LINES[0];
const ignore = IS_LONG && (await withoutSpark("tests/spark/cluster_test.ts", line) ||
  await isBrokerMissing());
async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 50));
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
    const cluster = await openCluster(2, { line, dir });
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
      const checkpoint = join(dir, "checkpoint"), out = join(dir, "out");
      const job = { spec: file, sink: `parquet:${out}`, checkpoint, ...cluster.job };
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
      await killTree(cluster.workers[1]!);
      ok(!(await idsIn(join(checkpoint, "commits"))).includes(killedIn), "it fell in a batch");
      equal(await running, 0);
      const wanted = rowsOf(await ours(spec, join(dir, "ours")));
      deepEqual((await readParquetFolder(out)).sort("window_start").toRecords(), wanted);
      ok(wanted.length > 4, `${wanted.length}`);
    } finally {
      await cluster.close();
      await broker.close();
      await Deno.remove(dir, { recursive: true });
    }
  },
});
