/** What a program cost, measured from outside. */
export interface Cost {
  readonly wallSeconds: number;
  /** User and system time of the program and all that it started; NaN where there is no /proc. */
  readonly cpuSeconds: number;
  /** The most memory that was resident, MiB: its processes' high-water marks, added up; NaN without /proc. */
  readonly peakMiB: number;
  /** The high-water mark of its largest process, MiB. */
  readonly largestMiB: number;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly stdout: string;
}

const SAMPLE_MS = 100;
/** A program that takes longer hangs, unless told otherwise. */
const TIMEOUT_MS = 900_000;
const TICKS_PER_SECOND = 100;
const HAS_PROC = Deno.build.os === "linux";

/** How a program is run. */
export interface MeasureOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Works with a program that goes on, until it has ended by itself; the program is interrupted after it. */
  readonly meanwhile?: (ended: () => boolean) => Promise<void>;
}

/** Runs a program to its end; throws with the end of its stderr if it fails. */
export async function measure(
  command: readonly string[],
  { meanwhile, timeoutMs = TIMEOUT_MS, ...options }: MeasureOptions = {},
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
  const most = { all: 0, largest: 0 };
  const sample = () => sampleTree(child.pid, cpu, most);
  const timer = HAS_PROC ? setInterval(sample, SAMPLE_MS) : undefined;
  const guard = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const output = child.output();
  if (meanwhile) await interruptAfter(meanwhile, child, output);
  const { success, code, stdout, stderr } = await output;
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
    peakMiB: HAS_PROC ? most.all / 1024 : NaN,
    largestMiB: HAS_PROC ? most.largest / 1024 : NaN,
    startedAt,
    stdout: new TextDecoder().decode(stdout),
  };
}

async function interruptAfter(
  meanwhile: NonNullable<MeasureOptions["meanwhile"]>,
  child: Deno.ChildProcess,
  output: Promise<unknown>,
): Promise<void> {
  let hasEnded = false;
  output.then(() => hasEnded = true);
  try {
    await meanwhile(() => hasEnded);
  } finally {
    if (!hasEnded) child.kill("SIGINT");
    await output;
  }
}

/** Notes the CPU time of each process under `root`, and the most memory of all and of one, KiB. */
function sampleTree(
  root: number,
  cpu: Map<string, number>,
  most: { all: number; largest: number },
): void {
  const marks: number[] = [];
  for (const pid of tree(root)) {
    const stat = read(`/proc/${pid}/stat`);
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (!fields) continue; // it has ended meanwhile
    // Fields 14, 15 and 22 of proc(5); a process id may come again, with another start time.
    const ticks = Number(fields[11]) + Number(fields[12]);
    cpu.set(`${pid} ${fields[19]}`, ticks / TICKS_PER_SECOND);
    marks.push(Number(/VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`) ?? "")?.[1] ?? 0));
  }
  most.all = Math.max(most.all, marks.reduce((sum, kib) => sum + kib, 0));
  most.largest = Math.max(most.largest, ...marks);
}

/** Ends a process and all that it has started, at once. */
export async function killTree(child: Deno.ChildProcess): Promise<void> {
  for (const pid of tree(child.pid).reverse()) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch { /* it has ended */ }
  }
  await child.status;
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
