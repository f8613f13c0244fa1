import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { UsageError } from "../tools/command_line.ts";
import { fillBroker, type OwnBroker } from "./broker.ts";
import { faultOf } from "./check.ts";
import type { GeneratedTopic } from "./generate.ts";
import type { Results } from "./goals.ts";
import { median } from "../view/statistics.ts";
import type { Progress } from "./progress.ts";
import type { Program, Run } from "./programs.ts";
import { SHORT_TIMES, SLOW_ROUNDS, thousands, type Trial } from "./trials.ts";

/** A run as it is kept, one JSON line each. */
interface Kept {
  readonly trial: string;
  readonly program: string;
  readonly run: Run;
}

/** What a session is told. */
export interface SessionOptions {
  /** Where each run is kept as it ends. */
  readonly file: string;
  /** What the runs are of; runs of something else are not gone on with. */
  readonly of: string;
  /** Go on with the runs that the file has. */
  readonly resume: boolean;
  readonly rounds: number;
  /** A program whose failure or wrong table ends the session; that of a peer leaves the peer out. */
  readonly ours: readonly string[];
  readonly progress: Progress;
}

/** How often a program of a trial runs. */
export function roundsOf({ slow = [], isShort }: Trial, program: Program, rounds: number): number {
  if (slow.includes(program)) return Math.min(rounds, SLOW_ROUNDS);
  return isShort ? rounds * SHORT_TIMES : rounds;
}

/** Collects the runs of all trials. */
export class Session {
  readonly left: { name: string; reason: string }[] = [];
  readonly #results = new Map<string, Map<string, Run[]>>();
  readonly #options: SessionOptions;
  readonly #missing = new Set<Program>();

  private constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Begins a session, or goes on with one; throws a `UsageError` if that was of something else. */
  static async open(options: SessionOptions): Promise<Session> {
    const { file, of, resume } = options;
    const session = new Session(options);
    if (!resume) {
      await Deno.mkdir(dirname(file), { recursive: true });
      await Deno.writeTextFile(file, `${JSON.stringify({ of })}\n`);
      return session;
    }
    const text = await Deno.readTextFile(file).catch(() => "");
    const [first, ...lines] = text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
    if (first?.of !== of) {
      throw new UsageError(
        `Cannot go on: ${file} has ${
          first ? `runs of ${first.of}, not of ${of}` : "no runs"
        }. Leave out --resume`,
      );
    }
    for (const { trial, program, run } of lines as Kept[]) {
      session.#add(trial, program, run);
      options.progress.skip();
    }
    return session;
  }

  get results(): Results {
    return this.#results;
  }

  /** Installs the programs; those that cannot be are left out, with the reason. */
  async install(programs: Iterable<Program>): Promise<void> {
    for (const program of new Set(programs)) {
      try {
        await program.install();
      } catch (error) {
        this.#leave(program.name, error);
        this.#missing.add(program);
      }
    }
  }

  /** Whether a program has run in all rounds of a trial. */
  isDone(trial: Trial): boolean {
    return trial.programs.every((program) => this.#wants({ trial, program }, Infinity) <= 0);
  }

  /**
   * Runs each program of a trial in turn, round by round, and trials that are compared with one another
   * in turn too; only a trial by itself may be on Kafka. Throws if a table of ours is wrong.
   */
  async run(...turns: readonly (readonly [Trial, GeneratedTopic])[]): Promise<void> {
    const [first] = turns;
    let broker: OwnBroker | undefined;
    try {
      if (first?.[0].kafka) broker = await fillBroker(first[1]);
    } catch (error) {
      return this.#leave(first![0].title, error);
    }
    const { rounds } = this.#options;
    const steps = turns.flatMap(([trial, topic]) =>
      trial.programs.map((program) => ({ trial, topic, program }))
    );
    const failed = new Set<typeof steps[number]>();
    const most = Math.max(
      ...steps.map(({ trial, program }) => roundsOf(trial, program, rounds)),
    );
    for (const [, { dir }] of turns) await readAll(dir);
    try {
      for (let round = 1; round <= most; round++) {
        for (const step of steps) {
          const { trial, program } = step;
          if (failed.has(step) || this.#missing.has(program)) continue;
          if (this.#wants(step, round) <= 0) continue;
          try {
            await this.#runOne(trial, program, { topic: step.topic, broker });
          } catch (error) {
            if (this.#options.ours.includes(program.name)) throw error;
            failed.add(step);
            this.#results.get(trial.id)?.delete(program.name);
            this.#leave(`${program.name}: ${trial.title}`, error);
          }
        }
      }
    } finally {
      await broker?.stop();
    }
  }

  /** How many runs a program lacks after so many rounds. */
  #wants(
    { trial, program }: { readonly trial: Trial; readonly program: Program },
    round: number,
  ): number {
    const wanted = Math.min(round, roundsOf(trial, program, this.#options.rounds));
    return wanted - (this.#results.get(trial.id)?.get(program.name)?.length ?? 0);
  }

  async #runOne(
    { id, title, job, isLive }: Trial,
    program: Program,
    { topic, broker }: { topic: GeneratedTopic; broker: OwnBroker | undefined },
  ): Promise<void> {
    const { progress, file } = this.#options;
    const bootstrap = broker && { bootstrap: broker.bootstrap };
    const { windows, stdout: _, ...run } = await progress.during(
      `${title}: ${program.name}`,
      () => program.run({ ...job, topic, ...bootstrap }),
      ({ querySeconds, batchMs }) =>
        isLive
          ? `median ${Math.round(median(batchMs))} ms`
          : `${thousands(Math.round(topic.rows / querySeconds))} rows/s`,
    );
    const { watermark = "30 seconds" } = job;
    const { maxEventTime, reference } = topic;
    const fault = windows && faultOf(windows, reference[job.model], { maxEventTime, watermark });
    if (fault !== undefined) throw new Error(`${program.name} gave another table: ${fault}`);
    const kept: Kept = {
      trial: id,
      program: program.name,
      run: { ...run, load: Deno.loadavg()[0]! },
    };
    await Deno.writeTextFile(file, `${JSON.stringify(kept)}\n`, { append: true });
    this.#add(id, program.name, kept.run);
  }

  #add(trial: string, program: string, run: Run): void {
    const programs = this.#results.get(trial) ?? new Map<string, Run[]>();
    this.#results.set(trial, programs);
    programs.set(program, [...programs.get(program) ?? [], run]);
  }

  #leave(name: string, error: unknown): void {
    const text = stripVTControlCharacters(error instanceof Error ? error.message : String(error));
    const reason = text.trim().split("\n").at(-1)!;
    this.left.push({ name, reason });
    this.#options.progress.say(`Left out: ${name}: ${reason}`);
  }
}

/** Reads the files of a folder once, so that no program pays for a cold disk. */
async function readAll(dir: string): Promise<void> {
  if (!existsSync(dir)) return;
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = await Deno.open(join(entry.parentPath, entry.name));
    await file.readable.pipeTo(new WritableStream());
  }
}
