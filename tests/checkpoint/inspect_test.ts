import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeInspection, inspectCheckpoint } from "../../lab/inspect.ts";
import { runQuery } from "../faults/in_process.ts";
import { logTopic, placeIn, transactions } from "../faults/program.ts";

/** Left by Spark 3.5 and its Kafka source, stopped in the middle of batch 19; without its state. */
const SPARK = fileURLToPath(new URL("./spark", import.meta.url));

Deno.test("inspectCheckpoint() reads a checkpoint that Spark wrote", async () => {
  const found = await inspectCheckpoint(SPARK);
  equal(found.writtenBy, "Spark");
  equal(found.queryId, "72545cf1-4fd7-44b6-826c-ceda95269000");
  deepEqual(found.initialOffsets, { transactions: { "2": 0, "1": 0, "0": 0 } });
  equal(found.batches.length, 20);
  equal(found.batches.filter(({ committed }) => !committed).length, 1);
  deepEqual(found.batches[1]!.end, [{ transactions: { "2": 10479, "1": 10790, "0": 10438 } }]);
  equal(found.batches[1]!.nextWatermark, new Date(1795401459278).toISOString());
  deepEqual([found.restart!.batchId, found.restart!.rerun], [19, true]);
  deepEqual([found.problems, found.settingsChanges, found.openWindows], [[], [], null]);
  const text = describeInspection(found);
  match(text, /written by Spark\n/);
  match(text, /20 planned \(0 to 19\), 19 of them committed/);
  match(text, /A restart runs batch 19 again, with the same offsets/);
});

Deno.test("inspectCheckpoint() tells open windows, rows and changed settings", async () => {
  const place = placeIn(await Deno.makeTempDir());
  const topic = logTopic(join(place.dir, "topics"));
  await topic.send(transactions(0, 300));
  await runQuery(place);
  await topic.send(transactions(300, 400));
  await runQuery(place, { watermark: "1 minute", threshold: 0.75 });
  const found = await inspectCheckpoint(place.checkpoint);
  deepEqual([found.writtenBy, found.problems, found.lockedBy], ["this program", [], null]);
  const { read, counted, late, rejected, open } = found.rows!;
  deepEqual([read, counted + late + rejected + open], [400, 400]);
  equal(found.openWindows!.reduce((sum, { rows }) => sum + rows, 0), open);
  deepEqual(found.settingsChanges.map(({ setting }) => setting), ["watermark.delay", "columns"]);
  const last = found.batches.at(-1)!.batchId;
  deepEqual([found.restart!.batchId, found.restart!.rerun], [last + 1, false]);
  const text = describeInspection(found);
  match(text, /watermark.delay is 1 minute; it was 30 seconds/);
  match(text, /columns is .*0\.75.*; it was .*0\.5/);
  match(text, /Rows: 400 read = \d+ counted \+ \d+ late \+ \d+ rejected \+ \d+ open/);

  await Deno.remove(join(place.checkpoint, "commits", String(last)));
  const cutOff = await inspectCheckpoint(place.checkpoint);
  deepEqual([cutOff.restart!.batchId, cutOff.restart!.rerun], [last, true]);
  await Deno.writeTextFile(join(place.checkpoint, "offsets", String(last)), "v1\n{}");
  const torn = await inspectCheckpoint(place.checkpoint);
  equal(torn.restart, null);
  match(torn.problems[0]!, new RegExp(`offsets/${last}": its checksum does not match`));
  match(describeInspection(torn), /A restart is refused/);
  await Deno.remove(place.dir, { recursive: true });
});

Deno.test("inspectCheckpoint() says that a folder is no checkpoint", async () => {
  await rejects(inspectCheckpoint("."), /"\." is no checkpoint: it has no file "metadata"/);
});
