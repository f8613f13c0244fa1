import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import { MemorySink, openKpis, type OutputMode, ParquetSink } from "lib";
import {
  describeTakeover,
  planTakeover,
  readSparkBatches,
  type SparkBatch,
  takeOver,
} from "../../tools/spark/takeover.ts";
import { appendHalf, asSpark, makeTopics, ours, rowsOf, specFor } from "./topics.ts";

const at = (time: string) => Date.parse(`2024-01-01T${time}Z`);
const initial = { "0": 0 };
const earliest = { "0": 0 };

//         10:00     10:01     10:02     10:03
//         [---------)[---------)[---------)
// batch 0 .......x                            watermark after it 10:00:25
// batch 1 ..............x                     10:01:10
// batch 2 .......................x            10:02:15
// batch 3 .........................x          10:02:40; it evicts with 10:02:15: [10:02, 10:03) is open
const BATCHES: readonly SparkBatch[] = [
  { batchId: 0, end: { "0": 100 }, watermark: 0, planned: 0, next: at("10:00:25") },
  { batchId: 1, end: { "0": 200 }, watermark: at("10:00:25"), planned: 0, next: at("10:01:10") },
  { batchId: 2, end: { "0": 300 }, watermark: at("10:01:10"), planned: 0, next: at("10:02:15") },
  { batchId: 3, end: { "0": 400 }, watermark: at("10:02:15"), planned: 0, next: at("10:02:40") },
];
const PLANNED: SparkBatch = {
  ...{ batchId: 4, end: { "0": 500 }, watermark: at("10:02:40"), planned: 0, next: null },
};

Deno.test("a takeover reads from the first batch that can have rows of an open window", async () => {
  const spec = await specFor("topics", "lr", {});
  const plan = planTakeover(BATCHES, { spec, initial, earliest });
  deepEqual(plan.from, { "0": 200 }); // batches 0 and 1 have no event time past 10:01:40
  deepEqual(plan.end, { "0": 400 });
  equal(plan.batchId, 3);
  equal(plan.watermark, at("10:02:15"));
  equal(plan.nextWatermark, at("10:02:40"));
  equal(plan.incompleteBefore, null);
  equal(plan.planned, undefined);
});

Deno.test("a longer delay or window, a slide and complete mode need more of the topic", async () => {
  const cases: [object, number][] = [
    [{ watermark: "2 minutes" }, 0],
    [{ watermark: "1 minute" }, 100],
    [{ window: "5 minutes" }, 0],
    [{ slide: "30 seconds" }, 100],
    [{ outputMode: "update" }, 200],
    [{ outputMode: "complete" }, 0],
  ];
  for (const [changes, from] of cases) {
    const spec = await specFor("topics", "lr", changes);
    const plan = planTakeover(BATCHES, { spec, initial, earliest });
    deepEqual(plan.from, { "0": from }, JSON.stringify(changes));
  }
});

Deno.test("a takeover says which windows miss rows that the topic has lost", async () => {
  const spec = await specFor("topics", "lr", {});
  const kept = planTakeover(BATCHES, { spec, initial, earliest: { "0": 200 } });
  equal(kept.incompleteBefore, null); // what is lost was in closed windows only
  const lost = planTakeover(BATCHES, { spec, initial, earliest: { "0": 250 } });
  deepEqual(lost.from, { "0": 250 });
  equal(lost.incompleteBefore, at("10:02:45") + 1); // batch 2's watermark and the delay
  match(
    describeTakeover(lost, spec).join("\n"),
    /lost rows.*begin before 2024-01-01T10:02:45.001Z/,
  );
  const all = planTakeover(BATCHES, { spec, initial, earliest: { "0": 450 } });
  deepEqual(all.from, all.end);
  equal(all.incompleteBefore, at("10:03:10") + 1);
});

Deno.test("a batch that Spark planned and did not commit runs again", async () => {
  const spec = await specFor("topics", "lr", {});
  const plan = planTakeover([...BATCHES, PLANNED], { spec, initial, earliest });
  equal(plan.batchId, 3);
  deepEqual(plan.planned, PLANNED);
  match(describeTakeover(plan, spec).at(-1)!, /Batch 4 .* runs again.*_spark_metadata\/4/);
  throws(
    () => planTakeover([PLANNED], { spec, initial, earliest }),
    /Spark has committed no batch/,
  );
});

Deno.test("the batches of a checkpoint that Spark wrote over Kafka are read", async () => {
  const dir = join(import.meta.dirname!, "..", "checkpoint", "spark");
  const { batches, initial } = await readSparkBatches(dir);
  deepEqual(initial, { "0": 0, "1": 0, "2": 0 });
  const last = batches.at(-1)!;
  equal(last.batchId, batches.length - 1);
  equal(last.next, null); // Spark was stopped in the middle of it
  ok(batches.slice(0, -1).every(({ next }) => next !== null));
  const spec = await specFor("topics", "lr", {});
  const plan = planTakeover(batches, { spec, initial, earliest: initial });
  equal(plan.planned, last);
  ok(batches.some(({ end }) => JSON.stringify(end) === JSON.stringify(plan.from)));
  ok(plan.from["0"]! > 0 && plan.from["0"]! < plan.end["0"]!);
});

for (const outputMode of ["append", "update", "complete"] as const) {
  for (const planned of [false, true]) {
    const how = planned ? ", a batch planned" : "";
    Deno.test(`a taken over run gives the rows of one that never moved: ${outputMode}${how}`, () =>
      comparesTakeover(outputMode, planned));
  }
}

async function comparesTakeover(outputMode: OutputMode, planned: boolean): Promise<void> {
  const dir = await Deno.makeTempDir();
  await makeTopics(dir, []);
  const changes = { topic: "half", outputMode, maxOffsetsPerTrigger: 600 };
  const spec = await specFor(dir, "lr", changes);
  const uninterrupted = join(dir, "uninterrupted"), spark = join(dir, "spark");
  const before = await ours(spec, uninterrupted);
  await asSpark(uninterrupted, "half", spark);
  if (planned) await Deno.remove(join(spark, "commits", String(before.length - 1)));

  const checkpoint = join(dir, "taken-over");
  const lines: string[] = [];
  const given = { spark, checkpoint, sink: new MemorySink(), print: (l: string) => lines.push(l) };
  const plan = await takeOver(spec, given);
  equal(plan!.planned !== undefined, planned);
  equal(plan!.from["0"]! > 0, outputMode !== "complete");
  ok(lines.length >= 2);
  equal(await takeOver(spec, given), undefined); // a second start goes on from the checkpoint

  await appendHalf(dir, 1);
  const wanted = [...before, ...await ours(spec, uninterrupted)];
  const kept = planned ? before.slice(0, -1) : before;
  const found = [...kept, ...await ours(spec, checkpoint)];
  deepEqual(rowsOf(found), rowsOf(wanted));
  ok(rowsOf(wanted).length > rowsOf(before).length && rowsOf(before).length > 0);
  await Deno.remove(dir, { recursive: true });
}

Deno.test("a takeover refuses another topic or delay, a checkpoint of ours, and is told by the sink", async () => {
  const dir = await Deno.makeTempDir();
  await makeTopics(dir, []);
  const spec = await specFor(dir, "lr", { topic: "half", maxOffsetsPerTrigger: 600 });
  const mine = join(dir, "mine"), spark = join(dir, "spark");
  await ours(spec, mine);
  await asSpark(mine, "half", spark);
  const checkpoint = join(dir, "taken-over"), out = join(dir, "out");
  const print = () => {};
  const start = (spec_: typeof spec, from: string) =>
    takeOver(spec_, { spark: from, checkpoint, sink: new ParquetSink(out), print });
  await rejects(start(spec, mine), /Cannot take over .*it is no checkpoint of Spark's/);
  await rejects(
    start({ ...spec, watermark: "29 seconds" }, spark),
    /Is this its topic, and "29 sec/,
  );
  ok(!Array.from(Deno.readDirSync(checkpoint)).some(({ name }) => name === "metadata"));
  // One that was cut off while its parts were moved is begun anew.
  await Deno.rename(join(checkpoint, "takeover", "offsets"), join(checkpoint, "offsets"));
  await start(spec, spark);
  const { kpis, model } = await openKpis(spec);
  const query = await kpis.writeStream(new ParquetSink(out), {
    outputMode: "append",
    checkpointLocation: checkpoint,
    trigger: "available-now",
  });
  await query.awaitTermination(); // the sink is the query's own, although the query is not new
  await model.close();
  await Deno.remove(dir, { recursive: true });
});
