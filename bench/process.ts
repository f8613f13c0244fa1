/** What a program cost, measured from outside. */
export interface Cost {
  readonly wallSeconds: number;
  /** User and system time of the program and all that it started; NaN where there is no /proc. */
  readonly cpuSeconds: number;
  /** The most memory that was resident, MiB, all its processes together; NaN without /proc. */
  readonly peakMiB: number;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly stdout: string;
}

const SAMPLE_MS = 100;
/** A program that takes longer hangs. */
const TIMEOUT_MS = 900_000;
const TICKS_PER_SECOND = 100;
const HAS_PROC = Deno.build.os === "linux";

/** Runs a program to its end; throws with the end of its stderr if it fails. */
export async function measure(
  command: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<Cost> {
  const [program, ...args] = command;
  const startedAt = Date.now();
  const began = performance.now();
  const child = new Deno.Command(program!, {
    args,
    ...options,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const cpu = new Map<string, number>();
  let peakKiB = 0;
  const sample = () => peakKiB = Math.max(peakKiB, sampleTree(child.pid, cpu));
  const timer = HAS_PROC ? setInterval(sample, SAMPLE_MS) : undefined;
  const guard = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
  const { success, code, stdout, stderr } = await child.output();
  const wallSeconds = (performance.now() - began) / 1000;
  clearTimeout(guard);
  clearInterval(timer);
  if (!success) {
    const tail = new TextDecoder().decode(stderr).trim().split("\n").slice(-8).join("\n");
    throw new Error(`${command.slice(0, 4).join(" ")} … ended with code ${code}:\n${tail}`);
  }
  return {
    wallSeconds,
    cpuSeconds: HAS_PROC ? [...cpu.values()].reduce((sum, x) => sum + x, 0) : NaN,
    peakMiB: HAS_PROC ? peakKiB / 1024 : NaN,
    startedAt,
    stdout: new TextDecoder().decode(stdout),
  };
}

/** Notes the CPU time of each process under `root`, and returns the memory of all, KiB. */
function sampleTree(root: number, cpu: Map<string, number>): number {
  let kib = 0;
  for (const pid of tree(root)) {
    const stat = read(`/proc/${pid}/stat`);
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (!fields) continue; // it has ended meanwhile
    // Fields 14, 15 and 22 of proc(5); a process id may come again, with another start time.
    const ticks = Number(fields[11]) + Number(fields[12]);
    cpu.set(`${pid} ${fields[19]}`, ticks / TICKS_PER_SECOND);
    const status = read(`/proc/${pid}/status`) ?? "";
    // Of the one process of a program the high-water mark is exact; of many, the sum of one moment.
    const key = pid === root ? "VmHWM" : "VmRSS";
    kib += Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  }
  return kib;
}

function tree(pid: number): number[] {
  const children: number[] = [];
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      const text = read(`/proc/${pid}/task/${name}/children`)?.trim();
      if (text) children.push(...text.split(" ").map(Number));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended meanwhile
  }
  return [pid, ...children.flatMap(tree)];
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // it has ended meanwhile
  }
}
