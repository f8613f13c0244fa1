import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import pl from "polars";
import {
  count,
  MemorySink,
  MemorySource,
  type ReadOptions,
  readStream,
  type WatermarkOptions,
  type WindowOptions,
  type WriteOptions,
} from "lib";

interface Options {
  readonly read?: ReadOptions;
  readonly delay?: string;
  readonly watermark?: WatermarkOptions;
  readonly window?: string;
  readonly grouping?: WindowOptions;
  readonly write?: Partial<WriteOptions>;
}

/** Runs a query over two rows with these options to its end; returns the ids of its batches. */
async function run(options: Options, dir: string): Promise<number[]> {
  const source = new MemorySource();
  source.addData(['{"t":"2024-01-01T10:00:00Z"}', '{"t":"2024-01-01T10:00:01Z"}']);
  const query = await readStream(source, [{ name: "t", type: "timestamp" }], options.read)
    .withWatermark("t", options.delay ?? "10 seconds", options.watermark)
    .groupByWindow("t", options.window ?? "1 minute", options.grouping)
    .agg({ n: count() })
    .writeStream(new MemorySink(), {
      outputMode: "append",
      checkpointLocation: join(dir, "checkpoint"),
      trigger: "available-now",
      ...options.write,
    });
  await query.awaitTermination(2_000);
  await query.stop();
  return query.recentProgress.map(({ batchId }) => batchId);
}

/** What somebody who is in a hurry, or another program, may give as `T`. */
const odd = (value: unknown) => value as never;

Deno.test("a wrong option is refused with its name, what it is and what is allowed, and nothing is written", async () => {
  const cases: [Options, string, RegExp][] = [
    ...[0, -5, NaN, 1.5, Infinity, odd("5"), odd(null)].map((max): [Options, string, RegExp] => [
      { read: { maxOffsetsPerTrigger: max } },
      typeof max === "number" && !Number.isNaN(max) ? "RangeError" : "TypeError",
      /^readStream: maxOffsetsPerTrigger must be a whole number > 0, got (0|-5|NaN|1\.5|Infinity|"5"|null)$/,
    ]),
    [
      { read: odd({ maxOffsetPerTriger: 1 }) },
      "TypeError",
      /no maxOffsetPerTriger, only .*Did you mean maxOffsetsPerTrigger\?/,
    ],
    [{ read: { failOnDataLoss: odd("false") } }, "TypeError", /must be true or false, got "false"/],
    [
      { read: { startingOffsets: odd("first") } },
      "TypeError",
      /startingOffsets must be "earliest"/,
    ],
    [{ read: { startingOffsets: { "0": -5 } } }, "RangeError", /startingOffsets must be .*"0": -5/],
    [{ read: { startingOffsets: { "0": 7 } } }, "RangeError", /says 7 for partition 0.* 0 to 1/],
    [{ read: { startingOffsets: { "3": 0 } } }, "RangeError", /names partition 3.*only 0/],
    [{ read: { startingTimestamp: 0.5 } }, "RangeError", /startingTimestamp must be epoch millis/],
    [{ read: { startingTimestamp: 5 } }, "TypeError", /MemorySource keeps no message times/],
    [{ delay: "-10 seconds" }, "RangeError", /delay must be .*should not be negative/],
    [{ delay: "1.5 minutes" }, "SyntaxError", /delay must be .*only seconds may have a fraction/],
    [{ watermark: { idleAfter: "0 seconds" } }, "RangeError", /idleAfter must be .* at least 1 ms/],
    [{ watermark: { maxAhead: odd(5) } }, "TypeError", /maxAhead must be a duration/],
    [{ watermark: odd({ idelAfter: "1 day" }) }, "TypeError", /Did you mean idleAfter\?/],
    [{ window: "0 seconds" }, "RangeError", /window must be a duration .*at least 1 ms/],
    [{ window: "1 month" }, "RangeError", /"1 month": months have no fixed length/],
    [{ window: "1500 microseconds" }, "RangeError", /give whole milliseconds/],
    [{ grouping: { slide: "2 minutes" } }, "RangeError", /need 0 < slide <= window/],
    [{ grouping: { keys: odd("t") } }, "TypeError", /keys must be a list of names, got "t"/],
    [{ write: { outputMode: odd("apend") } }, "TypeError", /outputMode must be append, update or/],
    [{ write: { trigger: "often" } }, "SyntaxError", /trigger must be .*available-now.*"often"/],
    [{ write: { checkpointLocation: "" } }, "RangeError", /checkpointLocation must be a folder/],
    [{ write: { minBatchesToRetain: 0 } }, "RangeError", /minBatchesToRetain must be a whole/],
    [{ write: { noDataMicroBatches: odd("no") } }, "TypeError", /noDataMicroBatches must be true/],
    [{ write: { rejected: odd("folder") } }, "TypeError", /rejected must be a Sink/],
    [{ read: odd(null) }, "TypeError", /^readStream: options must be an object, got null$/],
    [{ watermark: odd(5) }, "TypeError", /^withWatermark: options must be an object, got 5$/],
    [
      { write: { rows: odd({}) } },
      "TypeError",
      /rows.where must be a Polars expression, got undef/,
    ],
    [{ write: { rows: odd(true) } }, "TypeError", /^writeStream: rows must be an object, got true/],
    [
      { write: { rows: odd({ where: pl.lit(true), columns: "t", sink: new MemorySink() }) } },
      "TypeError",
      /^writeStream: rows.columns must be a list of names, got "t"$/,
    ],
    [{ write: odd({ checkpointLocaton: "x" }) }, "TypeError", /Did you mean checkpointLocation\?/],
  ];
  const dir = await Deno.makeTempDir();
  for (const [options, name, message] of cases) {
    await rejects(run(options, dir), (error: Error) => {
      equal(error.name, name, error.message);
      match(error.message, message);
      return true;
    });
    deepEqual([...Deno.readDirSync(dir)], [], `${message} came after something was written`);
  }
  await Deno.remove(dir);
});

Deno.test("random options run, or are refused before anything is written", async () => {
  const value = fc.oneof(
    fc.constantFrom(undefined, null, true, 0, -1, 1, 2, 1.5, NaN, "", "earliest", "append"),
    fc.constantFrom("1 second", "5 minutes", "1 month", "once", "-1 day", "1 constructor"),
    fc.double(),
    fc.dictionary(fc.string({ maxLength: 2 }), fc.integer({ min: -3, max: 2 }), { maxKeys: 2 }),
  );
  const place = fc.constantFrom(
    ...["startingOffsets", "maxOffsetsPerTrigger", "failOnDataLoss", "x"].map((n) => ["read", n]),
    ...["maxAhead", "idleAfter"].map((name) => ["watermark", name]),
    ...["slide", "startTime", "keys"].map((name) => ["grouping", name]),
    ...["outputMode", "trigger", "minBatchesToRetain", "name", "now"].map((n) => ["write", n]),
  );
  const options = fc.array(fc.tuple(place, value), { maxLength: 2 }).map((chosen) => {
    const given: Record<string, Record<string, unknown>> = {};
    for (const [[verb, name], value] of chosen) {
      given[verb!] = { ...given[verb!], [name!]: value };
    }
    return given;
  });
  let ran = 0;
  await fc.assert(
    fc.asyncProperty(options, async (given) => {
      const dir = await Deno.makeTempDir();
      try {
        await run(odd(given), dir);
        ran++;
      } catch {
        deepEqual([...Deno.readDirSync(dir)], []);
      } finally {
        await Deno.remove(dir, { recursive: true });
      }
    }),
    { seed: 17, numRuns: 150 },
  );
  equal(ran > 0, true);
});

Deno.test("a trigger longer than the runtime's timers waits, and stop() ends the wait", async () => {
  const source = new MemorySource();
  source.addData(['{"t":"2024-01-01T10:00:00Z"}']);
  let looks = 0;
  const find = source.latestOffsets.bind(source);
  source.latestOffsets = () => (looks++, find());
  const dir = await Deno.makeTempDir();
  const done = Promise.withResolvers<void>();
  const query = await readStream(source, [{ name: "t", type: "timestamp" }])
    .groupByWindow("t", "1 minute")
    .agg({ n: count() })
    .writeStream(new MemorySink(), {
      outputMode: "complete",
      checkpointLocation: dir,
      trigger: "1 month",
      onProgress: () => done.resolve(),
    });
  await done.promise;
  const before = looks;
  equal(await query.awaitTermination(300), false);
  equal(looks, before);
  await query.stop();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a clock that gives no time ends the query before its first batch, and waits take a length", async () => {
  const dir = await Deno.makeTempDir();
  await rejects(
    run({ write: { now: () => NaN } }, dir),
    /batch 0.*now\(\) must give epoch ms, got NaN/,
  );
  await rejects(Deno.stat(join(dir, "checkpoint", "offsets", "0")), Deno.errors.NotFound);
  const query = await readStream(new MemorySource(), [{ name: "t", type: "timestamp" }])
    .groupByWindow("t", "1 minute").agg({ n: count() })
    .writeStream(new MemorySink(), { outputMode: "update", checkpointLocation: join(dir, "b") });
  for (const ms of [-1, NaN]) {
    await rejects(query.awaitTermination(ms), /must be a number >= 0, got/);
  }
  equal(await query.awaitTermination(0), false);
  await query.stop();
  await Deno.remove(dir, { recursive: true });
});
