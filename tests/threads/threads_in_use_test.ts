// Threads as queries and topic logs use them; a thread that has died is not replaced, so that comes last.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { count, MemorySink, readStream, type Source, sum, TopicLog } from "lib";
import { ChunkPool } from "../../lib/threads/pool.ts";
import type { Messages, Schema, Sink } from "../../lib/core/types.ts";
import { randoms } from "../faults/program.ts";

const schema: Schema = [{ name: "event_time", type: "timestamp" }];
const LINE = `{"event_time":"2024-01-01T10:00:00Z","pad":"${"x".repeat(955)}"}\n`;
/** 24 MB a partition: enough for a thread to count too. */
const ROWS = 24_000;

const workers: SpiedWorker[] = [];

class SpiedWorker extends Worker {
  isTerminated = false;
  /** Resolved once it is asked to count. */
  readonly isCounting = Promise.withResolvers<void>();

  constructor(...args: ConstructorParameters<typeof Worker>) {
    super(...args);
    workers.push(this);
  }

  override postMessage(message: object, moved?: StructuredSerializeOptions | Transferable[]): void {
    if ("scan" in message) this.isCounting.resolve();
    super.postMessage(message, moved as Transferable[]);
  }

  override terminate(): void {
    this.isTerminated = true;
    super.terminate();
  }
}
globalThis.Worker = SpiedWorker;

async function withLog(
  body: (log: TopicLog, append: (partition: number, rows: number) => void) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "count-" });
  const append = (partition: number, rows: number) =>
    Deno.writeTextFileSync(join(dir, "t", `partition-${partition}.jsonl`), LINE.repeat(rows), {
      append: true,
    });
  const pool = new ChunkPool();
  try {
    await Deno.mkdir(join(dir, "t"));
    for (const partition of [0, 1, 2]) append(partition, ROWS);
    pool.prepare({ schema });
    await body(await TopicLog.open(dir, "t"), append);
  } finally {
    pool.close();
    await Deno.remove(dir, { recursive: true });
  }
}

/** The lengths of the values in `[start, end)` of each partition. */
async function lengths(log: TopicLog, start: number, end: number): Promise<Set<number>> {
  const of = (offset: number) => ({ "0": offset, "1": offset, "2": offset });
  const batch: readonly Messages[] = await log.getBatch(of(start), of(end));
  deepEqual(batch.map(({ starts }) => starts.length), Array(3).fill(end - start));
  return new Set(batch.flatMap(({ starts, ends }) => [...ends.map((at, i) => at - starts[i]!)]));
}

Deno.test("a thread counts some of the lines, and two queries on one log count alike", () =>
  withLog(async (log, append) => {
    const first = log.latestOffsets();
    await workers.at(-1)!.isCounting.promise;
    append(0, 7); // not seen by who began before
    const second = log.latestOffsets();
    append(2, 5);
    const counts = await Promise.all([first, second, log.latestOffsets()]);
    for (const offsets of counts) {
      for (const [partition, more] of [7, 0, 5].entries()) {
        ok([ROWS, ROWS + more].includes(offsets[partition]!), JSON.stringify(offsets));
      }
    }
    deepEqual(await log.latestOffsets(), { "0": ROWS + 7, "1": ROWS, "2": ROWS + 5 });
    // Every mark is where a line starts.
    for (const start of [0, 31, 32, 9_999, ROWS - 40]) {
      deepEqual(await lengths(log, start, start + 40), new Set([LINE.length - 1]));
    }
  }));

Deno.test("sums of doubles have the same bits, whichever thread reads which rows", async () => {
  const random = randoms(3);
  const dir = await Deno.makeTempDir({ prefix: "sums-" });
  try {
    await Deno.mkdir(join(dir, "t"));
    for (const partition of [0, 1, 2]) {
      const lines = Array.from({ length: 30_000 }, (_, i) => {
        const time = new Date(1_704_103_200_000 + i).toISOString();
        return `{"event_time":"${time}","v":${(random() - 0.5) * 10 ** (i % 9)}}\n`;
      });
      await Deno.writeTextFile(join(dir, "t", `partition-${partition}.jsonl`), lines.join(""));
    }
    const sums: unknown[] = [];
    for (let run = 0; run < 4; run++) {
      const rows = readStream(await TopicLog.open(dir, "t"), [
        ...schema,
        { name: "v", type: "double" },
      ]);
      const sink = new MemorySink();
      const query = await rows.groupByWindow("event_time", "1 minute").agg({ v: sum("v") })
        .writeStream(sink, {
          outputMode: "complete",
          checkpointLocation: join(dir, `checkpoint-${run}`),
          trigger: "available-now",
        });
      await query.awaitTermination();
      sums.push(query.openWindows.getColumn("v").toArray());
    }
    for (const other of sums) deepEqual(other, sums[0]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("no thread stays when a query cannot start", async () => {
  const source: Source = {
    topic: "t",
    description: "T",
    earliestOffsets: () => Promise.resolve({ "0": 0 }),
    latestOffsets: () => Promise.resolve({ "0": 0 }),
    getBatch: () => Promise.resolve([]),
    unreadBytes: () => 1e9,
    close: () => Promise.resolve(),
  };
  const result = readStream(source, schema).groupByWindow("event_time", "1 minute")
    .agg({ n: count() });
  const dir = await Deno.makeTempDir({ prefix: "leak-" });
  try {
    const file = join(dir, "file");
    await Deno.writeTextFile(file, "");
    const refusing: Sink = {
      description: "full",
      open: () => Promise.reject(new Error("no room")),
      addBatch: () => Promise.resolve(),
    };
    const sinks: [string, Sink][] = [[file, new MemorySink()], [join(dir, "c"), refusing]];
    for (const [checkpointLocation, sink] of sinks) {
      const before = workers.length;
      const options = { outputMode: "complete", checkpointLocation } as const;
      await rejects(result.writeStream(sink, options));
      equal(workers.length, before + 1);
      ok(workers.at(-1)!.isTerminated);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("lines that a thread was to count when it died are counted here", () =>
  withLog(async (log) => {
    const { warn } = console;
    const said: string[] = [];
    console.warn = (text: string) => said.push(text);
    try {
      const counting = log.latestOffsets();
      const worker = workers.at(-1)!;
      await worker.isCounting.promise;
      worker.dispatchEvent(new ErrorEvent("error", { message: "out of memory", cancelable: true }));
      deepEqual(await counting, { "0": ROWS, "1": ROWS, "2": ROWS });
      ok(worker.isTerminated);
      deepEqual(await lengths(log, ROWS - 40, ROWS), new Set([LINE.length - 1]));
      deepEqual(said, [
        "Rows are read without a further thread, which takes longer: out of memory",
      ]);
    } finally {
      console.warn = warn;
    }
  }));
