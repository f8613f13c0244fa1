/** A topic of 20,000,000 rows through both engines, and whether they write the same table. */
import { isDeepStrictEqual } from "node:util";
import { statfsSync } from "node:fs";
import { join } from "node:path";
import { readParquetFolder } from "lib";
import { replay } from "replay";
import { bytesOf, repeatLog } from "../long.ts";
import { type Cost, measure } from "../process.ts";
import { ROOT } from "../programs.ts";
import { type Engine, ENGINES, RECORDING, SPAN_MS, trialOf } from "./trial.ts";

/** What an engine took for all of the topic. */
export type LongCost = Pick<Cost, "wallSeconds" | "cpuSeconds" | "peakMiB">;

/** A long topic and its two runs. */
export interface LongFigures extends Readonly<Record<Engine, LongCost>> {
  readonly rows: number;
  readonly bytes: number;
  /** Windows that both wrote, equal in every column. */
  readonly windows: number;
}

/** The recording has 60,000 rows. */
const TIMES = 334;
const ROWS_A_BATCH = 500_000;
const TIMEOUT_MS = 3_600_000;
/** The topic, and Spark's copy of it. */
const SPACE = 24e9;

/** Runs both over the same topic log with the same batch bounds; throws if their tables differ. */
export async function measureLong(dir: string, times = TIMES): Promise<LongFigures> {
  const { bavail, bsize } = statfsSync(dir);
  if (bavail * bsize < SPACE) throw new Error(`It takes ${SPACE / 1e9} GB of free disk in ${dir}`);
  const { rows } = await replay({ from: RECORDING, to: `log:${dir}`, topic: "recorded" });
  await repeatLog(join(dir, "recorded"), join(dir, "long"), { times, span: SPAN_MS });
  const costs = {} as Record<Engine, LongCost>;
  const tables: Record<string, unknown>[][] = [];
  for (const engine of ENGINES) {
    const options = { dir, name: "long", source: `log:${dir}`, topic: "long", rows: ROWS_A_BATCH };
    const { command, out } = await trialOf(engine, options);
    const cost = await measure(command, { cwd: ROOT, timeoutMs: TIMEOUT_MS });
    const { wallSeconds, cpuSeconds, peakMiB } = cost;
    costs[engine] = { wallSeconds, cpuSeconds, peakMiB };
    console.error(engine, costs[engine]);
    tables.push((await readParquetFolder(out)).sort("window_start").toRecords());
  }
  const [ours, theirs] = tables;
  if (!isDeepStrictEqual(ours, theirs)) {
    throw new Error(`The tables differ: ${ours!.length} windows and ${theirs!.length} on Spark`);
  }
  const bytes = bytesOf(join(dir, "long"));
  return { ...costs, rows: rows * times, bytes, windows: ours!.length };
}
