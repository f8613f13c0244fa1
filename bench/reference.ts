import { join } from "node:path";
import { FEATURES, OnnxModel } from "lib";
import { count, type ModelName, MODELS, THRESHOLD, type WindowTable } from "./generate.ts";

const BLOCK = 5_000;

/**
 * Counts a topic log's windows in the plainest way: a JSON.parse a line, a plain loop. The order of
 * the rows and watermarks play no part, so the log must have no late rows.
 */
export async function referenceTable(
  topicFolder: string,
  { model, models }: { readonly model: ModelName; readonly models: string },
): Promise<WindowTable> {
  const scorer = await OnnxModel.load(join(models, MODELS[model]));
  const table = new Map<number, number[]>();
  for await (const { name } of Deno.readDir(topicFolder)) {
    if (!name.endsWith(".jsonl")) continue;
    const lines = (await Deno.readTextFile(join(topicFolder, name))).trimEnd().split("\n");
    for (let from = 0; from < lines.length; from += BLOCK) {
      const rows = lines.slice(from, from + BLOCK).map((line) => JSON.parse(line));
      const nulls = new Uint8Array(rows.length);
      const columns = Object.fromEntries(FEATURES.map((feature) => {
        const values = Float64Array.from(rows, (row) => row[feature]);
        return [feature, { values, nulls, nullCount: 0 }];
      }));
      const { probabilities } = await scorer.score(columns, rows.length);
      rows.forEach((row, i) =>
        count(table, Date.parse(row.event_time), probabilities[i]! >= THRESHOLD, row.Class)
      );
    }
  }
  await scorer.close();
  return Object.fromEntries(table);
}
