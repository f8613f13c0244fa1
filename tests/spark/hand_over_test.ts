// The way back: a run of ours goes on on Spark.
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { type KpiSpec, readParquetFolder } from "lib";
import { replay } from "replay";
import { handOver } from "../../tools/spark/hand_over.ts";
import { SPARK_LINES } from "../../tools/spark/install.ts";
import { runSpark } from "../../tools/spark/spark.ts";
import { FILES, ours, rowsOf, specFor, withoutSpark } from "./topics.ts";

const RECORDING = join(import.meta.dirname!, "../../data/transactions_60k.parquet");

/** Half an hour of real rows in disorder, of which the topic `t` has the first half; none is late at 5 minutes. */
async function inHalves(
  action: (dir: string, spec: KpiSpec, appendRest: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "hand-over-" });
  try {
    await replay({ from: RECORDING, to: `log:${dir}`, topic: "all", limit: 4000, rate: 2.2 });
    await Deno.mkdir(join(dir, "t"));
    const rest = new Map<string, string>();
    for (const name of FILES) {
      const lines = (await Deno.readTextFile(join(dir, "all", name))).split(/(?<=\n)/);
      const half = Math.floor(lines.length / 2);
      await Deno.writeTextFile(join(dir, "t", name), lines.slice(0, half).join(""));
      rest.set(name, lines.slice(half).join(""));
    }
    const spec = await specFor(dir, "lr", {
      topic: "t",
      watermark: "5 minutes",
      maxOffsetsPerTrigger: 700,
    });
    await action(dir, spec, async () => {
      for (const [name, text] of rest) {
        await Deno.writeTextFile(join(dir, "t", name), text, { append: true });
      }
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

for (const line of SPARK_LINES) {
  const ignore = await withoutSpark("tests/spark/hand_over_test.ts", line);
  Deno.test({
    name: `a run of ours goes on on Spark ${line} as if it had never moved`,
    ignore,
    fn: () =>
      inHalves(async (dir, spec, appendRest) => {
        const [mine, theirs, out] = ["mine", "theirs", "out"].map((name) => join(dir, name));
        const first = rowsOf(await ours(spec, mine!));
        ok(first.length > 3, `${first.length}`);
        const lines: string[] = [];
        const print = (line: string) => lines.push(line);
        const plan = await handOver(spec, { from: mine!, checkpoint: theirs!, print });
        // Not all is read again, and what is has rows of windows that are final.
        ok(Object.values(plan!.startingOffsets).every((offset) => offset > 100));
        match(
          lines.join(),
          /^Batch \d+ was the last one here\. Spark reads from .* writes the windows/,
        );
        await appendRest();
        const file = join(dir, "spec.json");
        await Deno.writeTextFile(file, JSON.stringify(spec));
        const job = { spec: file, sink: `batches:${out}`, checkpoint: theirs!, from: mine!, line };
        equal(await runSpark(job), 0);
        const wanted = rowsOf(await ours(spec, mine!));
        const batches = Array.from(Deno.readDirSync(out!), ({ name }) => join(out!, name)).sort();
        const found = rowsOf(await Promise.all(batches.map(readParquetFolder)));
        deepEqual(found, wanted);
        ok(wanted.length > 5, `${wanted.length}`);
      }),
  });
}

Deno.test("a run is handed over only when it can be, and once", () =>
  inHalves(async (dir, spec) => {
    const [mine, theirs] = ["mine", "theirs"].map((name) => join(dir, name));
    const print = () => {};
    const hand = (from: string, checkpoint: string) => handOver(spec, { from, checkpoint, print });
    await rejects(hand(mine!, theirs!), /is no checkpoint/);
    await ours(spec, mine!);
    ok(await hand(mine!, theirs!));
    equal(await hand(mine!, theirs!), undefined);
    await Deno.mkdir(join(dir, "begun"));
    await Deno.writeTextFile(join(dir, "begun", "metadata"), '{"id":"x"}');
    await rejects(hand(mine!, join(dir, "begun")), /is the checkpoint of a query that has begun/);
    await rejects(
      hand(join(dir, "begun"), join(dir, "new")),
      /Cannot hand over/,
    );
    const commits = Array.from(
      Deno.readDirSync(join(mine!, "commits")),
      ({ name }) => Number(name),
    );
    await Deno.remove(join(mine!, "commits", `${Math.max(...commits)}`));
    await rejects(
      hand(mine!, join(dir, "new")),
      /batch \d+ was planned but not committed\. Run deno/,
    );
    await rejects(Deno.stat(join(dir, "new")), Deno.errors.NotFound); // nothing was written
  }));
