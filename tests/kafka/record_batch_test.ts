import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as zlib from "node:zlib";
import { crc32c } from "@node-rs/crc32";
import type { Messages } from "../../lib/core/types.ts";
import { endOf, messagesOf, recordBatches, within } from "../../lib/kafka/record_batch.ts";

interface BatchOptions {
  readonly producerId?: number;
  readonly attributes?: number;
  readonly magic?: number;
  /** Offsets of the records from the first on; 0, 1, 2, … if absent. */
  readonly deltas?: readonly number[];
  readonly lastDelta?: number;
  readonly count?: number;
  /** Changes the records before they are sealed and compressed. */
  readonly change?: (records: Buffer) => Uint8Array;
}

const TRANSACTIONAL = 0x10;
const MARKER = 0x30; // transactional and control

/** A record batch with one message a value, as a broker stores it. */
function batch(baseOffset: number, values: readonly (string | null)[], options: BatchOptions = {}) {
  const deltas = options.deltas ?? values.map((_, i) => i);
  const plain = Buffer.from(values.flatMap((value, i) => {
    const body = value === null ? [1] : [...varint(2 * value.length), ...Buffer.from(value)];
    // attributes, time, offset, a key of one byte, value, one header
    const record = [0, 0, ...varint(2 * deltas[i]!), 2, 107, ...body, 2, 2, 104, 2, 33];
    return [...varint(2 * record.length), ...record];
  }));
  const records = options.change?.(plain) ?? plain;
  const buffer = Buffer.alloc(61 + records.length);
  buffer.writeBigInt64BE(BigInt(baseOffset), 0);
  buffer.writeInt32BE(buffer.length - 12, 8);
  buffer.writeInt8(options.magic ?? 2, 16);
  buffer.writeInt16BE(options.attributes ?? 0, 21);
  buffer.writeInt32BE(options.lastDelta ?? deltas.at(-1) ?? 0, 23);
  buffer.writeBigInt64BE(BigInt(options.producerId ?? -1), 43);
  buffer.writeInt32BE(options.count ?? values.length, 57);
  buffer.set(records, 61);
  return sealed(buffer);
}

/** Writes the checksum that the producer would have written. */
function sealed(buffer: Buffer): Buffer {
  buffer.writeUInt32BE(crc32c(buffer.subarray(21)), 17);
  return buffer;
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...varint(value >>> 7)];
}

function read(
  records: Uint8Array,
  range: { from: number; end: number } = { from: 0, end: Infinity },
  aborted: { producerId: number; firstOffset: number }[] = [],
) {
  const batches = [...recordBatches({ aborted, records })];
  const parts = batches.map((batch) => within(batch, range.from, range.end));
  const all = messagesOf(parts, "0");
  return { next: batches.at(-1)?.next, values: all.flatMap(valuesOf), messages: all[0]! };
}

function valuesOf({ bytes, starts, ends }: Messages): string[] {
  return Array.from(starts, (start, i) => Buffer.from(bytes.subarray(start, ends[i])).toString());
}

function assertRefused(records: Uint8Array, message: RegExp, name = ""): void {
  assert.throws(() => read(records), { name: "SyntaxError", message }, name);
}

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

Deno.test("recordBatches() leaves out a last batch that is cut off, and refuses a first one", () => {
  const [first, second] = [batch(0, ["a", "b"]), batch(2, ["c"])];
  for (let size = 0; size < second.length; size++) {
    const records = Buffer.concat([first, second.subarray(0, size)]);
    assert.deepEqual([read(records).values, endOf(records)], [["a", "b"], 2], `${size} bytes`);
  }
  for (let size = 61; size < first.length; size++) {
    assertRefused(
      first.subarray(0, size),
      /offset 0 cannot be read, it is cut off after \d+ bytes/,
    );
  }
  assert.equal(endOf(Buffer.concat([first, second])), 3);
  assert.equal(endOf(new Uint8Array()), -1);
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

Deno.test("recordBatches() notices each byte that has changed behind the checksum", () => {
  const whole = Buffer.concat([batch(38, ["a", "b"]), batch(40, ["c", "d"])]);
  const second = whole.length / 2;
  for (let at = second + 17; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1 << at % 8;
    assertRefused(
      changed,
      /batch at offset 40 cannot be read, its bytes have changed \(CRC-32C \w{8}, sent with \w{8}\)/,
    );
  }
});

Deno.test("recordBatches() refuses what is no record batch, and names its offset", () => {
  const refused: [string, Buffer, RegExp][] = [
    [
      "format",
      batch(40, ["a"], { magic: 1 }),
      /offset 40 cannot be read, it is of format 1 and not 2/,
    ],
    [
      "codec",
      batch(40, ["a"], { attributes: 5 }),
      /offset 40 cannot be read, Kafka has no codec 5/,
    ],
    [
      "not compressed",
      batch(40, ["a"], { attributes: 3 }),
      /offset 40 cannot be read, it is not lz4 \(/,
    ],
    [
      "more records",
      batch(40, ["a"], { count: 2 }),
      /record 1 is cut off|bad varint|cannot hold 2 records/,
    ],
    [
      "negative count",
      batch(40, ["a"], { count: -1 }),
      /offset 40 cannot be read, it cannot hold -1 records/,
    ],
    ["huge count", batch(40, ["a"], { count: 2 ** 31 - 1 }), /cannot hold 2147483647 records/],
    [
      "fewer records",
      batch(40, ["a", "b"], { count: 1 }),
      /offset 40 cannot be read, \d+ bytes follow its last record/,
    ],
    ["offset twice", batch(40, ["a", "b"], { deltas: [1, 1] }), /record 1 has offset 41 after 41/],
    ["offset back", batch(40, ["a", "b"], { deltas: [2, 1], lastDelta: 2 }), /offset 41 after 42/],
    ["offset past end", batch(40, ["a"], { deltas: [3], lastDelta: 1 }), /has offset 43 after 39/],
    ["end before begin", batch(40, ["a"], { lastDelta: -2 }), /it ends at offset 38/],
  ];
  for (const [name, records, message] of refused) assertRefused(records, message, name);
  for (const second of [40, 39, 0]) {
    const records = Buffer.concat([batch(40, ["a"]), batch(second, ["b"])]);
    assertRefused(
      records,
      new RegExp(
        `batch at offset ${second} cannot be read, it ends at offset ${second} and the one before it at 40`,
      ),
    );
  }
  const negative = batch(40, ["a"]);
  negative.writeInt32BE(-5, 8);
  assertRefused(negative, /offset 40 cannot be read, its length is -5/);
});

Deno.test("no length in a record leads out of it, whatever it says", () => {
  // length, attributes, time, offset, key length, key, value length, "abc", headers, …
  const plain = (records: Buffer) => records;
  const size = batch(40, ["abc"], { change: plain }).length - 61;
  for (let at = 0; at < size; at++) {
    for (const byte of [1, 0x7e, 0x7f, 0xff]) {
      const records = batch(40, ["abc"], {
        change: (records) => (records[at] = byte, records),
      });
      try {
        const { values } = read(records); // a byte of a key, a value or the time may be any
        assert.equal(values.length, 1);
        assert.equal(values[0]!.length, 3, `byte ${at} as ${byte}`);
      } catch (error) {
        assert.match(String(error), /SyntaxError: the record batch at offset 40 cannot be read, /);
      }
    }
  }
  assertRefused(batch(40, ["abc"], { change: (r) => r.fill(0xff) }), /bad varint/);
  const short = batch(40, ["abc"], { change: (r) => (r[6] = 4, r) }); // a value of 2 bytes
  assertRefused(short, /record 0 does not end where it should/);
  assertRefused(batch(40, ["abc"], { change: (r) => (r[0] = 0x7e, r) }), /record 0 is cut off/);
  assertRefused(
    batch(40, ["abc"], { change: (r) => (r[6] = 0x7e, r) }),
    /bad varint|does not end where/,
  );
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
