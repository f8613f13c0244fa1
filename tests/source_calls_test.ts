/** What a source of one's own gives is looked at before it is written to a checkpoint or counted. */
import { equal, match, rejects } from "node:assert/strict";
import { count, MemorySink, type Messages, type ReadOptions, readStream, type Source } from "lib";
import { messagesOf } from "./json/messages.ts";

const ROW = new TextEncoder().encode('{"t":"2024-01-01T10:00:01Z"}');

/** Three messages of one partition, given as the interface asks but for `wrong`. */
function sourceOf(wrong: Record<string, unknown> = {}): Source {
  return {
    topic: "own",
    description: "Own",
    earliestOffsets: () => Promise.resolve({ "0": 0 }),
    latestOffsets: () => Promise.resolve({ "0": 3 }),
    getBatch: (start, end) => Promise.resolve([messages(start["0"]!, end["0"]! - start["0"]!)]),
    close: () => Promise.resolve(),
    ...wrong,
  };
}

function messages(from: number, length: number, partition = "0"): Messages {
  const all = messagesOf(Array(length).fill(ROW));
  return { ...all, partition, offsets: all.offsets.map((offset) => offset + from) };
}

async function countAll(
  source: Source,
  checkpointLocation: string,
  options: ReadOptions = {},
): Promise<number> {
  const sink = new MemorySink();
  const query = await readStream(source, [{ name: "t", type: "timestamp" }], options)
    .groupByWindow("t", "1 minute").agg({ n: count() })
    .writeStream(sink, { outputMode: "complete", checkpointLocation, trigger: "available-now" });
  await query.awaitTermination();
  return Number(sink.rows().getColumn("n").sum());
}

const OFFSETS = /Own: latestOffsets\(\) must give whole numbers >= 0 by partition/;
const RANGE = /Own: getBatch\(\) gave \d messages with the offsets .* must ascend, from/;
const WRONG: readonly (readonly [what: string, wrong: Record<string, unknown>, says: RegExp])[] = [
  ...[{ "0": NaN }, { "0": 1.5 }, { "0": -1 }, { "0": Infinity }, { "0": 3n }, { "0": "3" }, null]
    .map((offsets) => {
      const latestOffsets = () => Promise.resolve(offsets);
      return [`the offsets ${Deno.inspect(offsets)}`, { latestOffsets }, OFFSETS] as const;
    }),
  ["more than asked for", { getBatch: async () => [await messages(0, 5)] }, RANGE],
  ["messages twice", { getBatch: async () => [await messages(0, 3), messages(0, 3)] }, RANGE],
  ["other offsets", { getBatch: async () => [await messages(7, 3)] }, RANGE],
  ["another partition", { getBatch: async () => [await messages(0, 3, "1")] }, RANGE],
  ["too few bytes", {
    getBatch: async () => [{ ...await messages(0, 3), bytes: ROW }],
  }, /3 offsets, 3 starts and 3 ends in 28 bytes/],
];

Deno.test("a source that gives no offset for a time is refused, and nothing is written", async () => {
  const dir = await Deno.makeTempDir();
  const wrong = sourceOf({ offsetsForTime: () => Promise.resolve({ "0": undefined }) });
  await rejects(
    countAll(wrong, dir, { startingTimestamp: 1 }),
    /offsetsForTime\(\) must give whole/,
  );
  equal([...Deno.readDirSync(dir)].length, 0);
  await Deno.remove(dir, { recursive: true });
});

for (const [what, wrong, says] of WRONG) {
  Deno.test(`a source that gives ${what} ends the query, and its checkpoint is none the worse`, async () => {
    const dir = await Deno.makeTempDir();
    await rejects(countAll(sourceOf(wrong), dir), says);
    equal(await countAll(sourceOf(), dir), 3);
    await Deno.remove(dir, { recursive: true });
  });
}

Deno.test("a source may answer without a promise", async () => {
  const dir = await Deno.makeTempDir();
  const now = { latestOffsets: () => ({ "0": 3 }), getBatch: () => [messages(0, 3)] };
  equal(await countAll(sourceOf(now), dir), 3);
  match(await Deno.readTextFile(`${dir}/offsets/0`), /\{"own":\{"0":3\}\}/);
  await Deno.remove(dir, { recursive: true });
});
