import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { MemorySource } from "../../lib/sources/memory.ts";

Deno.test("MemorySource counts blocks, and gives the rows of a range of blocks", async () => {
  const source = new MemorySource();
  deepEqual(await source.latestOffsets(), { "0": 0 });
  source.addData(["a", "€"]);
  source.addData([]);
  source.addData([new TextEncoder().encode("c"), null, ""]);
  deepEqual(await source.earliestOffsets(), { "0": 0 });
  deepEqual(await source.latestOffsets(), { "0": 3 });

  const blocks: [start: number, end: number, values: (string | null)[], offsets: number[]][] = [
    [0, 1, ["a", "€"], [0, 1]],
    [1, 2, [], []],
    [2, 3, ["c", null, ""], [2, 3, 4]],
    [0, 3, ["a", "€", "c", null, ""], [0, 1, 2, 3, 4]],
    [3, 3, [], []],
  ];
  for (const [start, end, expected, offsets] of blocks) {
    const batch = await source.getBatch({ "0": start }, { "0": end });
    equal(batch.length, 1);
    const { partition, bytes, starts, ends, tombstones, offsets: actual } = batch[0]!;
    equal(partition, "0");
    deepEqual([...actual], offsets);
    const values = Array.from(starts, (from, i) => {
      return tombstones?.[i] ? null : new TextDecoder().decode(bytes.subarray(from, ends[i]));
    });
    deepEqual(values, expected);
  }
  await source.close();
});

Deno.test("MemorySource gives the same messages again when the caller's bytes have changed", async () => {
  const source = new MemorySource();
  const bytes = new TextEncoder().encode("before");
  source.addData([bytes]);
  bytes.fill(0);
  const [messages] = await source.getBatch({ "0": 0 }, { "0": 1 });
  equal(new TextDecoder().decode(messages!.bytes), "before");
});

Deno.test("MemorySource refuses blocks it does not have, as after a restart", async () => {
  const source = new MemorySource();
  source.addData(["a"]);
  await rejects(
    source.getBatch({ "0": 1 }, { "0": 3 }),
    /^RangeError: Cannot read blocks 1 to 3: add them first/,
  );
});

Deno.test("addData() takes lists of messages only: a text alone would be one a letter", async () => {
  const source = new MemorySource();
  for (const wrong of ['{"a":1}', undefined, [5], [["x"]], [{}]]) {
    throws(() => source.addData(wrong as never), /^TypeError: addData takes a list of messages/);
  }
  deepEqual(await source.latestOffsets(), { "0": 0 });
});
