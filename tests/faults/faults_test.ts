/** The short run of the fault harness; `deno task faults` is the long one. */
import { equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { WAYS } from "./campaign.ts";
import { type CampaignShares, campaignSuite } from "./campaign_suite.ts";
import { damageSuite, mishapSuite } from "./files.ts";
import type { Effect } from "./effects.ts";
import { canMount, diskSuite } from "./disks.ts";
import { effectsOf, runQuery } from "./in_process.ts";
import { inProcessSuite } from "./in_process_suite.ts";
import { JsonlSink } from "../../tools/kpi/jsonl_sink.ts";
import { killSuite, TOO_LATE } from "./kills.ts";
import { poisonSuite } from "./poison.ts";
import { FaultTable, logTopic, placeIn, transactions } from "./program.ts";
import { lockSuite, signalSuite } from "./processes.ts";
import { changeSuite, clockSuite, deletedSuite, retentionSuite } from "./surroundings.ts";

const SEED = 20240101;
const table = new FaultTable();

function faultTest(name: string, suite: (dir: string) => Promise<void>, ignore = false): void {
  Deno.test({
    name,
    ignore,
    async fn() {
      const dir = await Deno.makeTempDir({ prefix: "faults-" });
      await suite(dir); // what failed stays there to be looked at
      await Deno.remove(dir, { recursive: true });
    },
  });
}

faultTest(
  "kill -9 loses and doubles nothing, at a step, at a random time, twice in a row",
  async (dir) => {
    await killSuite({ dir, table, seed: SEED, share: 0.14, random: 6, twice: 5 });
    const kills = table.tried(/^kill/, TOO_LATE);
    ok(kills >= 30, `${kills} kills`);
  },
);

faultTest(
  "ends at effects of queries with settings drawn at random lose and double nothing",
  (dir) => {
    const shares = Object.fromEntries(
      WAYS.map((way, i) => [way, i === 0 ? 1 : 0]),
    ) as CampaignShares;
    return campaignSuite({ dir, table, seed: SEED, kills: 60, shares });
  },
);

faultTest(
  "a crash or an error at a step loses and doubles nothing, for all sinks and modes",
  (dir) => inProcessSuite({ dir, table, seed: SEED, share: 0.04 }),
);

faultTest(
  "a torn or changed file of the checkpoint is refused and named",
  (dir) => damageSuite({ dir, table, step: 13 }),
);

faultTest(
  "a missing, renamed or swapped file is refused and named, or changes nothing",
  (dir) => mishapSuite({ dir, table, share: 0.4, seed: SEED }),
);

faultTest(
  "a second process on a checkpoint is refused, a stale lock taken over",
  (dir) => lockSuite({ dir, table }),
);

faultTest(
  "a folder that is gone is noticed at the next write and at the next start",
  (dir) => deletedSuite({ dir, table }),
);

faultTest(
  "a clock set back and daylight saving time change nothing",
  (dir) => clockSuite({ dir, table }),
);

faultTest(
  "a changed query is refused with the difference, changed settings are recorded",
  (dir) => changeSuite({ dir, table }),
);

faultTest(
  "SIGINT and SIGTERM end after the running batch, a second one at once",
  (dir) => signalSuite({ dir, table }),
);

faultTest(
  "a checkpoint keeps its size over many batches",
  (dir) => retentionSuite({ dir, table }, 200),
);

faultTest(
  "20,000 poisoned messages are accounted for",
  (dir) => poisonSuite({ dir, table, seed: SEED }, 20_000),
);

const hasDisks = await canMount();
if (!hasDisks) {
  console.warn(
    "\n*** THE TESTS WITH FULL DISKS ARE SKIPPED: they need root on Linux, to mount them ***\n",
  );
}
faultTest(
  "a full or read-only disk fails the query, which goes on when there is room",
  (dir) => diskSuite({ dir, table }, 16),
  !hasDisks,
);

faultTest(
  "every rename is between the sync of its file and the sync of its folder",
  async (dir) => {
    const place = placeIn(dir);
    await logTopic(join(dir, "topics")).send(transactions(0, 300));
    const effects = await effectsOf(() => runQuery(place));
    const renames = effects.flatMap(({ name }, i) => name === "rename" ? [i] : []);
    ok(renames.length > 20);
    for (const i of renames) {
      const [sync, { path }, folder] = effects.slice(i - 1, i + 2) as [Effect, Effect, Effect];
      const temporary = join(path, "..", `.${path.split("/").at(-1)}.tmp`);
      equal(`${sync.name} ${sync.path}`, `sync ${temporary}`);
      equal(`${folder.name} ${folder.path} ${folder.isFolder}`, `sync ${join(path, "..")} true`);
    }
    const names = renames.map((i) => effects[i]!.path.slice(dir.length + 1));
    const places = [
      "checkpoint/offsets/1",
      "out/part-000000001.parquet",
      "rejected/part-000000001.parquet",
      "checkpoint/state/1",
      "checkpoint/commits/1",
      "checkpoint/offsets/2",
    ];
    const order = places.map((place) => names.indexOf(place));
    ok(order.every((at, i) => at > (order[i - 1] ?? -1)), `${places} are at ${order}`);
  },
);

faultTest("every folder made is made durable, and so is the name of a jsonl file", async (dir) => {
  const place = placeIn(join(dir, "new", "folder"));
  await logTopic(join(place.dir, "topics")).send(transactions(0, 300));
  const [file, made] = [join(place.dir, "out.jsonl"), join(place.dir, "deep", "er", "checkpoint")];
  const effects = await effectsOf(() =>
    runQuery({ ...place, checkpoint: made }, { sink: new JsonlSink(file) })
  );
  const synced = (path: string, from: number) =>
    effects.slice(from).some((effect) => effect.name === "sync" && effect.path === path);
  const folders = effects.flatMap(({ name, path }, i) => name === "mkdir" ? [{ path, i }] : []);
  ok(folders.some(({ path }) => path === join(place.dir, "deep")));
  for (const { path, i } of folders) ok(synced(join(path, ".."), i), `${path} is not durable`);
  const created = effects.findIndex(({ name, path }) => name === "create" && path === file);
  const firstRows = effects.findIndex(({ name, path }) => name === "write" && path === file);
  ok(created >= 0 && created < firstRows);
  const between = effects.slice(created, firstRows);
  ok(
    between.some(({ name, path }) => name === "sync" && path === place.dir),
    `${file} is not durable`,
  );
});

Deno.test("the faults that were tried", () => console.log(`\n${table}`));
