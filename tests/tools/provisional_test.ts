import { deepEqual, equal, match, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import pl from "polars";
import { readParquetFolder } from "lib";
import { kpiArgs, logTopic, placeIn, ROOT, transactions } from "../faults/program.ts";

const place = placeIn(await Deno.makeTempDir({ prefix: "provisional-" }));
const topic = logTopic(join(place.dir, "topics"));
const dir = join(place.dir, "open");

async function run(options: readonly string[] = ["--provisional", dir], of = place) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "kpi", ...kpiArgs(topic, of, options)],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

const rowsIn = async (folder: string) => {
  const table = await readParquetFolder(folder);
  return { table, n: Number(table.getColumn("n_txn").sum()) };
};

Deno.test("--provisional has the windows that are open at the end of each run, and no final one", async () => {
  await topic.send(transactions(0, 300));
  for (const sent of [300, 300, 600]) { // the second run finds nothing new
    if (sent > 300) await topic.send(transactions(300, 600));
    const { code, stderr } = await run();
    equal(code, 0, stderr);
    const [open, final, late] = [
      await rowsIn(dir),
      await rowsIn(place.sink),
      await readParquetFolder(place.rejected),
    ];
    deepEqual(open.table.columns, final.table.columns);
    ok(open.n > 0);
    equal(open.n + final.n + late.filter(pl.col("kind").neq(pl.lit("malformed"))).height, sent);
    const starts = (table: pl.DataFrame) => table.getColumn("window_start").toArray().map(Number);
    ok(new Set(starts(open.table)).isDisjointFrom(new Set(starts(final.table))));
  }
});

Deno.test("--provisional leaves no table of an earlier run when a run fails", async () => {
  const partition = join(place.dir, "topics", topic.name, "partition-0.jsonl");
  const before = await Deno.readTextFile(partition);
  await Deno.writeTextFile(partition, ""); // messages that the checkpoint has read are gone
  const { code, stderr } = await run();
  equal(code, 1);
  match(stderr, /is lost/);
  equal(existsSync(join(dir, "part-000000000.parquet")), false);
  await Deno.writeTextFile(partition, before);
  equal((await run()).code, 0);
  ok((await rowsIn(dir)).n > 0);
});

Deno.test("--provisional refuses the folder of another query or option, and leaves it as it is", async () => {
  const again = await run(["--provisional", place.sink]);
  equal(again.code, 1);
  match(again.stderr, /both name ".*out": give each a place of its own/);
  const other = placeIn(join(place.dir, "other"));
  await Deno.mkdir(other.dir);
  const before = await rowsIn(dir);
  const { code, stderr } = await run(["--provisional", dir], other);
  equal(code, 1);
  match(stderr, /Cannot write to ".*open": .* names another query/);
  equal((await rowsIn(dir)).n, before.n);
  equal(existsSync(join(other.sink, "part-000000000.parquet")), false);
});
