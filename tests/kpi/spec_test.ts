import { deepEqual, equal, match, notEqual, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import {
  isAlert,
  type KpiSpec,
  MemorySink,
  OnnxModel,
  openKpis,
  openSource,
  parseKpiSpec,
  readStream,
  type ResultStream,
  type RowStream,
  TRANSACTION_SCHEMA,
  windowKpis,
} from "lib";
import { replay } from "replay";

const ROOT = join(import.meta.dirname!, "..", "..");
const MODEL = join(ROOT, "models", "fraud_lr_model.onnx");
const dir = await Deno.makeTempDir();
await replay({
  from: join(ROOT, "data", "transactions_60k.parquet"),
  to: `log:${dir}`,
  topic: "t",
  limit: 3000,
  rate: 10,
});
const model = await OnnxModel.load(MODEL);

const SPEC: KpiSpec = {
  source: { kind: "log", address: dir },
  topic: "t",
  startingOffsets: { "0": 10, "1": -2, "2": 0 },
  maxOffsetsPerTrigger: 500,
  failOnDataLoss: false,
  schema: TRANSACTION_SCHEMA,
  model: { path: MODEL, sha256: model.sha256 },
  threshold: 0.25,
  watermark: "30 seconds",
  maxAhead: "400000 days",
  window: "1 minute",
  slide: "30 seconds",
  outputMode: "update",
};

/** Starts a query, runs it to the end and returns its rows. */
async function run(kpis: ResultStream): Promise<object[]> {
  const sink = new MemorySink();
  const query = await kpis.writeStream(sink, {
    outputMode: "update",
    checkpointLocation: await Deno.makeTempDir({ dir }),
    trigger: "available-now",
  });
  await query.awaitTermination();
  return sink.rows().toRecords();
}

async function rowsOf(): Promise<RowStream> {
  const { startingOffsets, maxOffsetsPerTrigger } = SPEC;
  const source = await openSource(`log:${dir}`, "t");
  return readStream(source, TRANSACTION_SCHEMA, {
    startingOffsets,
    maxOffsetsPerTrigger: maxOffsetsPerTrigger!,
    failOnDataLoss: false,
  });
}

Deno.test("a spec builds the query that the verbs build", async () => {
  const scored = (await rowsOf()).score(model).withColumns(isAlert(0.25));
  const options = { watermark: "30 seconds", window: "1 minute", slide: "30 seconds" };
  const built = await run(windowKpis(scored, { ...options, maxAhead: "400000 days" }));
  const read = parseKpiSpec(JSON.stringify(SPEC));
  deepEqual(read, SPEC);
  const opened = await openKpis(read);
  deepEqual(await run(opened.kpis), built);
  await opened.model.close();
  notEqual(built.length, 0);
});

Deno.test("parseKpiSpec() names the field that is wrong", () => {
  const cases: [object | null, RegExp][] = [
    [null, /KPI spec: this must be an object, got null/],
    [{}, /source must be .*, got undefined/],
    [{ ...SPEC, source: { kind: "file", address: "x" } }, /source must be .*"log" or "kafka"/],
    [{ ...SPEC, source: { kind: "log", address: "" } }, /source must be/],
    [{ ...SPEC, topic: 1 }, /topic must be text, got 1/],
    [{ ...SPEC, startingOffsets: "first" }, /startingOffsets must be/],
    [{ ...SPEC, startingOffsets: { "0": 1.5 } }, /startingOffsets must be/],
    [{ ...SPEC, startingOffsets: null }, /startingOffsets must be/],
    [
      { ...SPEC, maxOffsetsPerTrigger: 0 },
      /maxOffsetsPerTrigger must be a whole number > 0, got 0/,
    ],
    [{ ...SPEC, failOnDataLoss: "yes" }, /failOnDataLoss must be true or false/],
    [{ ...SPEC, schema: [] }, /schema must be a list/],
    [{ ...SPEC, schema: [{ name: "a", type: "float" }] }, /schema must be .*double/],
    [{ ...SPEC, model: { path: MODEL } }, /model must be .*64 hex digits/],
    [{ ...SPEC, threshold: 1.1 }, /threshold must be a number in \[0, 1\], got 1.1/],
    [{ ...SPEC, watermark: "30" }, /Cannot read the duration "30"/],
    [{ ...SPEC, window: undefined }, /window must be a duration such as/],
    [{ ...SPEC, slide: "2 minutes" }, /need 0 < slide <= window/],
    [{ ...SPEC, outputMode: "all" }, /outputMode must be append, update or complete, got "all"/],
    [
      { ...SPEC, treshold: 0.5 },
      /there is no treshold, only source, topic,.* Did you mean threshold\?/,
    ],
  ];
  for (const [given, message] of cases) {
    throws(() => parseKpiSpec(JSON.stringify(given)), message);
  }
  throws(() => parseKpiSpec("{"), SyntaxError);
});

Deno.test("openKpis() refuses another model than the spec names", async () => {
  const path = join(ROOT, "models", "fraud_rf_model.onnx");
  const other = { ...SPEC, model: { path, sha256: model.sha256 } };
  await rejects(openKpis(other), /fraud_rf_model.onnx" is not the model of the spec/);
});

Deno.test("deno task kpi --write-spec writes the spec that it would run, and runs it with --checkpoint", async () => {
  const file = join(dir, "spec.json");
  const kpi = async (...more: string[]) => {
    const args = ["task", "-q", "kpi", "--source", `log:${dir}`];
    const options = ["--topic", "t", "--model", MODEL, "--threshold", "0.25", "--write-spec", file];
    const command = new Deno.Command(Deno.execPath(), {
      args: [...args, ...options, ...more],
      cwd: ROOT,
    });
    const { code, stdout, stderr } = await command.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, out: text(stdout), error: text(stderr) };
  };
  const written = await kpi("--watermark", "2 minutes", "--starting-offsets", '{"t": {"0": 17}}');
  deepEqual(written, { code: 0, out: "", error: written.error });
  const spec = parseKpiSpec(await Deno.readTextFile(file));
  equal(spec.watermark, "2 minutes");
  deepEqual(spec.startingOffsets, { "0": 17 });
  deepEqual(spec.model, SPEC.model);
  match((await kpi("--checkpoint", join(dir, "checkpoint"))).out, /Batch: 1/);
  const wrong = await kpi("--window", "a while");
  equal(wrong.code, 2);
  match(wrong.error, /Cannot read the duration "a while"/);
});

Deno.test("what the spec tests wrote is removed", async () => {
  await model.close();
  await Deno.remove(dir, { recursive: true });
});
