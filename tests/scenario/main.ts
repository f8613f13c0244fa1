import { join } from "node:path";
import type { DataFrame } from "polars";
import {
  isAlert,
  MemorySource,
  readStream,
  type Schema,
  type Sink,
  type StreamingQuery,
  type StreamingQueryProgress,
  windowKpis,
} from "lib";
import { runCommand } from "../../tools/command_line.ts";
import { SCENARIO } from "../../tools/dev/tasks.ts";

/** Settings and operations of one run, as in a golden `expected.json`. */
interface Run {
  readonly id: string;
  readonly watermark: string;
  readonly window: string;
  readonly slide: string | null;
  readonly outputMode: "append" | "update" | "complete";
  readonly conf: Readonly<Record<string, string>>;
  readonly ops: readonly Op[];
}

type Op =
  | { readonly op: "add"; readonly files: number }
  | { readonly op: "start" | "process" | "stop" | "rm_commit" | "rm_commit_offset" }
  | { readonly op: "set_watermark"; readonly watermark: string };

/** One batch as Spark reported it in the golden runs. */
export type ScenarioBatch = Readonly<Record<string, unknown>>;

const SCHEMA: Schema = [
  { name: "event_time", type: "timestamp" },
  { name: "Class", type: "integer" },
  { name: "fraud_prob", type: "double" },
];
const NO_DATA = "spark.sql.streaming.noDataMicroBatches.enabled";

/** Plays each run of a scenario folder through the engine, on a checkpoint of its own. */
export async function playScenario(
  dir: string,
): Promise<{ runs: { id: string; batches: ScenarioBatch[] }[] }> {
  const { runs, threshold = 0.5 } = await scenarioOf(dir);
  const names = (await Array.fromAsync(Deno.readDir(join(dir, "input")))).map(({ name }) => name);
  const files: string[][] = [];
  for (const name of names.filter((name) => name.endsWith(".jsonl")).sort()) {
    const lines = (await Deno.readTextFile(join(dir, "input", name))).split("\n");
    files.push(lines.slice(0, -1));
  }
  const played = [];
  for (const run of runs) {
    const checkpoint = await Deno.makeTempDir({ prefix: "scenario-" });
    try {
      played.push({ id: run.id, batches: await playRun(run, { files, checkpoint, threshold }) });
    } finally {
      await Deno.remove(checkpoint, { recursive: true });
    }
  }
  return { runs: played };
}

async function scenarioOf(dir: string): Promise<{ runs: readonly Run[]; threshold?: number }> {
  try {
    const scenario = JSON.parse(await Deno.readTextFile(join(dir, "expected.json")));
    if (!Array.isArray(scenario?.runs)) throw new SyntaxError('it has no list "runs"');
    await Deno.stat(join(dir, "input"));
    return scenario;
  } catch (cause) {
    throw new Error(
      `"${dir}" is no scenario: ${(cause as Error).message}. It should hold expected.json and ` +
        `input/*.jsonl, as the folders of tests/golden do`,
      { cause },
    );
  }
}

async function playRun(
  run: Run,
  { files, checkpoint, threshold }: { files: string[][]; checkpoint: string; threshold: number },
): Promise<ScenarioBatch[]> {
  const source = new MemorySource();
  const batches: ScenarioBatch[] = [];
  const sink = new LastBatch();
  let { watermark } = run;
  let added = 0;
  let starts = 0;
  let query: StreamingQuery | undefined;

  function start(): Promise<StreamingQuery> {
    const started = starts++;
    const rows = readStream(source, SCHEMA, { maxOffsetsPerTrigger: 1 })
      .withColumns(isAlert(threshold));
    const { window, slide } = run;
    return windowKpis(rows, { watermark, window, ...slide !== null && { slide } })
      .writeStream(sink, {
        outputMode: run.outputMode,
        checkpointLocation: checkpoint,
        noDataMicroBatches: run.conf[NO_DATA] !== "false",
        onProgress: (progress) => batches.push(batchOf(progress, { run: started, ...sink.last })),
      });
  }

  for (const op of run.ops) {
    if (op.op === "add") {
      for (const lines of files.slice(added, added += op.files)) source.addData(lines);
    } else if (op.op === "start") query = await start();
    else if (op.op === "process") await query!.processAllAvailable();
    else if (op.op === "stop") await query!.stop();
    else if (op.op === "set_watermark") watermark = op.watermark;
    else {
      await removeNewest(join(checkpoint, "commits"));
      if (op.op === "rm_commit_offset") await removeNewest(join(checkpoint, "offsets"));
    }
  }
  await query?.stop();
  return batches;
}

/** Keeps the rows of the batch that is about to report its progress. */
class LastBatch implements Sink {
  readonly description = "LastBatch";
  last: { rows?: DataFrame } = {};
  addBatch(_batchId: number, rows: DataFrame): Promise<void> {
    this.last = { rows };
    return Promise.resolve();
  }
}

function batchOf(
  progress: StreamingQueryProgress,
  { run, rows }: { run: number; rows?: DataFrame },
): ScenarioBatch {
  const source = progress.sources[0]!;
  const [start, end] = [source.startOffset, source.endOffset].map((at) => at.memory!["0"]!);
  return {
    batchId: progress.batchId,
    run,
    isDataBatch: start !== end,
    sourceStartOffset: start === 0 ? null : start! - 1,
    sourceEndOffset: end === 0 ? null : end! - 1,
    numInputRows: progress.numInputRows,
    watermark: progress.eventTime.watermark,
    eventTime: progress.eventTime,
    stateOperators: progress.stateOperators[0],
    rows: rows!.toRecords().map((row) => Object.fromEntries(Object.entries(row).flatMap(cell))),
  };
}

/** Times as epoch ms and ISO text, int64 as numbers. */
function cell([name, value]: [string, unknown]): [string, unknown][] {
  if (value instanceof Date) return [[`${name}_ms`, value.getTime()], [name, isoText(value)]];
  return [[name, typeof value === "bigint" ? Number(value) : value]];
}

function isoText(time: Date): string {
  return time.toISOString().replace(/^\+0*/, "+");
}

async function removeNewest(folder: string): Promise<void> {
  const ids = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => Number(name));
  await Deno.remove(join(folder, String(Math.max(...ids))));
}

if (import.meta.main) {
  Deno.exit(
    await runCommand(SCENARIO, Deno.args, async ({ operands: [dir] }) => {
      console.log(JSON.stringify(await playScenario(dir!)));
    }),
  );
}
