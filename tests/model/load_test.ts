import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OnnxModel } from "../../lib/model/onnx.ts";
import { selectModel } from "../../lib/model/selection.ts";
import summary from "../../models/model_selection_summary.json" with { type: "json" };
import { FILES, LR_FILE, MODELS, NAMES, withModel } from "./models.ts";

Deno.test("load() keeps path and digest, and the summary's digests are those of the files", async () => {
  for (const name of NAMES) {
    await withModel(name, async (model) => {
      const bytes = await Deno.readFile(model.path);
      assert.equal(model.sha256, createHash("sha256").update(bytes).digest("hex"));
      assert.equal(model.sha256, summary.sha256[FILES[name]]);
    });
  }
});

Deno.test("the committed summary selects a committed model that loads", async () => {
  const selection = await selectModel(fileURLToPath(MODELS));
  assert.equal(selection.name, summary.selected_model);
  assert.equal(selection.threshold, summary.recommended_threshold);
  await (await OnnxModel.load(selection.path)).close();
});

Deno.test("load() refuses a missing file and a file that is no ONNX model, by name", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "broken.onnx");
    await assert.rejects(OnnxModel.load(path), { message: /broken\.onnx.*models\/train\.py/ });
    await Deno.writeTextFile(path, "not a model");
    await assert.rejects(OnnxModel.load(path), { message: /broken\.onnx.*protobuf/ });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("load() refuses a model of another shape, and says which it has", async () => {
  const model = await Deno.readFile(new URL(LR_FILE, MODELS));
  // Edits of equal length keep the file a valid protobuf. In its messages an input or output is a
  // name, then the field of its type (2), whose tensor (1) has an element type (1) and a shape (2).
  const cases: [from: string, to: string, message: RegExp][] = [
    ["features", "measures", /but maps measures: float32 \[n,29\]/],
    ["\x08\x1d", "\x08\x1e", /but maps features: float32 \[n,30\]/],
    [
      "features\x12\x0c\x0a\x0a\x08\x01",
      "features\x12\x0c\x0a\x0a\x08\x0b",
      /maps features: float64/,
    ],
    ["probabilities", "likelihood_of", /to label: int64 \[n\]; likelihood_of: float32 \[n,2\]/],
  ];
  const path = await Deno.makeTempFile({ suffix: ".onnx" });
  try {
    for (const [from, to, message] of cases) {
      await Deno.writeFile(path, replaceBytes(model, from, to));
      await assert.rejects(OnnxModel.load(path), (error: Error) => {
        assert.ok(error instanceof TypeError && error.message.includes(path), `${error}`);
        assert.match(error.message, message);
        return true;
      });
    }
  } finally {
    await Deno.remove(path);
  }
});

function replaceBytes(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  assert.ok(text.includes(from), `the model file holds ${JSON.stringify(from)}`);
  return Uint8Array.from(text.replaceAll(from, to), (char) => char.charCodeAt(0));
}
