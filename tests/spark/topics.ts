// What the tests of this folder share: a topic of real rows, specs over it, and our own run of a spec.
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { DataFrame } from "polars";
import { type KpiSpec, MemorySink, openKpis, parseKpiSpec, TRANSACTION_SCHEMA } from "lib";
import { replay } from "replay";
import {
  installSpark,
  isSparkInstalled,
  missingForSpark,
  SPARK_LINES,
  type SparkLine,
} from "../../tools/spark/install.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
/** Whether the long part of these tests runs too. */
export const IS_LONG = Deno.env.get("SPARK_TESTS") === "long";

/** The files of a topic of three partitions. */
export const FILES = ["partition-0.jsonl", "partition-1.jsonl", "partition-2.jsonl"];

/** Whether the tests that need Spark are left out here; says so, and CI never leaves them out. */
export async function withoutSpark(
  file: string,
  line: SparkLine = SPARK_LINES[0],
): Promise<boolean> {
  if (Deno.env.get("CI") === "true") {
    await installSpark(line);
    return false;
  }
  const missing = await missingForSpark(line) ??
    (await isSparkInstalled(line) ? undefined : `PySpark ${line} is not installed in .cache.`);
  if (missing === undefined) return false;
  console.warn(
    `\n*** NOT RUN: ${file}. ${missing} CI=true deno task test tests/spark installs it ***\n`,
  );
  return true;
}

/**
 * Makes the topic `whole` of the recording's first rows in disorder, `half` of its first half, and `ahead`, whose
 * second row is far ahead of any clock.
 */
export async function makeTopics(dir: string, odd: readonly string[]): Promise<void> {
  const from = join(ROOT, "data", "transactions_60k.parquet");
  await replay({ from, to: `log:${dir}`, topic: "whole", limit: 8000, rate: 15 });
  const text = odd.map((row) => `${row}\n`).join("");
  await Deno.writeTextFile(join(dir, "whole", FILES[1]!), text, { append: true });
  await Deno.mkdir(join(dir, "half"));
  await appendHalf(dir, 0);
  const [first, ...rest] = (await Deno.readTextFile(join(dir, "half", FILES[0]!))).split(/(?<=\n)/);
  const far = first!.replace(/"event_time":\s*"2024/, '"event_time":"2999');
  await Deno.mkdir(join(dir, "ahead"));
  await Deno.writeTextFile(join(dir, "ahead", FILES[0]!), [first, far, ...rest].join(""));
}

/** Adds a half of the messages of `whole`, of each partition, to `half`. */
export async function appendHalf(dir: string, half: 0 | 1): Promise<void> {
  for (const name of FILES) {
    const lines = (await Deno.readTextFile(join(dir, "whole", name))).split(/(?<=\n)/);
    const middle = Math.floor(lines.length / 2);
    const part = half === 0 ? lines.slice(0, middle) : lines.slice(middle);
    await Deno.writeTextFile(join(dir, "half", name), part.join(""), { append: true });
  }
}

/** Makes a spec over a topic in `dir`; thresholds are low, so that a few thousand rows have alerts of both kinds. */
export async function specFor(dir: string, model: "lr" | "rf", changes: object): Promise<KpiSpec> {
  const path = join(ROOT, "models", `fraud_${model}_model.onnx`);
  const sha256 = createHash("sha256").update(await Deno.readFile(path)).digest("hex");
  return parseKpiSpec(JSON.stringify({
    source: { kind: "log", address: dir },
    topic: "whole",
    startingOffsets: "earliest",
    maxOffsetsPerTrigger: 1700,
    schema: TRANSACTION_SCHEMA,
    model: { path, sha256 },
    threshold: model === "lr" ? 0.05 : 0.1,
    watermark: "30 seconds",
    window: "1 minute",
    outputMode: "append",
    ...changes,
  }));
}

/** Runs a spec with this library until the topic is drained, and returns the rows of each batch. */
export async function ours(spec: KpiSpec, checkpointLocation: string): Promise<DataFrame[]> {
  const { kpis, model } = await openKpis(spec);
  const sink = new MemorySink();
  const ids: number[] = [];
  const { outputMode } = spec;
  const query = await kpis.writeStream(sink, {
    outputMode,
    checkpointLocation,
    trigger: "available-now",
    onProgress: ({ batchId }) => void ids.push(batchId),
  });
  await query.awaitTermination();
  await model.close();
  return ids.map((id) => sink.batch(id)!);
}

/** Returns the rows of some tables, one table after the other. */
export function rowsOf(tables: readonly DataFrame[]): object[] {
  return tables.flatMap((table) => table.toRecords());
}

/** Writes what Spark would have left of a run of ours: the logs without checksums, and a state that is not ours. */
export async function asSpark(checkpoint: string, topic: string, to: string): Promise<void> {
  for (const folder of ["offsets", "commits", join("sources", "0")]) {
    await Deno.mkdir(join(to, folder), { recursive: true });
    for await (const { name } of Deno.readDir(join(checkpoint, folder))) {
      const text = await Deno.readTextFile(join(checkpoint, folder, name));
      const bare = text.replace(/,?"checksum":"\w+"/, "");
      await Deno.writeTextFile(join(to, folder, name), bare);
    }
  }
  await Deno.writeTextFile(join(to, "metadata"), '{"id":"72545cf1-4fd7-44b6-826c-ceda95269000"}');
  const first = JSON.stringify({ [topic]: { "2": 0, "1": 0, "0": 0 } });
  await Deno.writeTextFile(join(to, "sources", "0", "0"), `\0v1\n${first}`);
}
