import { deepEqual, equal, match, ok } from "node:assert/strict";
import pl from "polars";
import { join } from "node:path";
import { MemorySink, openSource } from "lib";
import { asTimestamps, doubles } from "../../lib/windows/frame.ts";
import type { Content } from "../../view/display.ts";
import { DrawingTime, LiveArrival } from "../../view/live_arrival.ts";
import { runs } from "./sample_run.ts";

const [run] = runs as [typeof runs[0]];
const { progress, late, window } = run!;
const part = { watermark: "30 seconds", window };

/** The sample's topic: 20,000 messages in each of 3 partitions. */
const dir = await Deno.makeTempDir({ prefix: "live-arrival-" });
const lines = ["", "", ""];
for (const [i, time] of run!.events!.getColumn("event_time").toArray().entries()) {
  lines[i % 3] += `{"event_time":"${new Date(Number(time)).toISOString()}"}\n`;
}
await Deno.mkdir(join(dir, "transactions"));
for (const [partition, text] of lines.entries()) {
  await Deno.writeTextFile(join(dir, "transactions", `partition-${partition}.jsonl`), text);
}
const topic = () => openSource(`log:${dir}`, "transactions");

/** A chart on a clock that the test moves; to show it takes `cost` ms. */
function watched(
  open: ConstructorParameters<typeof LiveArrival>[1],
  cost = 40,
  { time = { now: 0 }, last = new DrawingTime() } = {},
) {
  const shown: { content: Content; at: number }[] = [];
  const show = (content: Content) => {
    time.now += cost;
    shown.push({ content, at: time.now });
  };
  const chart = new LiveArrival(part, open, { show, now: () => time.now, last });
  return { chart, shown, time, sink: chart.beside(new MemorySink()) };
}

/** The rows kept aside in a batch, of which only the late ones are drawn. */
function aside(batchId: number) {
  const rows = late.filter(pl.col("batch_id").eq(batchId));
  const kinds = Array.from({ length: rows.height }, () => "late");
  const bad = pl.DataFrame([
    asTimestamps(doubles("window_start", [null])),
    asTimestamps(doubles("event_time", [null])),
    doubles("batch_id", [batchId]).cast(pl.Int64),
    pl.Series("kind", ["rejected"], pl.Utf8),
  ]);
  return pl.concat([rows.withColumn(pl.Series("kind", kinds, pl.Utf8)), bad]);
}

/** Lets a drawing that was begun come to its end. */
const settled = async () => {
  for (let i = 0; i < 200; i++) await Promise.resolve();
};

for (const cost of [10, 80, 200]) {
  Deno.test(`a chart that takes ${cost} ms is drawn once a second at most, and for 5 % of the time`, async () => {
    const source = await topic();
    const { chart, shown, time } = watched(() => Promise.resolve(source), cost);
    for (const batch of progress) {
      time.now += 400;
      chart.update(batch);
      await settled();
      const drawn = shown.length - (cost > 80 ? 1 : 0); // what a first one costs is not known
      ok(drawn * cost <= 0.05 * time.now, `${shown.length} drawings in ${time.now} ms`);
    }
    const gaps = shown.slice(1).map(({ at }, i) => at - shown[i]!.at);
    ok(gaps.every((gap) => gap >= 1000));
    ok(shown.length >= (cost === 10 ? 12 : 4), `${shown.length} drawings`);
    await chart.close();
    deepEqual(shown.at(-1)!.content, { "text/html": "", "text/plain": "" });
  });
}

Deno.test("charts of queries side by side share that time, and each is drawn", async () => {
  const shared = { time: { now: 0 }, last: new DrawingTime() };
  const sources = [await topic(), await topic(), await topic()];
  const charts = sources.map((source) => watched(() => Promise.resolve(source), 50, shared));
  for (const batch of progress) {
    for (const { chart } of charts) {
      shared.time.now += 400;
      chart.update(batch);
      await settled();
    }
    const drawn = charts.map(({ shown }) => shown.length).reduce((a, b) => a + b);
    ok(drawn * 50 <= 0.05 * shared.time.now);
  }
  ok(charts.every(({ shown }) => shown.length > 10), charts.map((c) => c.shown.length).join());
  for (const { chart } of charts) await chart.close();
});

Deno.test("the chart has the stairs so far, dots of each batch, and a cross for each late row", async () => {
  const source = await topic();
  const { chart, shown, time, sink } = watched(() => Promise.resolve(source));
  for (const batch of progress.slice(0, 30)) {
    await sink.addBatch(batch.batchId, aside(batch.batchId));
    time.now += 4000;
    chart.update(batch);
    await settled();
  }
  const html = shown.at(-1)!.content["text/html"];
  const crosses = late.filter(pl.col("batch_id").lt(30)).height;
  ok(crosses > 20 && crosses <= 400);
  match(html, new RegExp(`${crosses} rows came after their window was closed`));
  equal([...html.matchAll(/<circle /g)].length > 300, true);
  ok(html.length < 200_000, `${html.length}`);
  ok(!/<script|NaN|undefined/.test(html));
  ok(shown.length > 20);
  await chart.close();
});

Deno.test("a chart that cannot be drawn says so once, and the run goes on", async () => {
  const said: string[] = [];
  const { error } = console;
  console.error = (text: string) => said.push(text);
  try {
    const { chart, shown, time } = watched(() => Promise.reject(new Error("no such topic")));
    for (const batch of progress) {
      time.now += 4000;
      chart.update(batch);
      await settled();
    }
    await chart.close();
    equal(shown.length, 0);
  } finally {
    console.error = error;
  }
  deepEqual(said, ["The chart is no longer drawn while the query runs: no such topic"]);
});
