import { deepEqual, equal, match } from "node:assert/strict";
import { OnnxModel, openSource, selectModel, windowSpec } from "lib";
import { replay } from "replay";
import { readScoredRows, recommend, sweep } from "../../lab/mod.ts";

async function tool(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tools/watermarks.ts", ...args],
    cwd: new URL("../..", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("deno task watermarks prints the table and the recommendation, or all of it as JSON", async () => {
  const dir = await Deno.makeTempDir({ prefix: "watermarks-" });
  try {
    const from = new URL("../../data/transactions_60k.parquet", import.meta.url).pathname;
    await replay({ from, to: `log:${dir}`, topic: "t", limit: 20_000 });
    const { path, threshold } = await selectModel("models");
    const model = await OnnxModel.load(path);
    const source = await openSource(`log:${dir}`, "t");
    const rows = await readScoredRows(source, { model, maxOffsetsPerTrigger: 400 });
    const swept = sweep(rows, { window: windowSpec("1 minute"), threshold });
    const advice = recommend(swept, { maxLoss: 0.02 });
    await model.close();
    const args = [
      "--source",
      `log:${dir}`,
      "--topic",
      "t",
      "--max-offsets-per-trigger",
      "400",
      "--loss",
      "2%",
    ];
    const [plain, json, missing] = await Promise.all([
      tool(...args),
      tool(...args, "--json"),
      tool(...args, "--topic", "x"),
    ]);
    equal(plain.code, 0);
    match(plain.out, /^delay_s +wait_s +rows_lost/);
    match(plain.out, new RegExp(`\n${RegExp.escape(advice.words)}\n$`));
    deepEqual(
      JSON.parse(json.out),
      JSON.parse(JSON.stringify({ recommendation: advice, delays: swept.table.toRecords() })),
    );
    equal(missing.code, 1);
    match(missing.err, /^Cannot open the topic "x"/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("deno task watermarks gives no advice from a topic without event times", async () => {
  const dir = await Deno.makeTempDir({ prefix: "watermarks-" });
  await Deno.mkdir(`${dir}/t`);
  const line = '{"event_time": "never", "Class": 0}\n';
  for (const text of ["", line, line.repeat(5000)]) {
    await Deno.writeTextFile(`${dir}/t/partition-0.jsonl`, text);
    for (const options of [[], ["--json"], ["--frauds-per-day", "1"]]) {
      const { code, out, err } = await tool("--source", `log:${dir}`, "--topic", "t", ...options);
      deepEqual([code, out], [1, ""]);
      match(err, /^There is nothing to advise from: no row with an event time was read\..*\n$/);
    }
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("deno task watermarks tells wrong usage with exit code 2", async () => {
  for (
    const args of [[], ["--source", "log:d", "--loss", "lots"], [
      "--source",
      "log:d",
      "--threshold",
      "x",
    ], ["--what"]]
  ) {
    const { code, err } = await tool(...args);
    equal(code, 2);
    match(err, /Usage: deno task watermarks/);
  }
});
