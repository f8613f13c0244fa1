import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import {
  count,
  MemorySink,
  MemorySource,
  readStream,
  type Schema,
  type Sink,
  TopicLog,
  type WriteOptions,
} from "lib";

const SCHEMA: Schema = [{ name: "t", type: "timestamp" }];
const ROW = '{"t":"2024-01-01T10:00:00Z"}';

/** A source that says whether it was closed, and can go away: then its calls wait for `close`. */
class Away extends MemorySource {
  isClosed = false;
  isAway = false;
  readonly left = Promise.withResolvers<void>();
  readonly #closing = Promise.withResolvers<never>();

  override latestOffsets() {
    if (!this.isAway) return super.latestOffsets();
    this.left.resolve();
    return this.#closing.promise;
  }

  override close() {
    this.isClosed = true;
    this.#closing.promise.catch(() => {});
    this.#closing.reject(new Error("an outage of 120 s"));
    return super.close();
  }
}

function sinkThat(open: () => Promise<void>): Sink & { isClosed: boolean } {
  return {
    description: "S",
    isClosed: false,
    open,
    addBatch: () => Promise.resolve(),
    close() {
      this.isClosed = true;
      return Promise.resolve();
    },
  };
}

function start(source: MemorySource, sink: Sink, options: Partial<WriteOptions>) {
  return readStream(source, SCHEMA)
    .withWatermark("t", "10 seconds").groupByWindow("t", "1 minute").agg({ n: count() })
    .writeStream(sink, { outputMode: "append", checkpointLocation: "", ...options });
}

Deno.test("a start that fails closes source and sinks, and lets the checkpoint go", async () => {
  const dir = await Deno.makeTempDir();
  const fails = () => sinkThat(() => Promise.reject(new Error("no room")));
  const works = () => sinkThat(() => Promise.resolve());
  for (
    const [sink, rejected, checkpointLocation, message] of [
      [works(), fails(), dir, /no room/],
      [fails(), works(), dir, /no room/],
      [works(), works(), "", /checkpointLocation/],
    ] as const
  ) {
    const source = new Away();
    await rejects(start(source, sink, { rejected, checkpointLocation }), message);
    deepEqual([source.isClosed, sink.isClosed, rejected.isClosed], [true, true, true]);
  }
  await (await start(new Away(), works(), { checkpointLocation: dir })).stop(); // it is not locked
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a start that is refused leaves what a running query uses open, and the last one closes it", async () => {
  const dir = await Deno.makeTempDir();
  const places = [join(dir, "a"), join(dir, "b")];
  const [source, sink] = [new Away(), sinkThat(() => Promise.resolve())];
  const isClosed = () => [source.isClosed, sink.isClosed];
  const [first, second] = await Promise.all(
    places.map((checkpointLocation) => start(source, sink, { checkpointLocation })),
  );
  for (const checkpointLocation of [...places, ""]) {
    await rejects(start(source, sink, { checkpointLocation }), /checkpoint/);
    deepEqual(isClosed(), [false, false]);
  }
  await first!.stop();
  deepEqual(isClosed(), [false, false]);
  source.addData([ROW]);
  await second!.processAllAvailable();
  await second!.stop();
  deepEqual(isClosed(), [true, true]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a sink that is none is refused in words", async () => {
  for (const sink of [null, 5, "sink"]) {
    await rejects(start(new Away(), sink as never, { checkpointLocation: "x" }), /sink/);
  }
});

Deno.test("what onProgress throws is told once, with the batch, and the query goes on", async () => {
  for (const onProgress of [() => JSON.parse("{"), () => Promise.reject(new Error("ui broke"))]) {
    const dir = await Deno.makeTempDir();
    const source = new MemorySource();
    source.addData([ROW]);
    const told: string[] = [];
    const warn = console.warn;
    console.warn = (text: string) => told.push(text);
    try {
      const options = { checkpointLocation: dir, trigger: "available-now", onProgress };
      const query = await start(source, new MemorySink(), options);
      await query.awaitTermination();
      equal(query.recentProgress.length, 2);
    } finally {
      console.warn = warn;
    }
    equal(told.length, 1);
    match(told[0]!, /onProgress threw after batch 0, and the query goes on: /);
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("stop() leaves a source that is away, without a failure, and a restart goes on", async () => {
  const dir = await Deno.makeTempDir();
  const source = new Away();
  source.addData([ROW]);
  const query = await start(source, new MemorySink(), { checkpointLocation: dir });
  await query.processAllAvailable();
  source.isAway = true;
  await source.left.promise;
  await query.stop();
  equal(query.exception, null);
  equal(query.status.message, "Stopped");
  ok(source.isClosed);
  const next = new Away();
  next.addData([ROW]);
  next.addData([ROW]);
  const again = await start(next, new MemorySink(), {
    checkpointLocation: dir,
    trigger: "available-now",
  });
  await again.awaitTermination();
  equal(again.lastProgress!.rows.total.read, 2);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a planned batch whose partition is gone runs over what is left, and the loss is counted", async () => {
  const dir = await Deno.makeTempDir();
  const partition = (p: number) => join(dir, "topic", `partition-${p}.jsonl`);
  const checkpointLocation = join(dir, "checkpoint");
  await Deno.mkdir(join(dir, "topic"));
  for (const p of [0, 1]) await Deno.writeTextFile(partition(p), `${ROW}\n${ROW}\n`);
  const run = async () => {
    const source = await TopicLog.open(dir, "topic");
    const query = await readStream(source, SCHEMA, { failOnDataLoss: false })
      .groupByWindow("t", "1 minute").agg({ n: count() })
      .writeStream(new MemorySink(), {
        outputMode: "complete",
        checkpointLocation,
        trigger: "available-now",
      });
    await query.awaitTermination();
    return query.lastProgress!;
  };
  equal((await run()).numInputRows, 4);
  await Deno.remove(join(checkpointLocation, "commits", "0")); // a crash before it was written
  await Deno.remove(partition(1));
  const again = await run();
  deepEqual([again.batchId, again.numInputRows, again.sources[0]!.lostOffsets], [0, 2, 2]);
  equal(
    (await Deno.readTextFile(join(checkpointLocation, "offsets", "0"))).includes("null"),
    false,
  );
  await Deno.writeTextFile(partition(0), `${ROW}\n`, { append: true });
  const next = await run();
  deepEqual([next.batchId, next.numInputRows, next.sources[0]!.endOffset], [1, 1, {
    topic: { "0": 3 },
  }]);
  await Deno.remove(dir, { recursive: true });
});
