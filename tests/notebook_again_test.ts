// Runs cells of the report again as readers do: after a mistake, an interrupt, a restart of the kernel, in the live pace.
import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import pl from "polars";
import { ROOT } from "../tools/jupyter/env.ts";
import { makeKeyedTopic } from "./kpi/keyed_topic.ts";
import { errorsOf, openNotebook, type Step } from "./notebook_play.ts";

/** The cells that say what the others use. */
const BEGIN = ["imports", "answer", "parameters", "paths", "model", "topic"];
const QUERY = ["stream", "kpis", "start", "runner"];

const folder = await Deno.makeTempDir();
const recording = join(folder, "recording.parquet");
const rows = pl.readParquet(join(ROOT, "data", "transactions_60k.parquet")).head(9000);
await Deno.writeFile(recording, rows.writeParquet());
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const given = { folder, recording, offsetsPerTrigger: 750 };
const { play, change } = await openNotebook("task_d.ipynb", "TASK_D_PARAMETERS", given);

/** Interrupts the kernel when the query that writes the tables has made so many batches more. */
function interruptAt(batches: number): Step {
  return {
    code: `{
      let left = ${batches};
      const { update } = view.LiveArrival.prototype;
      view.LiveArrival.prototype.update = function (...batch) {
        if (--left === 0) Deno.kill(Deno.pid, "SIGINT");
        return update.apply(this, batch);
      };
    }`,
  };
}

Deno.test("Run All after a mistake keeps nothing of the run before; a recording that is not there reads no old topic", async () => {
  const wrong = change({ watermarks: ["30 secs", "2 minutes"], treshold: 1 });
  const gone = change({ recording: "gone.parquet" });
  const shown = await play(["all", wrong, "all", "restart", gone, "all"]);
  const [whole, after, missing] = [shown[0]!, shown[2]!, shown[5]!];
  equal(whole.check!.text.trim().split("\n").at(-1), "TASK D COMPLETE");
  match(whole.answer!.text, /Waiting 30 seconds.*Waiting 2 minutes.*The restart/s);
  match(
    after.parameters!.error,
    /watermarks\[0\] should be a duration.*; treshold is no parameter/,
  );
  match(
    missing.parameters!.error,
    /recording should be a \.parquet or \.csv file that exists/,
  );
  for (const shown of [after, missing]) {
    match(shown.answer!.text, /^\*\*Nothing is shown here\.\*\* There are no valid parameters/);
    match(shown.check!.error, /not complete\. There are no valid parameters/);
    for (const { text } of Object.values(shown)) doesNotMatch(text, /TASK D COMPLETE|Waiting \d/);
  }
  for (const id of ["common", "analysis", "finality", "deliverables"]) {
    match(after[id]!.text, /Nothing is shown here/, id);
  }
});

Deno.test("a cell with a syntax error, which never runs, leaves nothing of the run before", async () => {
  const broken = (edit: string): Step[] => [{ edit, code: "const broken = (;" }, "all"];
  const mended = (edit: string): Step => ({ edit, code: null });
  const cells = ["kpis", "runner", "checkpoint-query", "experiment-1", "parameters"];
  const steps = cells.flatMap((cell) => [...broken(cell), mended(cell)]);
  const shown = await play(["all", ...steps], { watermarks: ["30 seconds"] });
  match(shown[0]!.check!.text, /TASK D COMPLETE/);
  const missing = [
    /windowKpis is not made yet: run section "4\. /,
    /runExperiments is not made yet: run section "4\. /,
    /runTest is not made yet: run section "9\. /,
    /Experiment 30s is not made yet: run section "5\. /,
    /There are no valid parameters/,
  ];
  cells.forEach((cell, i) => {
    const after = shown[2 + 3 * i]!;
    ok(after[cell]!.error !== "", cell);
    match(after.check!.error, missing[i]!, cell);
    match(after.answer!.text, /^\*\*Nothing is shown here\.\*\*/, cell);
  });
});

Deno.test("after a change only what was made anew counts; one more experiment by hand joins the page", async () => {
  const changed = [change({ watermarks: ["45 seconds", "10 seconds"] }), "parameters"];
  const steps: Step[] = ["all", ...changed, "experiment-1", "common", "deliverables", "check"];
  const more = { code: 'await runExperiment("1 minute")' };
  const shown = await play([...steps, "all", more, "common", "metrics", "deliverables", "check"]);
  const old = shown[steps.length - 1]!;
  match(old.common!.text, /Experiment 10s is not made yet: run section "6\. Experiment 2 and on"/);
  match(
    old.answer!.text,
    /The model was made with other parameters \(watermarks was \["30 seconds"/,
  );
  match(old.check!.error, /not complete/);
  const joined = shown.at(-1)!;
  equal(errorsOf(joined).join(), "");
  match(
    joined.common!.text,
    /window_start +45 seconds +10 seconds +1 minute +lost by waiting 10 seconds/,
  );
  match(joined.metrics!.text, /\n45 seconds.*\n10 seconds.*\n1 minute/);
  match(joined.answer!.text, /Waiting 45 seconds.*Waiting 10 seconds.*Waiting 1 minute/s);
});

Deno.test("the topic cell can be run again once what failed is mended", async () => {
  const broken = join(folder, "broken.parquet");
  await Deno.writeTextFile(broken, "no parquet");
  const mend = { code: `await Deno.copyFile(${JSON.stringify(recording)}, "${broken}");` };
  const shown = await play([...BEGIN, mend, "topic", "topic"], {
    recording: broken,
    topic: "mended",
  });
  match(shown[BEGIN.length - 1]!.topic!.error, /Cannot read the recording/);
  match(shown.at(-2)!.topic!.text, /9,000 messages from/);
  match(shown.at(-1)!.topic!.text, /9,000 messages from .*, published before/);
});

Deno.test("an interrupted run is called so, and resume goes on from its checkpoint after a kernel restart", async () => {
  const steps: Step[] = [...BEGIN, ...QUERY, "experiment-2", interruptAt(4)];
  const cut: Step[] = ["experiment-1", "lost", "common", "check"];
  const resume = { code: 'await runExperiment("30 seconds", { resume: true })' };
  const again: Step[] = [
    "restart",
    ...BEGIN,
    ...QUERY,
    resume,
    "experiment-2",
    "comparability",
    "lost",
  ];
  const shown = await play([...steps, ...cut, ...again]);
  const interrupted = shown[steps.length + cut.length - 1]!;
  match(
    interrupted["experiment-1"]!.text,
    /Watermark 30 seconds INTERRUPTED after [\d,]+ of 9,000 rows/,
  );
  match(interrupted.lost!.text, /30 seconds \(interrupted after [\d,]+ of 9,000 rows\): /);
  match(interrupted.common!.text, /Nothing is shown here.*Experiment 30s was interrupted after/);
  match(interrupted.check!.error, /Experiment 30s was interrupted after/);
  const resumed = shown.at(-1)!;
  match(resumed.comparability!.text, /All runs read the same 9,000 rows in the same 13 batches/);
});

Deno.test("experiments see a live stream side by side, the restart loses nothing while rows come in, and all runs twice", async () => {
  const shown = await play(["all", "topic", "all"], {
    pace: "live",
    speed: 60,
    runSeconds: 2,
    recording,
  });
  for (const live of [shown[0]!, shown.at(-1)!]) {
    equal(errorsOf(live).join(), "");
    match(
      live.comparability!.text,
      /All runs read the same [\d,]+ rows side by side, as they came/,
    );
    match(live.answer!.text, /\*\*The restart\.\*\* Batch \d+.* nothing was lost or counted twice/);
    match(live["checkpoint-analysis"]!.text, /more came in while the query was down or ran again/);
    match(live["what-if"]!.text, /^At 30 seconds and 0\.23: n_txn \d+, /);
    match(live.check!.text, /TASK D COMPLETE/);
  }
});

Deno.test("windows that overlap and tiny topics: sentences and sums are right", async () => {
  const topic = join(folder, "data", "topics", "tiny");
  await Deno.mkdir(topic, { recursive: true });
  await Deno.writeTextFile(join(topic, "partition-0.jsonl"), "");
  const own = { recording: null, topic: "tiny", watermarks: ["30 seconds"], slide: null };
  const shown = await play(["all", change(own), "all"], {
    window: "45 seconds",
    slide: "30 seconds",
  });
  const [overlapping, empty] = [shown[0]!, shown.at(-1)!];
  equal(errorsOf(overlapping).join(), "");
  match(overlapping.accounting!.text, /= 13,500 counts of 9,000 rows/);
  match(overlapping["kpi-tables"]!.text, /10:00:30 +10:01:15/);
  for (const { text } of Object.values(overlapping)) {
    doesNotMatch(text, /one-minute|0 windows\b.*late/);
  }
  equal(errorsOf(empty).join(), "");
  match(empty["experiment-2"]!.text, /^There is one watermark/);
  match(empty.answer!.text, /^\*\*The topic is empty\.\*\*/);
  ok(!/NaN|undefined|Infinity/.test(JSON.stringify(empty)));
});

Deno.test("with keys each window is counted by them too, and the rest of the page adds them up", async () => {
  await makeKeyedTopic(join(folder, "data", "topics"), "keyed", 6000);
  const keys = ["merchant:string", "country:integer"];
  const [shown] = await play(["all"], { keys, recording: null, topic: "keyed" });
  deepEqual(errorsOf(shown!), []);
  match(shown!.check!.text, /TASK D COMPLETE/);
  const lines = shown!["by-key-tables"]!.text.split("\n").map((line) => line.trim());
  match(lines[0]!, /^Final windows by merchant and country, watermark 30 seconds/);
  ok(lines.some((line) => /^and \d+ others /.test(line)));
  ok(lines.some((line) => /^no merchant · \d /.test(line)));
  ok(lines.some((line) => /^grocer · no country /.test(line)));
  match(shown!["by-key-chart"]!.text, /grocer · \d has [\d,]+ of [\d,]+ transactions/);
  match(shown!["experiment-1"]!.text, /open groups \d+/);
  match(shown!.deliverables!.text, /final windows, of 13 columns: .* in \d+ groups/);
});
