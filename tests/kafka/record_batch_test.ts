import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as zlib from "node:zlib";
import { messagesOf, recordBatches, within } from "../../lib/kafka/record_batch.ts";
import { batch, read, valuesOf } from "./batches.ts";

const TRANSACTIONAL = 0x10;

const MARKER = 0x30; // transactional and control

Deno.test("within() takes the offsets of the half-open range and no other", () => {
  // [--10 11 12--)[--13 14--)
  //       ^ from         ^ end
  const records = Buffer.concat([batch(10, ["a", "b", "c"]), batch(13, ["d", "e"])]);
  const { next, values, messages } = read(records, { from: 11, end: 14 });
  assert.deepEqual(values, ["b", "c", "d"]);
  assert.deepEqual([...messages.offsets], [11, 12, 13]);
  assert.equal(next, 15);
  for (let from = 9; from < 16; from++) {
    for (let end = from; end < 16; end++) {
      const expected = ["a", "b", "c", "d", "e"].filter((_, i) => 10 + i >= from && 10 + i < end);
      assert.deepEqual(read(records, { from, end }).values, expected, `[${from}, ${end})`);
    }
  }
});

Deno.test("messagesOf() gives views of few buffers, and joins many into one of its own", () => {
  for (let buffers = 1; buffers < 9; buffers++) {
    const fetched = Array.from(
      { length: buffers },
      (_, i) =>
        Uint8Array.from(
          Buffer.concat([batch(4 * i, ["a", `${i}`]), batch(4 * i + 2, [null, "b"])]),
        ),
    );
    const batches = fetched.flatMap((records) => [...recordBatches({ aborted: [], records })]);
    const inner = batches.map((batch) => within(batch, 1, 4 * buffers - 1));
    const messages = messagesOf(inner, "7");
    const expected = fetched.flatMap((_, i) => ["a", `${i}`, "", "b"]).slice(1, -1);
    assert.deepEqual(messages.flatMap(valuesOf), expected);
    assert.deepEqual(
      messages.flatMap(({ offsets }) => [...offsets]),
      expected.map((_, i) => i + 1),
    );
    const isView = messages.every(({ bytes }, i) => bytes.buffer === fetched[i]!.buffer);
    assert.equal(isView, messages.length === buffers && !messages.some((m) => m.isGivenAway));
    assert.equal(messages.length, buffers <= 4 ? buffers : 1);
    for (const { partition, tombstones, bytes, isGivenAway } of messages) {
      assert.equal(partition, "7");
      assert.ok(tombstones!.includes(1));
      if (isGivenAway) assert.equal(bytes.buffer.byteLength, bytes.length);
    }
  }
  assert.deepEqual(messagesOf([], "7").map(valuesOf), [[]]);
});

Deno.test("messagesOf() marks null values and keeps empty ones apart from them", () => {
  const { values, messages } = read(batch(0, [null, "", "x"]));
  assert.deepEqual(values, ["", "", "x"]);
  assert.deepEqual([...messages.tombstones!], [1, 0, 0]);
  assert.equal(read(batch(0, ["x"])).messages.tombstones, undefined);
  const two = read(Buffer.concat([batch(0, ["x"]), batch(1, [null, "y"])]), { from: 0, end: 2 });
  assert.deepEqual([...two.messages.tombstones!], [0, 1]);
});

Deno.test("recordBatches() leaves aborted transactions out until their end marker", () => {
  const records = Buffer.concat([
    batch(0, ["aborted"], { producerId: 7, attributes: TRANSACTIONAL }),
    batch(1, ["kept"], { producerId: 8, attributes: TRANSACTIONAL }),
    batch(2, ["not in a transaction"], { producerId: 7 }),
    batch(3, ["\0\0\0\0"], { producerId: 7, attributes: MARKER }),
    batch(4, ["kept too"], { producerId: 7, attributes: TRANSACTIONAL }),
    batch(5, ["aborted again"], { producerId: 8, attributes: TRANSACTIONAL }),
  ]);
  const aborted = [{ producerId: 7, firstOffset: 0 }, { producerId: 8, firstOffset: 5 }];
  const { next, values } = read(records, { from: 0, end: 6 }, aborted);
  assert.deepEqual(values, ["kept", "not in a transaction", "kept too"]);
  assert.equal(next, 6);
});

Deno.test("recordBatches() keeps the gaps that compaction leaves", () => {
  const records = Buffer.concat([
    batch(3, ["a", "b"], { deltas: [1, 6], lastDelta: 9 }),
    batch(20, [], { lastDelta: 4 }),
  ]);
  const { messages, next } = read(records);
  assert.deepEqual([...messages.offsets], [4, 9]);
  assert.equal(next, 25);
});

Deno.test("recordBatches() reads compressed records, whatever the batch lies in", () => {
  for (const [codec, compress] of [[1, zlib.gzipSync], [4, zlib.zstdCompressSync]] as const) {
    const first = batch(0, ["a", "b"], {
      attributes: codec,
      change: (records) => compress(records),
    });
    const records = Buffer.concat([Buffer.alloc(7), first, batch(2, ["c"])]).subarray(7);
    assert.deepEqual(read(records).values, ["a", "b", "c"]);
  }
});
