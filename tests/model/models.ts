import { fileURLToPath } from "node:url";
import { OnnxModel } from "../../lib/model/onnx.ts";

export const MODELS = new URL("../../models/", import.meta.url);

export const FILES = {
  "Logistic Regression": "fraud_lr_model.onnx",
  "Random Forest": "fraud_rf_model.onnx",
} as const;

export const LR_FILE = FILES["Logistic Regression"];

export const NAMES = ["Logistic Regression", "Random Forest"] as const;

export async function withModel(
  name: keyof typeof FILES,
  body: (model: OnnxModel) => Promise<void>,
) {
  const model = await OnnxModel.load(fileURLToPath(new URL(FILES[name], MODELS)));
  try {
    await body(model);
  } finally {
    await model.close();
  }
}
