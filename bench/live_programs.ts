import { join } from "node:path";
import { installSpark, kafkaJars } from "../tools/spark/install.ts";
import { faultOf } from "./check.ts";
import { MODELS, THRESHOLD } from "./generate.ts";
import { live, type Pulse } from "./live.ts";
import { ours, parquetWindows, STARTS, VERSION } from "./ours.ts";
import { installModels, LINE, MODELS_DIR, PEERS } from "./peers.ts";
import { modified, type Program, ROOT } from "./programs.ts";

const REAL_TIME_BATCH = "1 minute";

/** Our KPI query: an answer is the commit of the batch with the rows. */
export const liveOurs: Program = live(ours.name, ours.install, {
  version: VERSION,
  start: ({ bootstrap, model, out }) =>
    Promise.resolve({
      command: [
        ...[Deno.execPath(), ...STARTS.task, "--source", `kafka:${bootstrap}`],
        ...["--model", join(ROOT, "models", MODELS[model]), "--threshold", `${THRESHOLD}`],
        ...["--sink", `parquet:${out}/kpi`, "--checkpoint", `${out}/checkpoint`],
        ...["--trigger", "1 millisecond", "--min-batches-to-retain", "10000"],
      ],
    }),
  watch: ({ topic, model, out }) =>
    Promise.resolve({
      answered: (pulses) => Promise.resolve(commitTimes(`${out}/checkpoint`, pulses)),
      async result() {
        const windows = await parquetWindows(`${out}/kpi`);
        const bounds = { maxEventTime: topic.maxEventTime, watermark: "30 seconds" };
        return faultOf(windows, topic.reference[model], bounds) ? undefined : windows;
      },
      close: () => Promise.resolve(),
    }),
});

/** When the batch with the last row of each pulse was committed. */
function commitTimes(checkpoint: string, pulses: readonly Pulse[]): (number | undefined)[] {
  const commits: { time: number; offsets: Readonly<Record<string, number>> }[] = [];
  for (let batch = 0;; batch++) {
    try {
      const time = modified(join(checkpoint, "commits", `${batch}`));
      const text = Deno.readTextFileSync(join(checkpoint, "offsets", `${batch}`));
      commits.push({ time, offsets: JSON.parse(text.trim().split("\n").at(-1)!).transactions });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      break;
    }
  }
  return pulses.map(({ ends }) =>
    commits.find(({ offsets }) => ends.every((end, p) => (offsets[p] ?? 0) >= end))?.time
  );
}

/** Spark's real-time mode and the KPI query. Spark 4.2 refuses it, and that is all that is measured. */
export const realTime: Program = live("Spark's real-time mode, the KPI query", installModels, {
  version: `Spark ${LINE}`,
  async start({ bootstrap, model, out, topic: { partitions } }) {
    const { python, env } = await installSpark(LINE);
    const script = join(PEERS, "spark_real_time.py");
    return {
      command: [
        ...[python, script, bootstrap, join(MODELS_DIR, model), `${THRESHOLD}`, out],
        ...[REAL_TIME_BATCH, await kafkaJars(LINE), `${partitions}`],
      ],
      env: { ...env, PYTHONPATH: PEERS },
    };
  },
  watch: () =>
    Promise.resolve({
      answered: (pulses) => Promise.resolve(pulses.map(() => undefined)),
      result: () => Promise.resolve(undefined),
      close: () => Promise.resolve(),
    }),
});
