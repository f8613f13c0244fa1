/** What executors of a Spark cluster on this machine do, and what a batch costs whatever is in it. */
import { join } from "node:path";
import { replay } from "replay";
import { SPARK_LINES } from "../../tools/spark/install.ts";
import { median } from "../../view/statistics.ts";
import { repeatLog } from "../long.ts";
import { measure } from "../process.ts";
import { ROOT } from "../programs.ts";
import { openCluster } from "./standalone.ts";
import { commitsOf, RECORDING, SPAN_MS, trialOf } from "./trial.ts";

/** A cluster of executors with a core each. */
export interface ClusterFigures {
  readonly executors: number;
  /** Seconds from one commit to the next one, in batches of next to nothing. */
  readonly batchSeconds: number;
  /** In large batches, their fixed price included. */
  readonly rowsPerSecond: number;
}

const BATCHES = 12;
/** The JVMs compile while the first batches run. */
const WARM_UP = 4;
const FEW = 100;
const LARGE = 60_000;

/** Runs the query on one executor and on two, in batches of 100 rows and of the whole recording. */
export async function measureCluster(dir: string): Promise<ClusterFigures[]> {
  const shared = { from: RECORDING, to: `log:${dir}`, overwrite: true };
  await replay({ ...shared, topic: "few", limit: BATCHES * FEW });
  await replay({ ...shared, topic: "recorded" });
  await repeatLog(join(dir, "recorded"), join(dir, "large"), { times: BATCHES, span: SPAN_MS });
  const figures: ClusterFigures[] = [];
  for (const executors of [1, 2]) {
    const cluster = await openCluster(executors, { line: SPARK_LINES[0], dir });
    try {
      const { master, conf } = cluster.job;
      const args = ["--master", master, ...conf.flatMap((setting) => ["--conf", setting])];
      const secondsOf = async (topic: string, rows: number) => {
        const name = `${topic}-${executors}`;
        const options = { dir, name, source: `log:${dir}`, topic, rows, args };
        const { command, checkpoint } = await trialOf("spark", options);
        await measure(command, { cwd: ROOT });
        const times = commitsOf(checkpoint).map(({ time }) => time).slice(WARM_UP - 1, BATCHES);
        return median(times.slice(1).map((time, i) => (time - times[i]!) / 1000));
      };
      const batchSeconds = await secondsOf("few", FEW);
      const rowsPerSecond = LARGE / await secondsOf("large", LARGE);
      figures.push({ executors, batchSeconds, rowsPerSecond });
    } finally {
      await cluster.close();
    }
  }
  return figures;
}
