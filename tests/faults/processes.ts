/** Processes: two on one checkpoint, an owner killed, signals while a batch runs. */
import { equal, match } from "node:assert/strict";
import { join } from "node:path";
import { inspectCheckpoint } from "../../lab/inspect.ts";
import { startQuery } from "./in_process.ts";
import { SAME, undisturbedProgram } from "./kills.ts";
import { kpiArgs, placeIn, runKpi, startKpi } from "./program.ts";
import { readTables, sameTables } from "./tables.ts";
import { newTopic, ROWS, type SuiteOptions } from "./surroundings.ts";
import { hasLines, until } from "./until.ts";

/** Two processes on one checkpoint, and the owner killed. */
export async function lockSuite({ dir, table }: SuiteOptions): Promise<void> {
  const expected = await undisturbedProgram(join(dir, "lock-undisturbed"), ROWS);
  const place = placeIn(join(dir, "lock"));
  const { topic, sendRest } = await newTopic(place.dir);
  const owner = startKpi(kpiArgs(topic, place, ["--trigger", "50 milliseconds"]));
  await until(() => hasLines(place.progress, 1));
  const second = await startKpi(kpiArgs(topic, place)).ended;
  equal(second.code, 1, second.stderr);
  const pid = Number(await Deno.readTextFile(join(place.checkpoint, "lock")));
  match(second.stderr, new RegExp(`a running query holds .*process ${pid}`));
  table.add("a second process on a live checkpoint", "refused, the owner named");
  Deno.kill(pid, "SIGKILL"); // the query itself: its launcher ends with it
  equal((await owner.ended).code, 137);
  await sendRest();
  const third = await startKpi(kpiArgs(topic, place)).ended;
  equal(third.code, 0, third.stderr);
  match(third.stderr, new RegExp(`Took over .* from process ${pid}`));
  sameTables(await readTables(place), expected, ROWS);
  table.add("a stale lock, from a killed process", `taken over and said; ${SAME}`);
  const [a, b] = [startQuery(place), startQuery(place)];
  const results = await Promise.allSettled([a, b]);
  equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  for (const result of results) {
    if (result.status === "fulfilled") await result.value.awaitTermination();
    else match(result.reason.message, /a running query holds/);
  }
  table.add("two queries of one process at once", "one refused");
}

/** SIGINT and SIGTERM, once and twice, while a batch runs. */
export async function signalSuite({ dir, table }: SuiteOptions): Promise<void> {
  const expected = await undisturbedProgram(join(dir, "signal-undisturbed"), ROWS);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    for (const twice of [false, true]) {
      const place = placeIn(join(dir, `${signal}-${twice}`));
      const { topic, sendRest } = await newTopic(place.dir);
      const log = join(place.dir, "hangs");
      // An effect of batch 1 never ends: the batch is running whenever the signal comes.
      const env: Record<string, string> = twice
        ? { CRASH_AT: `${join("state", ".1.tmp")}:before`, CRASH_HOW: "hang", CRASH_LOG: log }
        : { CRASH_LOG: log };
      const options = kpiArgs(topic, place, ["--trigger", "50 milliseconds"]);
      const { process, ended } = startKpi(options, { crashes: true, env });
      await until(() => hasLines(twice ? log : place.progress, 1));
      process.kill(signal);
      if (twice) await until(() => endsOnSecond(process, signal, ended));
      equal((await ended).code, twice ? 1 : 0, (await ended).stderr);
      match((await ended).stderr, /Stopping after the running batch/);
      const { batches } = await inspectCheckpoint(place.checkpoint);
      equal(batches.at(-1)!.committed, !twice);
      await sendRest();
      await runKpi(kpiArgs(topic, place));
      sameTables(await readTables(place), expected, ROWS);
      table.add(
        `${signal}${twice ? " twice" : ""} while a batch runs`,
        `${twice ? "ends at once, code 1" : "ends after the batch, code 0"}; then ${SAME}`,
      );
    }
  }
}

/** Repeats the second signal, since one that comes too soon counts as the first; returns whether it has ended. */
async function endsOnSecond(
  process: Deno.ChildProcess,
  signal: Deno.Signal,
  ended: Promise<unknown>,
): Promise<boolean> {
  try {
    process.kill(signal);
  } catch {
    return true; // it has ended
  }
  const pause = new Promise((resolve) => setTimeout(() => resolve(false), 150));
  return await Promise.race([ended.then(() => true), pause]) as boolean;
}
