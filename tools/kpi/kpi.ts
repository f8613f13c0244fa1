/** The program behind `deno task kpi`, which `tools/run.ts` starts. */
import { createHash } from "node:crypto";
import { JsonlSink } from "./jsonl_sink.ts";
import {
  alertsAndFrauds,
  ConsoleSink,
  type KpiSpec,
  openKpis,
  ParquetSink,
  parseKpiSpec,
  selectModel,
  type Sink,
  type StreamingQuery,
} from "lib";
import { runCommand, type Values } from "../command_line.ts";
import { type KpiPlan, kpiPlan, type SinkPlace } from "./kpi_options.ts";
import { closingLine, KpiRun } from "./kpi_run.ts";
import { Provisional } from "./provisional.ts";
import { clearStatus, showStatus } from "../status_line.ts";
import { takeOver } from "../spark/takeover.ts";
import { KPI } from "../tasks.ts";

async function main(values: Values<typeof KPI.options>): Promise<void> {
  const plan = kpiPlan(values);
  const { checkpoint: checkpointLocation, writeSpec, fromSpark: spark } = plan;
  const spec = await specOf(plan);
  if (writeSpec !== undefined) {
    await Deno.writeTextFile(writeSpec, `${JSON.stringify(spec, null, 2)}\n`);
  }
  if (checkpointLocation === undefined) return;
  if (plan.progress !== undefined) openProgress(plan.progress);
  const sink = sinkOf(plan.sink);
  if (spark !== undefined) await takeOver(spec, { spark, checkpoint: checkpointLocation, sink });
  const run = new KpiRun();
  using status = showStatus(() => run.status());
  const { kpis, model } = await openKpis(spec);
  const provisional = plan.provisional === undefined
    ? undefined
    : new Provisional(plan.provisional);
  const query = await kpis.writeStream(provisional?.beside(sink) ?? sink, {
    name: "kpi",
    outputMode: spec.outputMode,
    checkpointLocation,
    minBatchesToRetain: plan.minBatchesToRetain,
    trigger: plan.trigger,
    ...plan.rejected !== undefined && { rejected: new ParquetSink(plan.rejected) },
    ...plan.alerts !== undefined &&
      { rows: alertsAndFrauds(new ParquetSink(plan.alerts), spec.keys) },
    onProgress: (progress) => {
      if (plan.progress !== undefined) {
        Deno.writeTextFileSync(plan.progress, `${JSON.stringify(progress)}\n`, { append: true });
      }
      run.add(progress);
      status.update();
    },
  });
  const isStopped = stopOnSignals(query);
  await query.awaitTermination();
  await provisional?.write(query.openWindows);
  await model.close();
  status[Symbol.dispose]();
  const place = { ...plan, checkpoint: checkpointLocation };
  const record = run.closing(place, query.standing, isStopped());
  if (plan.json) console.log(JSON.stringify(record));
  else if (plan.sink.kind !== "console") console.log(closingLine(record));
  else if (Deno.stderr.isTerminal()) console.error(closingLine(record)); // the tables are the output
}

/** Adds what has to be read: the model. The result is the one form from which the query is built. */
async function specOf({ spec, models, model }: KpiPlan): Promise<KpiSpec> {
  const { path, threshold } = await selectModel(models, model);
  const sha256 = createHash("sha256").update(await Deno.readFile(path)).digest("hex");
  return parseKpiSpec(JSON.stringify({ ...spec, model: { path, sha256 }, threshold }));
}

function sinkOf(place: SinkPlace): Sink {
  const print = (text: string) => {
    clearStatus();
    console.log(text);
  };
  switch (place.kind) {
    case "parquet":
      return new ParquetSink(place.path);
    case "jsonl":
      return new JsonlSink(place.path);
    case "console":
      return new ConsoleSink({ print });
  }
}

/** Makes sure that the file can be written, and cuts off the line that a crash left unfinished. */
function openProgress(path: string): void {
  Deno.openSync(path, { append: true, create: true }).close();
  const bytes = Deno.readFileSync(path);
  const end = bytes.lastIndexOf(10) + 1;
  if (end < bytes.length) Deno.truncateSync(path, end);
}

/** Signals closer together than this are one: Ctrl-C reaches a child of `deno task` twice. */
const ONE_SIGNAL_MS = 100;

/** The first signal ends the query after the running batch, the second at once. Says whether there was one. */
function stopOnSignals(query: StreamingQuery): () => boolean {
  let first: number | undefined;
  for (const signal of ["SIGINT", ...Deno.build.os === "windows" ? [] : ["SIGTERM"]] as const) {
    Deno.addSignalListener(signal as Deno.Signal, () => {
      if (first === undefined) {
        first = performance.now();
        clearStatus();
        console.error("Stopping after the running batch; a second signal stops at once");
        query.stop();
      } else if (performance.now() - first > ONE_SIGNAL_MS) Deno.exit(1);
    });
  }
  return () => first !== undefined;
}

if (import.meta.main) {
  Deno.exit(await runCommand(KPI, Deno.args, ({ values }) => main(values)));
}
