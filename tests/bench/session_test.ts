import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import { parseCommand } from "../../tools/command_line.ts";
import { BENCH } from "../../tools/dev/tasks.ts";
import { comparisonTable } from "../../bench/against.ts";
import type { GeneratedTopic } from "../../bench/generate.ts";
import { readOptions } from "../../bench/options.ts";
import { Progress } from "../../bench/progress.ts";
import type { Program } from "../../bench/programs.ts";
import { Session } from "../../bench/session.ts";
import { SHORT_TIMES, SLOW_ROUNDS, type Trial } from "../../bench/trials.ts";

const TOPIC: GeneratedTopic = {
  rows: 10,
  partitions: 1,
  dir: "",
  bytes: 1,
  maxEventTime: 120_000,
  reference: { lr: { "0": [10, 0, 0, 0, 0, 0] }, rf: {} },
};

/** A program that takes 1, 2, … seconds, and from a run on fails. */
function program(name: string, failsFrom = Infinity): Program & { runs: number } {
  return {
    name,
    runs: 0,
    install: () => Promise.resolve(),
    run() {
      if (++this.runs >= failsFrom) return Promise.reject(new Error("out of luck"));
      return Promise.resolve({
        ...{ wallSeconds: 1, cpuSeconds: 1, peakMiB: 1, largestMiB: 1, startedAt: 0, stdout: "" },
        ...{ querySeconds: this.runs, batchMs: [], firstCommitMs: null, version: "1" },
        windows: new Map([[0, [10, 0, 0, 0, 0, 0]]]),
      });
    },
  };
}

function trial(programs: readonly Program[], slow: readonly Program[] = []): Trial {
  return { id: "t", title: "ten rows", programs, slow, topic: TOPIC, job: { model: "lr" } };
}

async function inFolder(action: (file: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await action(join(dir, "runs.jsonl"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function open(file: string, { resume = false, of = "commit a" } = {}): Promise<Session> {
  const progress = new Progress(1);
  progress.say = () => {};
  return Session.open({ file, of, resume, rounds: 5, ours: ["ours"], progress });
}

function seconds(session: Session, name: string): number[] {
  return (session.results.get("t")?.get(name) ?? []).map(({ querySeconds }) => querySeconds);
}

Deno.test("a session that was cut off goes on with the runs it has, and with no others", () =>
  inFolder(async (file) => {
    const first = program("ours", 3);
    await rejects((await open(file)).run([trial([first, program("peer")]), TOPIC]), /out of luck/);
    const resumed = await open(file, { resume: true });
    const [again, peer] = [program("ours"), program("peer")];
    equal(resumed.isDone(trial([again, peer])), false);
    await resumed.run([trial([again, peer]), TOPIC]);
    deepEqual([again.runs, peer.runs], [3, 3]); // two of five were there
    deepEqual(seconds(resumed, "ours"), [1, 2, 1, 2, 3]);
    ok(resumed.isDone(trial([again, peer])));
    await rejects(
      open(file, { resume: true, of: "commit b" }),
      /runs of commit a, not of commit b/,
    );
    equal(seconds(await open(file), "ours").length, 0);
  }));

Deno.test("slow programs run in fewer rounds; a peer that fails is left out with its reason", () =>
  inFolder(async (file) => {
    const session = await open(file);
    const [ours, slow, broken] = [program("ours"), program("slow"), program("broken", 2)];
    await session.run([trial([ours, slow, broken], [slow]), TOPIC]);
    deepEqual([ours.runs, slow.runs, broken.runs], [5, SLOW_ROUNDS, 2]);
    equal(seconds(session, "broken").length, 0);
    deepEqual(session.left, [{ name: "broken: ten rows", reason: "out of luck" }]);
  }));

Deno.test("trials that are compared run in turn, and short ones in more rounds", () =>
  inFolder(async (file) => {
    const session = await open(file);
    const [ours, peer] = [program("ours"), program("peer")];
    const few = { ...trial([ours]), id: "few", isShort: true };
    await session.run([few, TOPIC], [trial([peer, ours]), TOPIC]);
    const runs = (await Deno.readTextFile(file)).split("\n").slice(1, -1).map((line) => {
      const { trial, program } = JSON.parse(line);
      return `${trial} ${program}`;
    });
    deepEqual(runs.slice(0, 6), [
      ...["few ours", "t peer", "t ours"],
      ...["few ours", "t peer", "t ours"],
    ]);
    equal(runs.filter((run) => run === "t ours").length, 5);
    equal(runs.filter((run) => run === "few ours").length, 5 * SHORT_TIMES);
  }));

Deno.test("a wrong table of ours ends the session", () =>
  inFolder(async (file) => {
    const other = { ...TOPIC, reference: { lr: { "0": [9, 0, 0, 0, 0, 0] }, rf: {} } };
    const session = await open(file);
    await rejects(session.run([trial([program("ours")]), other]), /ours gave another table/);
  }));

Deno.test("two checkouts are compared round by round", () =>
  inFolder(async (file) => {
    const session = await open(file);
    const [here, there] = [program("here"), program("there")];
    there.runs = 5; // 6 to 10 seconds
    await session.run([trial([here, there]), TOPIC]);
    const [, , row] = comparisonTable(session.results, [trial([])], ["here", "there"]).split("\n");
    equal(row, "| ten rows | 3.00 s (1.00 – 5.00) | 8.00 s (6.00 – 10.0) | 0.38× (0.17 – 0.50) |");
  }));

Deno.test("the bench's options are checked before anything runs", () => {
  const read = (...args: string[]) => readOptions(parseCommand(BENCH, args).values);
  deepEqual([read("--quick").rounds, read().rounds, read("--rounds", "2").rounds], [1, 5, 2]);
  deepEqual(read("--only", "kafka,fast").only, ["kafka", "fast"]);
  equal(read("--straight").start, "straight");
  throws(() => read("--only", "kafak"), /--only should name some of .*, got "kafak"/);
  throws(() => read("--against", "/a", "--only", "lr-large"), /lr-log, lr-kafka, rf-log, rf-kafka/);
  throws(() => read("--rounds", "0"), /--rounds should be a whole number of at least 1/);
});
