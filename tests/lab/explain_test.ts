import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import { join } from "node:path";
import {
  count,
  isoTime,
  MemorySink,
  type OutputMode,
  readStream,
  type StreamingQuery,
  TopicLog,
} from "lib";

/** A topic of three partitions and a live query on it, driven batch by batch. */
class Bench {
  readonly dir = Deno.makeTempDirSync({ prefix: "explain-" });
  now = Date.UTC(2024, 0, 1, 12);
  query!: StreamingQuery;

  constructor() {
    Deno.mkdirSync(join(this.dir, "t"));
    for (let p = 0; p < 3; p++) this.#append(p, "");
  }

  #append(partition: number, text: string): void {
    Deno.writeTextFileSync(join(this.dir, "t", `partition-${partition}.jsonl`), text, {
      append: true,
    });
  }

  /** Appends rows at seconds after 10:00 to partitions, and runs the batches that they make. */
  async batch(...rows: readonly (readonly [partition: number, time: number])[]): Promise<string> {
    for (const [partition, time] of rows) {
      const event_time = isoTime(Date.UTC(2024, 0, 1, 10) + time * 1000);
      this.#append(partition, JSON.stringify({ event_time }) + "\n");
    }
    await this.query.processAllAvailable();
    return this.query.explain();
  }

  static async start(
    options: { watermark?: boolean; outputMode?: OutputMode; keys?: string[] } = {},
  ): Promise<Bench> {
    const bench = new Bench();
    const rows = readStream(await TopicLog.open(bench.dir, "t"), [{
      name: "event_time",
      type: "timestamp",
    }]);
    const marked = options.watermark === false
      ? rows
      : rows.withWatermark("event_time", "30 seconds");
    const keys = options.keys ?? [];
    bench.query = await marked.groupByWindow("event_time", "1 minute", { keys }).agg({ n: count() })
      .writeStream(new MemorySink(), {
        outputMode: options.outputMode ?? "update",
        checkpointLocation: join(bench.dir, "checkpoint"),
        trigger: "10 minutes",
        noDataMicroBatches: false,
        now: () => bench.now,
      });
    return bench;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.query.stop();
    await Deno.remove(this.dir, { recursive: true });
  }
}

Deno.test("explain() names the watermark, the partition that sets it, and what the next window waits for", async () => {
  await using bench = await Bench.start();
  equal(await bench.batch(), "No batch has run yet.");
  // [10:00--------)[10:01--------)
  //     0   1  2          ^ 80 s in partition 2; 10:00 closes at 90 s
  const text = await bench.batch([0, 5], [1, 30], [2, 50], [2, 80], [2, 70]);
  deepEqual(text.split("\n"), [
    "Batch 0 read 5 rows, the newest 2024-01-01T10:01:20.000Z in partition 2. " +
    "Watermark 1970-01-01T00:00:00.000Z: windows closed 0, open 2; late rows 0.",
    "The watermark is 2024-01-01T10:00:50.000Z. The newest event time is 2024-01-01T10:01:20.000Z, " +
    "in partition 2; the delay is 30 s.",
    "Next to close is the window from 2024-01-01T10:00:00.000Z, 3 rows so far: " +
    "it waits for an event time of 2024-01-01T10:01:30.000Z, 10 s on.",
  ]);
  match(await bench.batch([0, 95]), /Next to close .*, 3 rows so far: the next batch closes it\./);
  match(await bench.batch([0, 96]), /windows closed 1, open 1/);
});

Deno.test("explain() counts the rows of a window over all of its keys", async () => {
  await using bench = await Bench.start({ keys: ["event_time"] });
  const text = await bench.batch([0, 30], [1, 5], [1, 5], [2, 50], [2, 80]);
  match(text, /: groups closed 0, open 4; late rows 0\./);
  match(text, /Next to close is the window from 2024-01-01T10:00:00\.000Z, 4 rows so far: /);
});

Deno.test("explain() knows the newest row of a partition that is read in chunks", async () => {
  await using bench = await Bench.start();
  const later = Array.from({ length: 6000 }, (_, i) => [1, i % 10] as const);
  match(
    await bench.batch([0, 20], [1, 100], ...later),
    /the newest 2024-01-01T10:01:40.000Z in partition 1/,
  );
});

Deno.test("explain() warns of an idle partition and of one that is behind", async () => {
  await using bench = await Bench.start();
  let text = await bench.batch([0, 0], [1, 0], [2, 0]);
  for (let i = 1; i < 5; i++) text = await bench.batch([0, i * 10], [1, i * 10]);
  doesNotMatch(text, /idle/); // four batches without it
  text = await bench.batch([0, 60], [1, 85]);
  match(text, /Warning: partition 2 is idle: no row in 5 batches with data\./);
  doesNotMatch(text, /partition [01] is/);
  doesNotMatch(text, /behind/);
  match(await bench.batch([1, 91]), /Warning: partition 2 is 91 s behind: its rows come late\./);
});

Deno.test("explain() warns of a watermark that does not move", async () => {
  await using bench = await Bench.start();
  await bench.batch([0, 100], [1, 100], [2, 100]);
  let text = "";
  for (let i = 0; i < 4; i++) text = await bench.batch([0, 90], [1, 90], [2, 90]);
  doesNotMatch(text, /not moved/);
  for (let i = 0; i < 2; i++) text = await bench.batch([0, 90], [1, 90], [2, 90]);
  match(text, /Warning: the watermark has not moved in 5 batches/);
  doesNotMatch(await bench.batch([0, 101]), /not moved/);
});

Deno.test("explain() warns of an event time ahead of the clock", async () => {
  await using bench = await Bench.start();
  doesNotMatch(await bench.batch([0, 7200], [1, 7200], [2, 7200]), /Warning/);
  match(await bench.batch([1, 7300]), /Warning: partition 1 runs ahead of the clock: maxAhead/);
});

Deno.test("explain() says that nothing is final without a watermark and in complete mode", async () => {
  await using bench = await Bench.start({ watermark: false });
  match(await bench.batch([0, 1]), /^There is no watermark/);
  await using complete = await Bench.start({ outputMode: "complete" });
  match(await complete.batch([0, 1]), /^In complete mode each batch writes all windows/);
});
