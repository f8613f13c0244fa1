/** CPU time by row of this library and of Spark. */
import { join } from "node:path";
import { replay } from "replay";
import { bytesOf, repeatLog } from "../long.ts";
import { measure } from "../process.ts";
import { ROOT } from "../programs.ts";
import { type Engine, ENGINES, RECORDING, SPAN_MS, trialOf } from "./trial.ts";

/** What an engine costs, from two runs of different size. */
export interface EngineFigures {
  /** Rows of the second run that the first does not have, over the CPU seconds they took: one core, busy. */
  readonly rowsPerCpuSecond: number;
  /** What does not grow with the rows: start, compiling, loading the model. */
  readonly startCpuSeconds: number;
}

/** What a row, a start, a message and a window cost. */
export interface RowFigures extends Readonly<Record<Engine, EngineFigures>> {
  readonly bytesPerMessage: number;
  /** Bytes of the checkpoint's state for an open window. */
  readonly bytesPerWindow: number;
}

/** Runs both engines over the recording, once and four times as long, and takes the difference. */
export async function measureRows(dir: string): Promise<RowFigures> {
  const { rows } = await replay({ from: RECORDING, to: `log:${dir}`, topic: "t1" });
  await repeatLog(join(dir, "t1"), join(dir, "t4"), { times: 4, span: SPAN_MS });
  const seconds: Record<Engine, number[]> = { process: [], spark: [] };
  let bytesPerWindow = 0;
  for (const topic of ["t1", "t4"]) {
    for (const engine of ENGINES) {
      const options = { dir, name: topic, source: `log:${dir}`, topic, rows };
      const { command, checkpoint } = await trialOf(engine, options);
      seconds[engine].push((await measure(command, { cwd: ROOT })).cpuSeconds);
      if (engine === "process") bytesPerWindow = await windowBytes(checkpoint);
    }
  }
  const figuresOf = ([small, large]: number[]) => {
    const rowsPerCpuSecond = 3 * rows / (large! - small!);
    return { rowsPerCpuSecond, startCpuSeconds: small! - rows / rowsPerCpuSecond };
  };
  return {
    process: figuresOf(seconds.process),
    spark: figuresOf(seconds.spark),
    bytesPerMessage: bytesOf(join(dir, "t1")) / rows,
    bytesPerWindow,
  };
}

/** Bytes of an open window in a checkpoint's newest state. */
async function windowBytes(checkpoint: string): Promise<number> {
  const states = Array.from(Deno.readDirSync(join(checkpoint, "state")), ({ name }) => name);
  const last = states.sort((a, b) => Number(a) - Number(b)).at(-1)!;
  const windows = (await Deno.readTextFile(join(checkpoint, "state", last))).split("\n").slice(2);
  return windows.reduce((sum, line) => sum + line.length + 1, 0) / windows.length;
}
