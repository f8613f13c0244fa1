/** Measures what `deno task scale` reckons with: CPU time by row of this library and of Spark. */
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { replay } from "replay";
import { step } from "../jupyter/env.ts";
import type { Figures } from "./scale.ts";
import { installSpark, SPARK_LINES } from "./install.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SIZES = [60_000, 240_000] as const;
const OFFSETS_PER_TRIGGER = 60_000;

/** Runs both engines over the recording, once and four times as long, and takes the difference. */
export async function measure(): Promise<Figures> {
  if (Deno.build.os !== "linux") throw new Error("CPU time is read from /proc: measure on Linux");
  const { python } = await installSpark(SPARK_LINES[0]);
  const dir = await Deno.makeTempDir({ prefix: "scale-" });
  const runs: { process: number[]; spark: number[] } = { process: [], spark: [] };
  let bytesPerMessage = 0, bytesPerWindow = 0;
  for (const size of SIZES) {
    const topic = `t${size}`, at = (name: string) => join(dir, `${name}-${size}`);
    await makeTopic(dir, topic, size / SIZES[0]);
    const file = at("spec.json");
    const query = ["--source", `log:${dir}`, "--topic", topic, "--write-spec", file];
    const limit = [
      "--max-offsets-per-trigger",
      `${OFFSETS_PER_TRIGGER}`,
      "--watermark",
      "2 minutes",
    ];
    const ours = ["--checkpoint", at("ours"), "--sink", `parquet:${at("out")}`];
    const theirs = ["--checkpoint", at("spark"), "--sink", `parquet:${at("spark-out")}`];
    runs.process.push(await cpuSecondsOf(python, "kpi", [...query, ...limit, ...ours]));
    runs.spark.push(await cpuSecondsOf(python, "spark", ["--spec", file, ...theirs]));
    const names = Array.from(Deno.readDirSync(join(dir, topic)), ({ name }) => name);
    const bytes = names.reduce((sum, name) => sum + Deno.statSync(join(dir, topic, name)).size, 0);
    bytesPerMessage = bytes / size;
    const states = Array.from(Deno.readDirSync(join(at("ours"), "state")), ({ name }) => name);
    const last = states.sort((a, b) => Number(a) - Number(b)).at(-1)!;
    const text = await Deno.readTextFile(join(at("ours"), "state", last));
    const windows = text.split("\n").slice(2);
    bytesPerWindow = windows.reduce((sum, line) => sum + line.length + 1, 0) / windows.length;
  }
  await Deno.remove(dir, { recursive: true });
  const machine = `${cpus().length} cores of ${cpus()[0]?.model ?? "a processor without a name"}`;
  const [process, spark] = [runs.process, runs.spark].map(([small, large]) => {
    const rowsPerCpuSecond = (SIZES[1] - SIZES[0]) / (large! - small!);
    return { rowsPerCpuSecond, startCpuSeconds: small! - SIZES[0] / rowsPerCpuSecond };
  });
  return { machine, process: process!, spark: spark!, bytesPerMessage, bytesPerWindow };
}

/** Plays the recording `times` times into one topic log, one after the other in event time. */
async function makeTopic(dir: string, topic: string, times: number): Promise<void> {
  await Deno.mkdir(join(dir, topic));
  for (let i = 0; i < times; i++) {
    const start = new Date(Date.UTC(2024, 0, 1, 10, 30 * i)).toISOString();
    const from = join(ROOT, "data", "transactions_60k.parquet");
    await replay({ from, to: `log:${dir}`, topic: "part", overwrite: true, start });
    for (const { name } of Deno.readDirSync(join(dir, "part"))) {
      const bytes = await Deno.readFile(join(dir, "part", name));
      await Deno.writeFile(join(dir, topic, name), bytes, { append: true });
    }
  }
}

/** Prints the CPU seconds of a program and of the descendants it has waited for. */
const RUSAGE = `
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime)`;

/**
 * Runs a task and returns the CPU seconds of it and all its descendants. Samples of /proc miss what a
 * process does last; what the system tells in the end misses what nobody waited for, as Spark's Python workers.
 */
async function cpuSecondsOf(
  python: string,
  tool: "kpi" | "spark",
  args: readonly string[],
): Promise<number> {
  const program = [Deno.execPath(), "task", "-q", tool, ...args];
  const child = new Deno.Command(python, {
    args: ["-c", RUSAGE, ...program],
    cwd: ROOT,
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const ticks = new Map<string, number>();
  const timer = setInterval(() => sampleTree(child.pid, ticks), 100);
  const { success, stdout } = await step(`Measuring deno task ${tool}`, () => child.output());
  clearInterval(timer);
  if (!success) throw new Error(`deno task ${tool} failed: run it by hand to see why`);
  const sampled = [...ticks.values()].reduce((sum, value) => sum + value, 0) / 100; // Linux's ticks
  return Math.max(sampled, Number(new TextDecoder().decode(stdout)));
}

/** Notes the CPU ticks of a process and its descendants; one that has ended keeps its last. */
function sampleTree(root: number, ticks: Map<string, number>): void {
  const parents = new Map<number, number>();
  const seen = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // After the name in brackets: state, parent, … and as 12th and 13th user and system time.
      const fields = Deno.readTextFileSync(`/proc/${name}/stat`).split(") ").at(-1)!.split(" ");
      parents.set(Number(name), Number(fields[1]));
      seen.set(Number(name), Number(fields[11]) + Number(fields[12]));
    } catch { /* it has just ended */ }
  }
  for (const [pid, used] of seen) {
    let at: number | undefined = pid;
    while (at !== undefined && at !== root) at = parents.get(at);
    if (at === root) ticks.set(String(pid), used);
  }
}
