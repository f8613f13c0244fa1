import { basename, join } from "node:path";

/** The model to score with, and the probability from which a row is an alert. */
export interface ModelSelection {
  readonly name: string;
  readonly path: string;
  /** Alert if probability >= threshold; in [0, 1]. */
  readonly threshold: number;
  /** Where comes from what no option overrides: the folder's summary, or the rule without one. */
  readonly source: "summary" | "default";
}

/**
 * Selects model and threshold by the original notebook's rule: `model_selection_summary.json` names
 * both, "Logistic" in the name means `fraud_lr_model.onnx`, any other name `fraud_rf_model.onnx`;
 * without a summary, logistic regression at 0.5. The option `model` (a path) replaces the model
 * alone, `threshold` the threshold alone. Throws if summary, option or model file cannot be used.
 */
export async function selectModel(
  folder: string,
  options: { model?: string; threshold?: number } = {},
): Promise<ModelSelection> {
  const summaryPath = join(folder, "model_selection_summary.json");
  const summary = await readSummary(summaryPath);
  const name = summary?.name ?? "Logistic Regression";
  const file = name.includes("Logistic") ? "fraud_lr_model.onnx" : "fraud_rf_model.onnx";
  const path = options.model ?? join(folder, file);
  const threshold = options.threshold ?? summary?.threshold ?? 0.5;
  if (!(threshold >= 0 && threshold <= 1)) {
    const origin = options.threshold === undefined ? `"${summaryPath}"` : "the options";
    throw new RangeError(
      `Cannot use threshold ${threshold} of ${origin}: it must be between 0 and 1; correct it there`,
    );
  }
  try {
    await Deno.stat(path);
  } catch (cause) {
    const { message } = cause as Error;
    const why = message.replace(/ \(os error.*/, "");
    throw new Error(`No model at "${path}": ${why}; run models/train.py to make it`, { cause });
  }
  const source = summary ? "summary" : "default";
  return { name: options.model === undefined ? name : basename(path), path, threshold, source };
}

async function readSummary(path: string): Promise<{ name: string; threshold: number } | undefined> {
  const remedy = "run models/train.py again, or remove the file for logistic regression at 0.5";
  let summary: { selected_model?: unknown; recommended_threshold?: unknown } | null;
  try {
    summary = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw new SyntaxError(`Cannot read "${path}": ${cause}; ${remedy}`, { cause });
  }
  const { selected_model: name, recommended_threshold: threshold } = summary ?? {};
  if (typeof name === "string" && typeof threshold === "number") return { name, threshold };
  throw new SyntaxError(
    `Cannot use "${path}": selected_model must be a string and recommended_threshold a number, ` +
      `got ${JSON.stringify(name)} and ${JSON.stringify(threshold)}; ${remedy}`,
  );
}
