import assert from "node:assert/strict";
import { join } from "node:path";
import { selectModel } from "../../lib/model/selection.ts";

const SUMMARY = "model_selection_summary.json";

/** Runs `body` in a folder with both model files and, if given, a summary. */
async function withFolder(summary: string | undefined, body: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "fraud_lr_model.onnx"), "");
    await Deno.writeTextFile(join(folder, "fraud_rf_model.onnx"), "");
    if (summary !== undefined) await Deno.writeTextFile(join(folder, SUMMARY), summary);
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("selectModel() takes logistic regression at 0.5 without a summary", async () => {
  await withFolder(undefined, async (folder) => {
    assert.deepEqual(await selectModel(folder), {
      name: "Logistic Regression",
      path: join(folder, "fraud_lr_model.onnx"),
      threshold: 0.5,
      source: "default",
    });
  });
});

Deno.test("selectModel() follows the summary's name and threshold", async () => {
  const cases = [
    ["Logistic Regression", 0.26, "fraud_lr_model.onnx"],
    ["Logistic Regression (weighted)", 0, "fraud_lr_model.onnx"],
    ["Random Forest", 0.23, "fraud_rf_model.onnx"],
    ["logistic", 1, "fraud_rf_model.onnx"], // the original looks for a capital L
  ] as const;
  for (const [name, threshold, file] of cases) {
    const summary = JSON.stringify({ selected_model: name, recommended_threshold: threshold });
    await withFolder(summary, async (folder) => {
      const path = join(folder, file);
      assert.deepEqual(await selectModel(folder), { name, path, threshold, source: "summary" });
    });
  }
});

Deno.test("selectModel() lets each option replace its part alone", async () => {
  const summary = '{"selected_model": "Random Forest", "recommended_threshold": 0.23}';
  await withFolder(summary, async (folder) => {
    const path = join(folder, "mine.onnx");
    await Deno.writeTextFile(path, "");
    const byModel = await selectModel(folder, { model: path });
    assert.deepEqual(byModel, { name: "mine.onnx", path, threshold: 0.23, source: "summary" });
    const byThreshold = await selectModel(folder, { threshold: 0 });
    assert.equal(byThreshold.threshold, 0);
    assert.equal(byThreshold.name, "Random Forest");
  });
});

Deno.test("selectModel() refuses a summary it cannot use, and names the file", async () => {
  const cases = [
    ['{"selected_model": "Random', SyntaxError, "train.py"],
    ["null", SyntaxError, "selected_model"],
    ["[]", SyntaxError, "selected_model"],
    ['{"recommended_threshold": 0.5}', SyntaxError, "selected_model"],
    ['{"selected_model": "Random Forest"}', SyntaxError, "recommended_threshold"],
    [
      '{"selected_model": "Random Forest", "recommended_threshold": "0.5"}',
      SyntaxError,
      "a number",
    ],
    ['{"selected_model": 1, "recommended_threshold": 0.5}', SyntaxError, "a string"],
    ['{"selected_model": "Random Forest", "recommended_threshold": 23}', RangeError, "0 and 1"],
    ['{"selected_model": "Random Forest", "recommended_threshold": -0.1}', RangeError, "0 and 1"],
  ] as const;
  for (const [summary, type, text] of cases) {
    await withFolder(summary, async (folder) => {
      await assert.rejects(selectModel(folder), (error: Error) => {
        assert.ok(error instanceof type, `${summary}: ${error}`);
        assert.ok(error.message.includes(join(folder, SUMMARY)), error.message);
        assert.ok(error.message.includes(text), error.message);
        return true;
      });
    });
  }
});

Deno.test("selectModel() refuses a summary that is there but cannot be read", async () => {
  await withFolder(undefined, async (folder) => {
    await Deno.mkdir(join(folder, SUMMARY));
    await assert.rejects(selectModel(folder), { name: "SyntaxError", message: /train\.py/ });
  });
});

Deno.test("selectModel() refuses a threshold option outside 0 to 1", async () => {
  await withFolder(undefined, async (folder) => {
    for (const threshold of [-0.01, 1.01, NaN]) {
      await assert.rejects(selectModel(folder, { threshold }), {
        name: "RangeError",
        message: /of the options/,
      });
    }
  });
});

Deno.test("selectModel() says how to make a model file that is missing", async () => {
  await withFolder(undefined, async (folder) => {
    await Deno.remove(join(folder, "fraud_lr_model.onnx"));
    const message = /fraud_lr_model\.onnx.*models\/train\.py/;
    await assert.rejects(selectModel(folder), { name: "Error", message });
    const model = join(folder, "absent.onnx");
    await assert.rejects(selectModel(folder, { model }), { message: /absent\.onnx/ });
  });
});
