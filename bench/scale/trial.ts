/** The KPI query by this library and by Spark over one topic, each started as the README starts it. */
import { join } from "node:path";
import { ROOT } from "../programs.ts";

/** The two programs that are measured. */
export const ENGINES = ["process", "spark"] as const;
export type Engine = typeof ENGINES[number];

/** What is run, and where it writes. */
export interface TrialOptions {
  readonly dir: string;
  /** Tells the trials of a folder apart. */
  readonly name: string;
  /** `log:DIR` or `kafka:HOST:PORT`. */
  readonly source: string;
  readonly topic: string;
  /** Rows in a batch at most. */
  readonly rows?: number;
  /** Default: what is there, to its end. */
  readonly trigger?: string;
  /** More for Spark's command. */
  readonly args?: readonly string[];
}

/** A program to run, and what it leaves. */
export interface Trial {
  readonly command: readonly string[];
  readonly checkpoint: string;
  /** The parquet folder. */
  readonly out: string;
}

/** Plays a recording of real rows, by `deno task replay`'s defaults. */
export const RECORDING = join(ROOT, "data", "transactions_60k.parquet");
/** How long it is at the usual rate. */
export const SPAN_MS = 20 * 60_000;
const TASK = [Deno.execPath(), "task", "-q"];

/** Returns the command of an engine; for Spark the query is written first. */
export async function trialOf(engine: Engine, options: TrialOptions): Promise<Trial> {
  const { dir, name, source, topic, rows, trigger, args = [] } = options;
  const at = (what: string) => join(dir, `${name}-${engine}-${what}`);
  const [spec, checkpoint, out] = [at("spec.json"), at("checkpoint"), at("out")];
  const query = [
    ...[...TASK, "kpi", "--source", source, "--topic", topic, "--watermark", "2 minutes"],
    ...rows === undefined ? [] : ["--max-offsets-per-trigger", `${rows}`],
  ];
  const run = ["--checkpoint", checkpoint, "--sink", `parquet:${out}`];
  const every = trigger === undefined ? [] : ["--trigger", trigger];
  if (engine === "process") return { command: [...query, ...run, ...every], checkpoint, out };
  const [program, ...rest] = [...query, "--write-spec", spec];
  const { success, stderr } = await new Deno.Command(program!, { args: rest, cwd: ROOT }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const command = [...TASK, "spark", "--spec", spec, ...run, ...every, ...args];
  return { command, checkpoint, out };
}

/** A batch that was committed. */
export interface Commit {
  readonly id: number;
  /** Epoch ms. */
  readonly time: number;
}

/** Lists what a checkpoint has committed, in order; nothing before the query has begun. */
export function commitsOf(checkpoint: string): Commit[] {
  try {
    const names = Array.from(Deno.readDirSync(join(checkpoint, "commits")), ({ name }) => name);
    return names.filter((name) => /^\d+$/.test(name)).map(Number).sort((a, b) => a - b)
      .map((id) => ({
        id,
        time: Deno.statSync(join(checkpoint, "commits", `${id}`)).mtime!.getTime(),
      }));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Counts the rows that the batches up to one have read, from a topic's beginning. */
export function rowsUpTo(checkpoint: string, { id }: Commit): number {
  const text = Deno.readTextFileSync(join(checkpoint, "offsets", `${id}`));
  const [offsets] = Object.values<Record<string, number>>(
    JSON.parse(text.trim().split("\n").at(-1)!),
  );
  return Object.values(offsets!).reduce((sum, offset) => sum + offset, 0);
}
