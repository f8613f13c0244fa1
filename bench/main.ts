/**
 * `deno task bench`: draws topics, runs this project and its peers over the same bytes in turn, checks
 * that all give the same window table, and writes `bench/RESULTS.md` and `bench/results.svg`.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fillBroker, type FilledBroker } from "./broker.ts";
import { faultOf } from "./check.ts";
import { type GeneratedTopic, generateTopic } from "./generate.ts";
import { type Goal, goalsOf, isMet } from "./goals.ts";
import { repeatTopic } from "./long.ts";
import { CACHE, ours, type Program, ROOT, type Run } from "./programs.ts";
import { realTopic } from "./real.ts";
import { chart, type Findings, markdown } from "./report.ts";
import { FULL, PROGRAMS, QUICK, thousands, type Trial, trials } from "./trials.ts";

const USAGE = `Usage: deno task bench [options]
  --quick         few rows, one round: a trial of the benchmark itself, written to .cache/bench
  --rounds N      runs of each program (5, or 1 with --quick); figures are medians
  --only ID,…     these trials only, written to .cache/bench
  --long          measure memory over ten times the rows too; takes tens of GB of disk for a while
  --real FILE     play a recording (.parquet or .csv) too, as deno task replay does`;

const LONG_TIMES = 10;

interface Options {
  readonly quick: boolean;
  readonly rounds: number;
  readonly only: readonly string[];
  readonly long: boolean;
  readonly real: string | undefined;
}

/** Collects the runs of all trials. */
class Session {
  readonly results = new Map<string, Map<string, Run[]>>();
  readonly left: { name: string; reason: string }[] = [];
  readonly load: number[] = [];
  readonly #missing = new Set<Program>();

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

  /** Runs each program of a trial in turn, round by round. Throws if a table of ours is wrong. */
  async run(trial: Trial, topic: GeneratedTopic, rounds: number): Promise<void> {
    let broker: FilledBroker | undefined;
    try {
      if (trial.kafka) broker = await fillBroker(topic);
    } catch (error) {
      return this.#leave(trial.title, error);
    }
    const programs = new Map<string, Run[]>();
    const failed = new Set<Program>(this.#missing);
    try {
      for (let round = 0; round < rounds; round++) {
        for (const program of trial.programs.filter((program) => !failed.has(program))) {
          try {
            const run = await this.#runOne(trial, program, { topic, broker });
            programs.set(program.name, [...programs.get(program.name) ?? [], run]);
          } catch (error) {
            if (program === ours) throw error;
            failed.add(program);
            programs.delete(program.name);
            this.#leave(`${program.name}: ${trial.title}`, error);
          }
        }
      }
    } finally {
      await broker?.stop();
    }
    this.results.set(trial.id, programs);
  }

  async #runOne(
    { title, job }: Trial,
    program: Program,
    { topic, broker }: { topic: GeneratedTopic; broker: FilledBroker | undefined },
  ): Promise<Run> {
    const bootstrap = broker && { bootstrap: broker.bootstrap };
    const run = await program.run({ ...job, topic, ...bootstrap });
    const { watermark = "30 seconds" } = job;
    const { maxEventTime, reference } = topic;
    const fault = faultOf(run.windows, reference[job.model], { maxEventTime, watermark });
    if (fault !== undefined) throw new Error(`${program.name} gave another table: ${fault}`);
    this.load.push(Deno.loadavg()[0]!);
    const rate = Math.round(topic.rows / run.querySeconds);
    console.error(`${title}: ${program.name}: ${thousands(rate)} rows/s`);
    return run;
  }

  #leave(name: string, error: unknown): void {
    const reason = (error instanceof Error ? error.message : String(error)).split("\n").at(-1)!;
    this.left.push({ name, reason });
    console.error(`Left out: ${name}: ${reason}`);
  }
}

async function main(options: Options): Promise<void> {
  const { quick, rounds, only, long, real } = options;
  const sizes = quick ? QUICK : FULL;
  const place = { cache: CACHE, models: join(ROOT, "models") };
  await Deno.mkdir(CACHE, { recursive: true });
  const session = new Session();
  const listed = trials(sizes).filter(({ id }) => only.length === 0 || only.includes(id));
  await session.install(listed.flatMap(({ programs }) => programs));
  const done: Trial[] = [];
  const folder = quick || only.length > 0 ? CACHE : import.meta.dirname!;
  /** Runs a trial and writes all that is known so far: an interrupted run leaves its results. */
  async function play(trial: Trial, topic: GeneratedTopic, times = rounds): Promise<void> {
    await session.run(trial, topic, times);
    done.push(trial);
    const date = new Date().toISOString().slice(0, 10);
    await write(folder, { ...session, trials: done, rounds, date });
  }
  for (const trial of listed) await play(trial, await generateTopic(trial.topic, place));
  if (long) {
    const topic = await generateTopic({ rows: sizes.large, partitions: 3 }, place);
    const title = `logistic regression, ${thousands(LONG_TIMES * sizes.large)} rows in one batch`;
    const repeated = await repeatTopic(topic, LONG_TIMES);
    const { rows } = repeated;
    await play(
      { id: "long", title, programs: [ours], topic: { rows, partitions: 3 }, job: { model: "lr" } },
      repeated,
      1,
    );
    await Deno.remove(repeated.dir, { recursive: true });
  }
  if (real !== undefined) {
    const topic = await realTopic(real, place);
    const title = `logistic regression, ${thousands(topic.rows)} real rows`;
    await session.install(PROGRAMS);
    await play({ id: "real", title, programs: PROGRAMS, topic, job: { model: "lr" } }, topic);
  }
  show(goalsOf(session.results, done));
  console.log(`Written: ${join(folder, "RESULTS.md")}`);
}

async function write(folder: string, findings: Findings): Promise<void> {
  const report = join(folder, "RESULTS.md");
  await Deno.writeTextFile(report, markdown(findings));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", report], cwd: ROOT }).output();
  await Deno.writeTextFile(join(folder, "results.svg"), chart(findings));
}

function show(goals: readonly Goal[]): void {
  console.table(goals.map((goal) => ({
    figure: goal.figure,
    goal: goal.atLeast !== undefined
      ? `>= ${goal.atLeast}${goal.unit}`
      : `<= ${goal.atMost}${goal.unit}`,
    reached: `${goal.value.toFixed(2)}${goal.unit}`,
    met: isMet(goal),
  })));
}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      only: { type: "string" },
      long: { type: "boolean", default: false },
      real: { type: "string" },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new RangeError(`--rounds must be a whole number of at least 1, got ${values.rounds}`);
  }
  const only = values.only?.split(",") ?? [];
  const known = trials(FULL).concat(trials(QUICK)).map(({ id }) => id);
  const unknown = only.find((id) => !known.includes(id));
  if (unknown !== undefined) {
    throw new RangeError(`--only must name some of ${[...new Set(known)].join(", ")}`);
  }
  return { quick: values.quick, rounds, only, long: values.long, real: values.real };
}

if (import.meta.main) {
  let options: Options;
  try {
    options = readOptions(Deno.args);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    Deno.exit(2);
  }
  await main(options);
  Deno.exit(0);
}
