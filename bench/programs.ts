import { join } from "node:path";
import type { GeneratedTopic, ModelName } from "./generate.ts";
import type { Cost } from "./process.ts";

export const ROOT = join(import.meta.dirname!, "..");
export const CACHE = join(ROOT, ".cache", "bench");

/** What a program is to do. */
export interface Job {
  readonly topic: GeneratedTopic;
  readonly model: ModelName;
  /** Read this broker's copy of the topic instead of the files. */
  readonly bootstrap?: string;
  /** Rows a batch at most; one batch for all if absent. */
  readonly batchRows?: number;
  /** Default 30 seconds. */
  readonly watermark?: string;
  /** Count by merchant too: so many windows of a merchant stay open. */
  readonly groups?: number;
}

/** Counts of a window by its start, epoch ms. */
export type Windows = ReadonlyMap<number, readonly number[]>;

/** What a finished run is remembered by. */
export interface Run extends Omit<Cost, "stdout"> {
  /** From the start of the query to its end, without the start of the program or the model's load. */
  readonly querySeconds: number;
  /** From one batch's start to the next one's, ms; empty for a program without batches. */
  readonly batchMs: readonly number[];
  /** From the program's start to the first commit, ms; null for a program without commits. */
  readonly firstCommitMs: number | null;
  /** Of a run with groups: bytes of its state files, and a second start that has nothing to read. */
  readonly state?: {
    readonly bytes: number;
    readonly restart: Pick<Cost, "wallSeconds" | "cpuSeconds">;
  };
  readonly version: string;
  /** Processes that wanted to run at its end. */
  readonly load: number;
}

/** A finished run and its table. */
export interface Outcome extends Omit<Run, "load"> {
  readonly stdout: string;
  /** Undefined for a program that makes none: it has checked its result itself. */
  readonly windows: Windows | undefined;
}

/** A program that answers the query. */
export interface Program {
  readonly name: string;
  /** Makes it ready; throws with the reason why it cannot run here. */
  install(): Promise<void>;
  run(job: Job): Promise<Outcome>;
}

/** Runs in a folder of its own that is removed afterwards. */
export async function inScratch<T>(action: (folder: string) => Promise<T>): Promise<T> {
  await Deno.mkdir(CACHE, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: CACHE, prefix: "run-" });
  try {
    return await action(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The time of the first commit since the program began, ms; null once so many ran that it is purged. */
export function firstCommitMs(out: string, { startedAt }: Cost): number | null {
  try {
    return modified(`${out}/checkpoint/commits/0`) - startedAt;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** When a file was written last, epoch ms. */
export function modified(path: string): number {
  return Deno.statSync(path).mtime!.getTime();
}

/** The times between the starts of batches, ms. */
export function intervals(timestamps: readonly string[]): number[] {
  const times = timestamps.map(Date.parse);
  return times.slice(1).map((time, i) => time - times[i]!);
}
