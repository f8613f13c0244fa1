// `deno task spark` over a real broker, as a reader would run it.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { replay } from "replay";
import { inspectCheckpoint } from "../../lab/inspect.ts";
import { isBrokerMissing, openTestBroker } from "../kafka/broker.ts";
import { withoutSpark } from "./topics.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const ignore = await withoutSpark("tests/spark/spark_tool_test.ts") || await isBrokerMissing();

async function tool(name: "kpi" | "spark", ...options: readonly string[]) {
  const args = ["task", "-q", name, ...options];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT })
    .output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("deno task spark names a spec that is no spec, and leaves nothing behind", async () => {
  const dir = await Deno.makeTempDir();
  const rest = ["--sink", "console", "--checkpoint", join(dir, "checkpoint")];
  const cases = [
    ["", /Cannot use --spec .*broken\.json, which .* makes: Unexpected end of JSON input/],
    ['{"window": 1}', /Cannot use --spec .*broken\.json, .*: KPI spec: /],
  ] as const;
  for (const [json, message] of cases) {
    const spec = join(dir, "broken.json");
    await Deno.writeTextFile(spec, json);
    const { code, out, error } = await tool("spark", "--spec", spec, ...rest);
    deepEqual({ code, out }, { code: 1, out: "" });
    match(error, message);
    equal(error.trim().split("\n").length, 1);
  }
  deepEqual(Array.from(Deno.readDirSync(dir), ({ name }) => name), ["broken.json"]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test({
  name:
    "deno task spark prints what deno task kpi prints from one Kafka topic, and can be taken over",
  ignore,
  async fn() {
    const dir = await Deno.makeTempDir();
    const broker = await openTestBroker();
    try {
      const from = join(ROOT, "data", "transactions_60k.parquet");
      const kafka = `kafka:${broker.bootstrap}`;
      await replay({ from, to: kafka, topic: "t", limit: 4000, rate: 10 });
      const [spec, mine, spark, taken] = ["spec.json", "mine", "spark", "taken"].map((name) =>
        join(dir, name)
      );
      const query = ["--source", kafka, "--topic", "t", "--max-offsets-per-trigger", "900"];
      const ours = await tool("kpi", ...query, "--checkpoint", mine!, "--write-spec", spec!);
      equal(ours.code, 0, ours.error);
      const theirs = await tool(
        "spark",
        ...["--spec", spec!, "--sink", "console", "--checkpoint", spark!],
      );
      equal(theirs.code, 0, theirs.error);
      equal(theirs.out, ours.out);
      ok(ours.out.split("Batch: ").length > 5);

      const takeover = ["--checkpoint", taken!, "--from-spark-checkpoint", spark!];
      const { code, error } = await tool("kpi", ...query, ...takeover);
      equal(code, 0, error);
      match(
        error,
        /Spark committed batch \d+; .*\nThe windows that end after .* computed again from/,
      );
      const [a, b] = [await inspectCheckpoint(mine!), await inspectCheckpoint(taken!)];
      deepEqual(b.openWindows!.toSorted(byStart), a.openWindows!.toSorted(byStart));
      deepEqual(b.restart, a.restart);
      ok(a.openWindows!.length > 0);
    } finally {
      await broker.close();
      await Deno.remove(dir, { recursive: true });
    }
  },
});

function byStart(a: { start: string }, b: { start: string }): number {
  return a.start < b.start ? -1 : 1;
}

Deno.test("deno task spark says what it needs, and what is wrong with a spec", async () => {
  const usage = await tool("spark", "--spec", "x.json", "--sink", "memory", "--checkpoint", "c");
  equal(usage.code, 2);
  match(usage.error, /^--sink should be parquet:DIR, .*, got "memory"\nUsage: deno task spark/);
  const query = ["--spec", "x.json", "--sink", "console", "--checkpoint", "c"];
  const line = await tool("spark", ...query, "--spark", "5");
  equal(line.code, 2);
  match(line.error, /^--spark should be one of 4, 3\.5, got "5"\n/);
  const missing = await tool("spark", ...query);
  equal(missing.code, 1);
  match(missing.error, /x\.json/);
});
