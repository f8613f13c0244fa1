import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { OnnxModel } from "lib";
import { SPARK_LINES, sparkHome } from "../../tools/spark/install.ts";
import { withoutSpark } from "./topics.ts";

const ignore = await withoutSpark("tests/spark/from_spark_test.ts");
const MODELS = join(import.meta.dirname!, "models");
const ROWS = join(MODELS, "scored.jsonl");

async function python(...args: readonly string[]): Promise<{ code: number; output: string }> {
  const { code, stdout, stderr } = await new Deno.Command(sparkHome(SPARK_LINES[0]).python, {
    args: [...args],
  }).output();
  return { code, output: new TextDecoder().decode(new Uint8Array([...stdout, ...stderr])) };
}

function convert(model: string, out: string, ...options: readonly string[]) {
  const script = join(import.meta.dirname!, "..", "..", "models", "from_spark.py");
  return python(script, join(MODELS, model), "--rows", ROWS, "--out", out, ...options);
}

for (const [line, kind] of SPARK_LINES.flatMap((line) => [[line, "lr"], [line, "rf"]])) {
  Deno.test(
    { name: `an ${kind} that Spark ${line} saved scores here as PySpark scored it`, ignore },
    async () => {
      const dir = await Deno.makeTempDir();
      const out = join(dir, "model.onnx");
      const { code, output } = await convert(
        `${line}/fraud_${kind}_model`,
        out,
        "--expect",
        `${kind}_prob`,
      );
      equal(code, 0, output);
      const rows = (await Deno.readTextFile(ROWS)).trim().split("\n").map((row) => JSON.parse(row));
      const model = await OnnxModel.load(out);
      const columns = Object.fromEntries(model.features.map((name) => {
        const values = Float64Array.from(rows, (row) => row[name]);
        return [name, { values, nulls: new Uint8Array(rows.length), nullCount: 0 }];
      }));
      const { probabilities, unscored } = await model.score(columns, rows.length);
      await model.close();
      const differences = rows.map((row, i) => Math.abs(row[`${kind}_prob`] - probabilities[i]!));
      ok(Math.max(...differences) <= 1e-6, `${Math.max(...differences)}`);
      equal(unscored, 0);
      ok(rows.length >= 200 && Math.max(...probabilities) - Math.min(...probabilities) > 0.9);
      await Deno.remove(dir, { recursive: true });
    },
  );
}

Deno.test({ name: "a model that differs from the given rows is not written", ignore }, async () => {
  const dir = await Deno.makeTempDir();
  const out = join(dir, "model.onnx");
  const { code, output } = await convert("3.5/fraud_lr_model", out, "--expect", "rf_prob");
  equal(code, 1);
  match(output, /Not written: \d+ of 200 rows differ by more than 1e-06/);
  equal([...Deno.readDirSync(dir)].length, 0);
  await Deno.remove(dir, { recursive: true });
});

Deno.test({ name: "a folder that is no saved pipeline is refused by name", ignore }, async () => {
  const { code, output } = await convert("3.5/fraud_rf_model/stages", "nowhere.onnx");
  equal(code, 1);
  match(output, /Cannot read .*stages: it has no metadata/);
});

Deno.test({
  name: "split thresholds and both forms of Spark's matrices keep their meaning",
  ignore,
}, async () => {
  const { code, output } = await python(join(import.meta.dirname!, "from_spark_check.py"));
  equal(code, 0, output);
  match(output, /^\d{5} cases/);
});
