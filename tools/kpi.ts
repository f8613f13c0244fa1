import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { JsonlSink } from "../lib/sinks/jsonl.ts";
import {
  ConsoleSink,
  type KpiSpec,
  type Offsets,
  openKpis,
  ParquetSink,
  parseKpiSpec,
  selectModel,
  type Sink,
  type StreamingQuery,
  type StreamingQueryProgress,
  TRANSACTION_SCHEMA,
} from "lib";
import { takeOver } from "./spark/takeover.ts";

const USAGE = `Usage: deno task kpi --source log:DIR|kafka:BOOTSTRAP --checkpoint DIR
  [--topic transactions] [--watermark "30 seconds"] [--window "1 minute"] [--slide "30 seconds"]
  [--output-mode append|update|complete] [--models models] [--model FILE.onnx] [--threshold 0.5]
  [--sink parquet:DIR|jsonl:FILE|console] [--rejected DIR] [--trigger available-now|"1 second"]
  [--max-offsets-per-trigger N] [--starting-offsets earliest|latest|JSON] [--max-ahead "1 hour"]
  [--fail-on-data-loss true|false] [--progress FILE] [--min-batches-to-retain 100]
  [--write-spec FILE]   the query as JSON for \`deno task spark\`; without --checkpoint it is not run
  [--from-spark-checkpoint DIR]   a new --checkpoint goes on where a run on Spark ended`;

/** A wrong command line: exit code 2. */
class UsageError extends Error {}

const OPTIONS = {
  source: { type: "string" },
  topic: { type: "string", default: "transactions" },
  watermark: { type: "string", default: "30 seconds" },
  window: { type: "string", default: "1 minute" },
  slide: { type: "string" },
  "output-mode": { type: "string", default: "append" },
  models: { type: "string", default: "models" },
  model: { type: "string" },
  threshold: { type: "string" },
  sink: { type: "string", default: "console" },
  checkpoint: { type: "string" },
  rejected: { type: "string" },
  trigger: { type: "string", default: "available-now" },
  "max-offsets-per-trigger": { type: "string" },
  "starting-offsets": { type: "string", default: "earliest" },
  "max-ahead": { type: "string" },
  "fail-on-data-loss": { type: "string", default: "true" },
  progress: { type: "string" },
  "min-batches-to-retain": { type: "string", default: "100" },
  "write-spec": { type: "string" },
  "from-spark-checkpoint": { type: "string" },
} as const;

type Args = ReturnType<typeof readArgs>;

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function main(): Promise<void> {
  const args = readArgs(Deno.args);
  const { checkpoint: checkpointLocation, "write-spec": specFile } = args;
  const minBatchesToRetain = count("min-batches-to-retain", args["min-batches-to-retain"]);
  const sink = sinkOf(args.sink);
  if (checkpointLocation === undefined && specFile === undefined) {
    throw new UsageError("--checkpoint is missing");
  }
  const spec = await specOf(args);
  if (specFile !== undefined) {
    await Deno.writeTextFile(specFile, `${JSON.stringify(spec, null, 2)}\n`);
  }
  if (checkpointLocation === undefined) return;
  if (args.progress !== undefined) cutTornLine(args.progress);
  const spark = args["from-spark-checkpoint"];
  if (spark !== undefined) await takeOver(spec, { spark, checkpoint: checkpointLocation, sink });
  const { kpis, model } = await openKpis(spec);
  const query = await kpis.writeStream(sink, {
    name: "kpi",
    outputMode: spec.outputMode,
    checkpointLocation,
    minBatchesToRetain,
    trigger: args.trigger,
    ...args.rejected !== undefined && { rejected: new ParquetSink(args.rejected) },
    onProgress: (progress) => report(progress, args.progress),
  });
  stopOnSignals(query);
  await query.awaitTermination();
  await model.close();
}

/** Turns the options into the query's spec, the one form from which it is built. */
async function specOf(args: Args): Promise<KpiSpec> {
  const [kind, address] = splitSpec(args.source ?? "");
  if (args.source === undefined) throw new UsageError("--source is missing");
  if (!["log", "kafka"].includes(kind) || address === "") {
    throw new UsageError(`--source must be log:DIR or kafka:BOOTSTRAP, got ${args.source}`);
  }
  const outputMode = oneOf("output-mode", args["output-mode"], ["append", "update", "complete"]);
  const failOnDataLoss = oneOf("fail-on-data-loss", args["fail-on-data-loss"], ["true", "false"]);
  const { slide, "max-ahead": maxAhead, "max-offsets-per-trigger": max } = args;
  const given = {
    source: { kind, address },
    topic: args.topic,
    startingOffsets: startingOffsets(args["starting-offsets"], args.topic),
    ...max !== undefined && { maxOffsetsPerTrigger: count("max-offsets-per-trigger", max) },
    failOnDataLoss: failOnDataLoss === "true",
    schema: TRANSACTION_SCHEMA,
  };
  const threshold = args.threshold === undefined ? undefined : number("threshold", args.threshold);
  const selection = await selectModel(args.models, {
    ...args.model !== undefined && { model: args.model },
    ...threshold !== undefined && { threshold },
  });
  const spec = {
    ...given,
    model: { path: selection.path, sha256: await sha256Of(selection.path) },
    threshold: selection.threshold,
    watermark: args.watermark,
    ...maxAhead !== undefined && { maxAhead },
    window: args.window,
    ...slide !== undefined && { slide },
    outputMode,
  };
  try {
    return parseKpiSpec(JSON.stringify(spec));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function sha256Of(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

/** Takes Spark's `{"topic": {"0": 17}}` and the shorter `{"0": 17}`. */
function startingOffsets(text: string, topic: string): "earliest" | "latest" | Offsets {
  if (text === "earliest" || text === "latest") return text;
  try {
    const given = JSON.parse(text);
    const offsets = given[topic] ?? given;
    if (Object.values(offsets).every((offset) => Number.isInteger(offset))) return offsets;
  } catch { /* told below */ }
  throw new UsageError(
    `--starting-offsets must be earliest, latest or JSON such as '{"0": 17}', got ${text}`,
  );
}

function sinkOf(spec: string): Sink {
  const [kind, path] = splitSpec(spec);
  if (kind === "parquet" && path) return new ParquetSink(path);
  if (kind === "jsonl" && path) return new JsonlSink(path);
  if (spec === "console") return new ConsoleSink();
  throw new UsageError(`--sink must be parquet:DIR, jsonl:FILE or console, got ${spec}`);
}

function splitSpec(spec: string): [string, string] {
  const at = spec.indexOf(":");
  return at < 0 ? [spec, ""] : [spec.slice(0, at), spec.slice(at + 1)];
}

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  const choice = choices.find((choice) => choice === value);
  if (choice === undefined) {
    throw new UsageError(`--${name} must be one of ${choices.join(", ")}, got ${value}`);
  }
  return choice;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) {
    throw new UsageError(`--${name} must be a number, got ${text}`);
  }
  return value;
}

function count(name: string, text: string): number {
  const value = number(name, text);
  if (!Number.isInteger(value) || value < 1) {
    throw new UsageError(`--${name} must be a whole number of at least 1, got ${text}`);
  }
  return value;
}

/** Cuts off the line that a crash left unfinished. */
function cutTornLine(path: string): void {
  const bytes = existsSync(path) ? Deno.readFileSync(path) : new Uint8Array();
  const end = bytes.lastIndexOf(10) + 1;
  if (end < bytes.length) Deno.truncateSync(path, end);
}

function report(progress: StreamingQueryProgress, file: string | undefined): void {
  if (file !== undefined) {
    Deno.writeTextFileSync(file, `${JSON.stringify(progress)}\n`, { append: true });
  }
  if (!Deno.stderr.isTerminal()) return;
  const { batchId, numInputRows, eventTime, rows: { total } } = progress;
  const line = `batch ${batchId}  rows ${numInputRows}  watermark ${eventTime.watermark}  ` +
    `read ${total.read}  late ${total.late}  rejected ${total.rejected}  open ${total.open}`;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${line}`));
}

/** Signals closer together than this are one: Ctrl-C reaches a child of `deno task` twice. */
const ONE_SIGNAL_MS = 100;

/** The first signal ends the query after the running batch, the second at once. */
function stopOnSignals(query: StreamingQuery): void {
  let first: number | undefined;
  for (const signal of ["SIGINT", ...Deno.build.os === "windows" ? [] : ["SIGTERM"]] as const) {
    Deno.addSignalListener(signal as Deno.Signal, () => {
      if (first === undefined) {
        first = performance.now();
        console.error("Stopping after the running batch; a second signal stops at once");
        query.stop();
      } else if (performance.now() - first > ONE_SIGNAL_MS) Deno.exit(1);
    });
  }
}

if (import.meta.main) {
  try {
    await main();
    Deno.exit(0);
  } catch (error) {
    const isUsage = error instanceof UsageError;
    console.error(error instanceof Error ? error.message : String(error));
    if (isUsage) console.error(USAGE);
    Deno.exit(isUsage ? 2 : 1);
  }
}
