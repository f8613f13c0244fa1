import { deepEqual, equal, notDeepEqual } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { faultOf } from "../../bench/check.ts";
import { generateTopic } from "../../bench/generate.ts";
import { groupTopic } from "../../bench/groups.ts";
import { ours } from "../../bench/ours.ts";
import { referenceTable } from "../../bench/reference.ts";

const models = fileURLToPath(new URL("../../models", import.meta.url));

async function inFolders<T>(action: (caches: readonly [string, string]) => Promise<T>): Promise<T> {
  const caches = [await Deno.makeTempDir(), await Deno.makeTempDir()] as const;
  try {
    return await action(caches);
  } finally {
    for (const cache of caches) await Deno.remove(cache, { recursive: true });
  }
}

async function textsOf(folder: string): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
  return await Promise.all(names.map((name) => Deno.readTextFile(join(folder, name))));
}

Deno.test("generateTopic() gives the same bytes for a seed, the same rows in both layouts, and other ones for another seed", () =>
  inFolders(async ([first, second]) => {
    const options = { rows: 700, partitions: 3, rowsPerFile: 200 };
    const a = await generateTopic(options, { cache: first, models });
    const b = await generateTopic(options, { cache: second, models });
    const log = await textsOf(join(a.dir, "transactions"));
    deepEqual(await textsOf(join(b.dir, "transactions")), log);
    const files = await textsOf(join(a.dir, "batches"));
    deepEqual(files.map((text) => text.trimEnd().split("\n").length), [200, 200, 200, 100]);
    const rows = (texts: readonly string[]) => texts.join("").trimEnd().split("\n").sort();
    deepEqual(rows(log), rows(files));
    const other = await generateTopic({ ...options, seed: 2 }, { cache: first, models });
    notDeepEqual(await textsOf(join(other.dir, "transactions")), log);
  }));

Deno.test("the KPI query, a plain group-by and the generator count the same windows of 20,000 rows", () =>
  inFolders(async ([cache]) => {
    const topic = await generateTopic({ rows: 20_000, partitions: 3 }, { cache, models });
    for (const model of ["lr", "rf"] as const) {
      const reference = await referenceTable(join(topic.dir, "transactions"), { model, models });
      deepEqual(reference, topic.reference[model]);
      const { windows } = await ours.run({ topic, model });
      const { maxEventTime } = topic;
      equal(faultOf(windows!, reference, { maxEventTime, watermark: "30 seconds" }), undefined);
    }
  }));

Deno.test("groupTopic() gives the first rows a window and merchant each, the others one of these", () =>
  inFolders(async ([cache]) => {
    const topic = await generateTopic({ rows: 1_000, partitions: 3 }, { cache, models });
    const { dir } = await groupTopic(topic, 200);
    const logs = await textsOf(join(dir, "transactions"));
    const rows = logs.map((text) => text.trimEnd().split("\n").map((line) => JSON.parse(line)));
    const groupOf = (row: { event_time: string; merchant: string }) =>
      `${Math.floor(Date.parse(row.event_time) / 60_000)} ${row.merchant}`;
    equal(new Set(rows.flat().map(groupOf)).size, 200);
    const first = rows.flatMap((rows, p) => rows.filter((_, i) => 3 * i + p < 200));
    equal(new Set(first.map(groupOf)).size, first.length);
    equal(rows.flat().length, 1_000);
    const [before] = await textsOf(join(topic.dir, "transactions"));
    const { event_time: _, merchant, ...kept } = rows[0]![0];
    const { event_time: _time, ...was } = JSON.parse(before!.split("\n")[0]!);
    deepEqual([typeof merchant, kept], ["string", was]);
  }));

Deno.test("faultOf() names a final window that is missing and one with other counts", () => {
  const reference = { "0": [2, 1, 1, 1, 0, 0], "60000": [3, 0, 0, 0, 0, 0] };
  const limits = { maxEventTime: 100_000, watermark: "30 seconds" };
  const table = (entries: readonly (readonly [number, readonly number[]])[]) => new Map(entries);
  const good = [0, [2, 1, 1, 1, 0, 0]] as const;
  equal(faultOf(table([good]), reference, limits), undefined);
  equal(faultOf(table([]), reference, limits), "1 final windows are missing, the first at 0");
  equal(
    faultOf(table([[0, [2, 1, 1, 1, 0, 1]]]), reference, limits),
    "the window at 0 has 2,1,1,1,0,1, not 2,1,1,1,0,0",
  );
  equal(
    faultOf(table([good, [120_000, [1]]]), reference, limits),
    "the window at 120000 has 1, not undefined",
  );
});
