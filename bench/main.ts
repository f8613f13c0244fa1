/**
 * `deno task bench`: draws topics, runs this project and its peers over the same bytes in turn, checks
 * that all give the same window table, and writes `bench/RESULTS.md` and `bench/results.svg`.
 */
import { join } from "node:path";
import { runCommand } from "../tools/command_line.ts";
import { BENCH } from "../tools/dev/tasks.ts";
import { comparisonTable } from "./against.ts";
import { chart } from "./chart.ts";
import { type GeneratedTopic, generateTopic } from "./generate.ts";
import { type Goal, goalsOf, isMet } from "./goals.ts";
import { groupTopic } from "./groups.ts";
import { repeatTopic } from "./long.ts";
import { type Options, readOptions } from "./options.ts";
import { kpi, ours, STARTS } from "./ours.ts";
import { Progress } from "./progress.ts";
import { CACHE, type Program, ROOT } from "./programs.ts";
import { realTopic } from "./real.ts";
import { type Findings, markdown } from "./report.ts";
import { roundsOf, Session } from "./session.ts";
import { comparisons, FULL, PROGRAMS, QUICK, thousands, type Trial, trials } from "./trials.ts";

const LONG_TIMES = 10;
const PLACE = { cache: CACHE, models: join(ROOT, "models") };

/** Measures this project and its peers. */
async function bench(options: Options): Promise<void> {
  const { quick, rounds, only, long, real, start } = options;
  const sizes = quick ? QUICK : FULL;
  const listed = trials(sizes).filter(({ id }) => only.length === 0 || only.includes(id))
    .map((trial) => ({ ...trial, programs: trial.programs.map(started) }));
  const whole = { rows: sizes.large, partitions: 3, features: true };
  const rows = LONG_TIMES * sizes.large;
  const longTrial: Trial = {
    id: "long",
    title: `logistic regression, ${thousands(rows)} rows in one batch`,
    programs: [started(ours)],
    topic: { rows, partitions: 3 },
    job: { model: "lr" },
  };
  /** The program as the options start it. */
  function started(program: Program): Program {
    return program === ours && start !== "task" ? kpi(ours.name, { start }) : program;
  }
  const all = [...listed, ...long ? [longTrial] : []];
  const session = await open(options, all, { ours: [ours.name], name: "runs" });
  await session.install(all.flatMap(({ programs }) => programs));
  const findings = (done: readonly Trial[]): Findings => ({
    results: session.results,
    trials: done,
    rounds,
    left: session.left,
    date: new Date().toISOString().slice(0, 10),
    start: `deno ${STARTS[start].join(" ")}`,
  });
  const done: Trial[] = [];
  for (const series of Map.groupBy(listed, ({ id, series }) => series ?? id).values()) {
    const isDone = series.every((trial) => session.isDone(trial));
    if (!isDone) await session.run(...await Array.fromAsync(series, turnOf));
    done.push(...series);
    await write(CACHE, findings(done)); // a run that is cut off leaves what it has
  }
  if (long) {
    if (!session.isDone(longTrial)) {
      const repeated = await repeatTopic(await generateTopic(whole, PLACE), LONG_TIMES);
      await session.run([longTrial, repeated]);
      await Deno.remove(repeated.dir, { recursive: true });
    }
    done.push(longTrial);
  }
  if (real !== undefined) {
    const topic = await realTopic(real, PLACE);
    const title = `logistic regression, ${thousands(topic.rows)} real rows`;
    const programs = PROGRAMS.map(started);
    await session.install(programs);
    const trial: Trial = { id: "real", title, programs, topic, job: { model: "lr" } };
    await session.run([trial, topic]);
    done.push(trial);
  }
  const isWhole = !quick && only.length === 0 && start === "task";
  const folder = isWhole ? import.meta.dirname! : CACHE;
  await write(folder, findings(done));
  show(goalsOf(session.results, done));
  console.log(`Written: ${join(folder, "RESULTS.md")}`);
}

/** Draws the topic of a trial, unless it is there. */
async function turnOf(trial: Trial): Promise<readonly [Trial, GeneratedTopic]> {
  const drawn = await generateTopic(trial.topic, PLACE);
  const { groups } = trial.job;
  return [trial, groups === undefined ? drawn : await groupTopic(drawn, groups)];
}

/** Compares this checkout with another in alternating rounds. */
async function compare(options: Options, root: string): Promise<void> {
  const { quick, only, start } = options;
  const names = ["this checkout", root] as const;
  const programs = [kpi(names[0], { start }), kpi(names[1], { start, root })];
  const listed = comparisons(quick ? QUICK : FULL, programs)
    .filter(({ id }) => only.length === 0 || only.includes(id));
  for (const program of programs) await program.install();
  const session = await open(options, listed, { ours: names, name: "against" });
  for (const trial of listed) {
    if (!session.isDone(trial)) await session.run([trial, await generateTopic(trial.topic, PLACE)]);
    const table = comparisonTable(session.results, listed, names);
    await Deno.writeTextFile(join(CACHE, "against.md"), `${table}\n`);
  }
  console.log(comparisonTable(session.results, listed, names));
  console.log(`Written: ${join(CACHE, "against.md")}`);
}

async function open(
  { quick, start, resume, rounds, against = "" }: Options,
  listed: readonly Trial[],
  { ours, name }: { readonly ours: readonly string[]; readonly name: string },
): Promise<Session> {
  const of = [await commit(ROOT), quick ? "quick" : "full", start];
  if (against) of.push(`against ${await commit(against)} in ${against}`);
  const total = listed.flatMap((trial) =>
    trial.programs.map((program) => roundsOf(trial, program, rounds))
  ).reduce((sum, count) => sum + count, 0);
  return await Session.open({
    ...{ resume, rounds, ours, of: of.join(", ") },
    file: join(CACHE, `${name}.jsonl`),
    progress: new Progress(total),
  });
}

/** The commit of a checkout, and whether its files are others. */
async function commit(root: string): Promise<string> {
  const args = ["-C", root, "describe", "--always", "--abbrev=12", "--dirty"];
  const { success, stdout } = await new Deno.Command("git", { args }).output();
  return success ? new TextDecoder().decode(stdout).trim() : "an unknown commit";
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

if (import.meta.main) {
  const code = await runCommand(BENCH, Deno.args, async ({ values }) => {
    const options = readOptions(values);
    await (options.against ? compare(options, options.against) : bench(options));
  });
  Deno.exit(code);
}
