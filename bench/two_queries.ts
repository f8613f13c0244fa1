/**
 * Runs one or two queries over a topic log in this process, as the notebook does, and prints the
 * seconds from the first query's start to the last one's end:
 * `deno run -A bench/two_queries.ts TOPIC_DIR MODEL THRESHOLD OUT_DIR 1|2`
 */
import {
  isAlert,
  OnnxModel,
  openSource,
  ParquetSink,
  readStream,
  TRANSACTION_SCHEMA,
  windowKpis,
} from "lib";

const [dir, path, threshold, out, queries] = Deno.args as [string, string, string, string, string];
const model = await OnnxModel.load(path);
const began = performance.now();
const running = ["30 seconds", "2 minutes"].slice(0, Number(queries)).map(async (watermark, i) => {
  const rows = readStream(await openSource(`log:${dir}`, "transactions"), TRANSACTION_SCHEMA)
    .score(model).withColumns(isAlert(Number(threshold)));
  const kpis = windowKpis(rows, { watermark, window: "1 minute" });
  const query = await kpis.writeStream(new ParquetSink(`${out}/kpi${i}`), {
    outputMode: "append",
    checkpointLocation: `${out}/checkpoint${i}`,
    trigger: "available-now",
  });
  await query.awaitTermination();
});
await Promise.all(running);
console.log(JSON.stringify({ querySeconds: (performance.now() - began) / 1000 }));
Deno.exit(0);
