import { deepEqual, equal, match } from "node:assert/strict";
import { join } from "node:path";
import { readParquetFolder } from "lib";
import pl from "polars";
import { replay } from "replay";
import { ROOT } from "../../tools/jupyter/env.ts";

async function task(name: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", name, ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("deno task repair puts back what was late, as one version after the other", async () => {
  const dir = await Deno.makeTempDir({ prefix: "repair-" });
  const from = join(ROOT, "data", "transactions_60k.parquet");
  await replay({ from, to: `log:${dir}`, topic: "transactions", limit: 6000, rate: 20 });
  const [table, rejected, to] = ["kpi", "aside", "repaired"].map((name) => join(dir, name));
  const kpi = await task(
    "kpi",
    ...["--source", `log:${dir}`, "--checkpoint", join(dir, "checkpoint")],
    ...["--sink", `parquet:${table}`, "--rejected", rejected!],
    ...["--max-offsets-per-trigger", "300", "--watermark", "0 seconds"],
  );
  equal(kpi.code, 0, kpi.err);
  const before = await readParquetFolder(table!);
  const late = (await readParquetFolder(rejected!)).filter(pl.col("kind").eq(pl.lit("late")));
  const options = ["--table", table!, "--rejected", rejected!, "--to", to!];
  for (const version of [1, 2]) {
    const { code, out, err } = await task("repair", ...options);
    deepEqual([code, err], [0, ""]);
    match(out, new RegExp(`^${late.height} late rows put back .*version=${version}`));
    const after = await readParquetFolder(join(to!, `version=${version}`));
    const sum = (frame: typeof after) => Number(frame.getColumn("n_txn").sum());
    equal(sum(after), sum(before) + late.height);
    deepEqual(after.columns, before.columns);
  }
  equal((await readParquetFolder(table!)).height, before.height);
  const wrong = await task("repair", "--table", join(dir, "none"), ...options.slice(2));
  equal(wrong.code, 2);
  match(wrong.err, /--table: there is no folder/);
  await Deno.remove(dir, { recursive: true });
});
