import { Buffer } from "node:buffer";
import { deepEqual, equal, match } from "node:assert/strict";
import { join } from "node:path";
import {
  count,
  isoTime,
  MemorySink,
  MemorySource,
  readStream,
  type Sink,
  type Source,
  type StreamingQueryProgress,
  type WriteOptions,
} from "lib";
import { sealLines } from "../lib/checkpoint/lines.ts";

/** A topic that can be deleted and made anew; an offset is a block of one row. */
class Topic {
  #log = new MemorySource();
  #generation = 1;
  /** Whether the source can tell its generations apart. */
  hasIdentity = true;

  /** Adds rows with these event times, in seconds. */
  add(...seconds: readonly number[]): void {
    for (const s of seconds) {
      this.#log.addData([JSON.stringify({ event_time: isoTime(s * 1000) })]);
    }
  }

  makeAnew(...seconds: readonly number[]): void {
    this.#log = new MemorySource();
    this.#generation++;
    this.add(...seconds);
  }

  get source(): Source {
    return {
      topic: "t",
      description: "Topic[t]",
      identity: this.hasIdentity ? `generation ${this.#generation}` : undefined,
      earliestOffsets: () => this.#log.earliestOffsets(),
      latestOffsets: () => this.#log.latestOffsets(),
      getBatch: (start, end) => this.#log.getBatch(start, end),
      close: () => Promise.resolve(),
    };
  }

  /** The same source over all changes, as one that stays open sees them. */
  get openSource(): Source {
    const topic = () => this.source;
    return {
      ...topic(),
      get identity() {
        return topic().identity;
      },
    };
  }
}

interface Run extends Partial<WriteOptions> {
  readonly failOnDataLoss?: boolean;
  readonly startingOffsets?: "latest";
  readonly maxOffsetsPerTrigger?: number;
}

/** Starts a query on a source; `batches` gets [batch id, rows read, offsets lost] of each batch. */
async function start(source: Source, checkpointLocation: string, run: Run = {}, sink?: Sink) {
  const batches: (number | undefined)[][] = [];
  const onProgress = ({ batchId, numInputRows, sources }: StreamingQueryProgress) =>
    batches.push([batchId, numInputRows, sources[0]!.lostOffsets]);
  const { failOnDataLoss = true, startingOffsets, maxOffsetsPerTrigger, ...write } = run;
  const read = { failOnDataLoss, startingOffsets, maxOffsetsPerTrigger };
  const query = await readStream(source, [{ name: "event_time", type: "timestamp" }], read)
    .withWatermark("event_time", "0 seconds")
    .groupByWindow("event_time", "10 seconds")
    .agg({ n: count() })
    .writeStream(sink ?? new MemorySink(), {
      outputMode: "update",
      trigger: "available-now",
      checkpointLocation,
      noDataMicroBatches: false,
      onProgress,
      ...write,
    });
  return { query, batches };
}

/** Runs a query over what is there; returns its batches, or the message of its failure. */
async function play(source: Source, dir: string, run?: Run, sink?: Sink) {
  const { query, batches } = await start(source, dir, run, sink);
  const failed = await query.awaitTermination().then(() => undefined, (error: Error) => error);
  return failed?.message ?? batches;
}

const BROKEN: Sink = {
  description: "MemorySink",
  addBatch: () => Promise.reject(new Error("full")),
};

async function withFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "anew-" });
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const REFUSED =
  /Data of Topic\[t\] is lost: it was deleted and made anew \(its id is generation 2, and was generation 1\)\. Start over with a new checkpoint/;

Deno.test("a topic made anew is refused at a restart, also if it has grown past the checkpoint", async () => {
  for (const length of [0, 1, 3, 9]) {
    await withFolder(async (dir) => {
      const topic = new Topic();
      topic.add(1, 2, 3);
      deepEqual(await play(topic.source, dir), [[0, 3, undefined]]);
      topic.makeAnew(...Array(length).keys());
      match(await play(topic.source, dir) as string, REFUSED);
      // With failOnDataLoss: false it is read from its beginning, and from then on it is the topic.
      const run = { failOnDataLoss: false };
      deepEqual(await play(topic.source, dir, run), length ? [[1, length, undefined]] : []);
      topic.add(50);
      const rows = length ? [2, 1, undefined] : [1, 1, undefined];
      deepEqual(await play(topic.source, dir, run), [rows]);
    });
  }
});

Deno.test("a topic made anew while the query runs is noticed, and what was not read of it is counted", async () => {
  for (const failOnDataLoss of [true, false]) {
    await withFolder(async (dir) => {
      const topic = new Topic();
      topic.add(1, 2, 3, 4, 5);
      const { query, batches } = await start(topic.openSource, dir, {
        failOnDataLoss,
        trigger: "1 millisecond",
        maxOffsetsPerTrigger: 3,
        onProgress: ({ batchId, numInputRows, sources }) => {
          batches.push([batchId, numInputRows, sources[0]!.lostOffsets]);
          if (batchId === 0) topic.makeAnew(5, 6, 7, 8, 9, 10);
        },
      });
      const failed = await query.processAllAvailable().then(() => undefined, (error) => error);
      await query.stop();
      if (failOnDataLoss) match(failed.message, REFUSED);
      else deepEqual(batches, [[0, 3, undefined], [1, 3, 2], [2, 3, 2]]);
    });
  }
});

Deno.test("a batch that was planned before the topic was made anew reads none of the new one", async () => {
  await withFolder(async (dir) => {
    const topic = new Topic();
    topic.add(1, 2);
    match(await play(topic.source, dir, {}, BROKEN) as string, /full/);
    topic.makeAnew(11, 12, 13);
    match(await play(topic.source, dir) as string, REFUSED);
    const run = { failOnDataLoss: false };
    // 0 was planned of the old topic; 1 takes the new one from its beginning
    deepEqual(await play(topic.source, dir, run), [[0, 0, 2], [1, 3, 2]]);
  });
});

Deno.test("a batch planned of the new topic runs again as planned, from its beginning", async () => {
  await withFolder(async (dir) => {
    const topic = new Topic();
    topic.add(1, 2);
    await play(topic.source, dir);
    topic.makeAnew(11, 12, 13);
    const run = { failOnDataLoss: false };
    match(await play(topic.source, dir, run, BROKEN) as string, /full/);
    topic.add(14);
    deepEqual(await play(topic.source, dir, run), [[1, 3, undefined], [2, 1, undefined]]);
  });
});

Deno.test("a topic made anew before the first batch is noticed too", async () => {
  await withFolder(async (dir) => {
    const topic = new Topic();
    topic.add(1, 2);
    deepEqual(await play(topic.source, dir, { startingOffsets: "latest" }), []);
    topic.makeAnew(11, 12, 13);
    match(await play(topic.source, dir) as string, REFUSED);
  });
});

Deno.test("a checkpoint without an id is gone on from, and has one from the next batch on", async () => {
  await withFolder(async (dir) => {
    const topic = new Topic();
    topic.hasIdentity = false;
    topic.add(1, 2);
    await play(topic.source, dir);
    topic.hasIdentity = true;
    topic.add(3);
    deepEqual(await play(topic.source, dir), [[1, 1, undefined]]);
    topic.makeAnew(11, 12, 13, 14);
    match(await play(topic.source, dir) as string, REFUSED);
  });
});

Deno.test("a source that cannot tell for a while is read on, and its id is kept", async () => {
  await withFolder(async (dir) => {
    const topic = new Topic();
    topic.add(1, 2);
    await play(topic.source, dir);
    topic.hasIdentity = false;
    topic.add(3);
    deepEqual(await play(topic.source, dir), [[1, 1, undefined]]);
    topic.hasIdentity = true;
    topic.makeAnew(11, 12, 13, 14);
    match(await play(topic.source, dir) as string, REFUSED);
  });
});

Deno.test("offsets/N as an earlier version wrote it, without an id, opens", async () => {
  await withFolder(async (dir) => {
    const topic = new Topic();
    topic.add(1, 2);
    await play(topic.source, dir);
    for (const [place, end] of [["offsets/0", 2], ["sources/0/0", 0]] as const) {
      const first = { batchWatermarkMs: 0, batchTimestampMs: 0, conf: {} };
      const lines = [JSON.stringify({ t: { 0: end } })];
      await Deno.writeFile(join(dir, place), Buffer.concat(sealLines(place, first, lines)));
    }
    topic.add(3);
    deepEqual(await play(topic.source, dir), [[1, 1, undefined]]);
    equal((await Deno.readTextFile(join(dir, "offsets/1"))).includes("generation 1"), true);
  });
});
