import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import {
  alertsAndFrauds,
  count,
  isAlert,
  MemorySink,
  MemorySource,
  OnnxModel,
  openSource,
  ParquetSink,
  readParquetFolder,
  readStream,
  selectModel,
  TRANSACTION_SCHEMA,
  windowKpis,
} from "lib";
import pl, { type DataFrame } from "polars";
import { replay } from "replay";

const ROOT = join(import.meta.dirname!, "..");
const dir = await Deno.makeTempDir({ prefix: "kept-" });
await replay({
  from: join(ROOT, "data", "transactions_60k.parquet"),
  to: `log:${dir}`,
  topic: "t",
  limit: 8000,
  rate: 20,
});
const model = await OnnxModel.load((await selectModel(join(ROOT, "models"))).path);
const sum = (rows: DataFrame, name: string) => Number(rows.getColumn(name).sum());

async function run(place: string, maxOffsetsPerTrigger: number, stopAfter = Infinity) {
  const rows = readStream(await openSource(`log:${dir}`, "t"), TRANSACTION_SCHEMA, {
    maxOffsetsPerTrigger,
  }).score(model).withColumns(isAlert(0.02));
  const kept = new ParquetSink(join(place, "alerts"));
  const out = new ParquetSink(join(place, "out"));
  const query = await windowKpis(rows, { watermark: "0 seconds", window: "1 minute" })
    .writeStream(out, {
      outputMode: "append",
      checkpointLocation: join(place, "checkpoint"),
      trigger: "available-now",
      rows: alertsAndFrauds(kept),
      onProgress: ({ batchId }) => void (batchId >= stopAfter && query.stop()),
    });
  await query.awaitTermination();
  const alerts = await readParquetFolder(kept.dir);
  return { alerts, kpi: await readParquetFolder(out.dir), open: query.openWindows };
}

Deno.test("every alert is kept once: those of final windows, of open ones, and the late", async () => {
  const place = await Deno.makeTempDir({ dir });
  const { alerts, kpi, open } = await run(place, 500);
  const of = (outcome: string) => alerts.filter(pl.col("outcome").eq(pl.lit(outcome)));
  const isOne = pl.col("is_alert").eq(1);
  equal(of("counted").filter(isOne).height, sum(kpi, "n_alert") + sum(open, "n_alert"));
  const frauds = sum(kpi, "n_fraud_true") + sum(open, "n_fraud_true");
  equal(sum(of("counted").filter(pl.col("Class").eq(1)), "Class"), frauds);
  ok(of("late").filter(isOne).height > 0, "the test needs late alerts");
  const places = alerts.select("partition", "offset").toRecords().map((row) =>
    JSON.stringify(row, (_, v) => typeof v === "bigint" ? Number(v) : v)
  );
  equal(new Set(places).size, alerts.height);
  deepEqual(alerts.columns, [
    ...["batch_id", "partition", "offset", "event_time", "window_start", "outcome"],
    ...["Amount", "fraud_prob", "Class", "is_alert"],
  ]);
  // Each is the message at its offset.
  const [first] = alerts.toRecords();
  const source = await openSource(`log:${dir}`, "t");
  const [messages] = await source.getBatch(
    { [String(first!.partition)]: Number(first!.offset) },
    { [String(first!.partition)]: Number(first!.offset) + 1 },
  );
  const message = JSON.parse(
    new TextDecoder().decode(messages!.bytes.subarray(messages!.starts[0], messages!.ends[0])),
  );
  equal(message.Amount, first!.Amount);
});

Deno.test("kept rows are the same after a stop and a restart, and whatever the chunks", async () => {
  const [whole, stopped] = [await Deno.makeTempDir({ dir }), await Deno.makeTempDir({ dir })];
  const { alerts } = await run(whole, 700);
  const before = await run(stopped, 700, 4);
  ok(before.alerts.height < alerts.height);
  deepEqual((await run(stopped, 700)).alerts.toRecords(), alerts.toRecords());
});

Deno.test("what rows to keep is checked when the query is built, before anything is written", async () => {
  const rows = () =>
    readStream(new MemorySource(), [{ name: "event_time", type: "timestamp" }, {
      name: "x",
      type: "double",
    }])
      .withWatermark("event_time", "1 minute").groupByWindow("event_time", "1 minute")
      .agg({ n: count() });
  const out = new MemorySink();
  const start = (where: unknown, columns = ["x"], sink: unknown = new MemorySink()) =>
    rows().writeStream(out, {
      outputMode: "append",
      checkpointLocation: join(dir, "never"),
      rows: { where, columns, sink } as never,
    });
  const wrong: [Promise<unknown>, RegExp][] = [
    [start("x > 1"), /rows must be a Polars expression|where must be a Polars expression/],
    [start(pl.col("y").gt(1)), /writeStream: .*y/],
    [start(pl.col("x")), /rows.where must be true or false, got Float64/],
    [start(pl.col("x").gt(pl.col("x").mean())), /looks at other rows/],
    [start(pl.col("x").gt(1), ["y"]), /rows has no column "y" to keep, only event_time, x/],
    [start(pl.col("x").gt(1), ["x"], {}), /a Sink/],
    [start(pl.col("x").gt(1), ["x", "x"]), /rows.columns names "x", which is kept already/],
    [start(pl.col("x").gt(1), ["event_time"]), /names "event_time", which is kept already/],
    [start(pl.col("x").gt(1), ["x"], out), /must be different sinks/],
  ];
  for (const [query, message] of wrong) await rejects(query, message);
  await rejects(Deno.stat(join(dir, "never")), Deno.errors.NotFound);
});

Deno.test("rows are kept whatever their columns are called, and by a condition without columns", async () => {
  const source = new MemorySource();
  source.addData([5, 7].map((row) => `{"event_time":"2024-01-01T10:00:00Z","row":${row}}`));
  const sink = new MemorySink();
  const query = await readStream(source, [
    { name: "event_time", type: "timestamp" },
    { name: "row", type: "double" },
  ]).groupByWindow("event_time", "1 minute").agg({ n: count() }).writeStream(new MemorySink(), {
    outputMode: "update",
    checkpointLocation: await Deno.makeTempDir({ dir }),
    trigger: "available-now",
    rows: { where: pl.lit(true), columns: ["row"], sink },
  });
  await query.awaitTermination();
  deepEqual(sink.rows().select("offset", "row").rows(), [[0, 5], [1, 7]]);
});

Deno.test("what the tests of kept rows wrote is removed", async () => {
  await model.close();
  await Deno.remove(dir, { recursive: true });
});
