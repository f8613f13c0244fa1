import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { endOf } from "../../lib/kafka/record_batch.ts";
import { batch, read } from "./batches.ts";

function assertRefused(records: Uint8Array, message: RegExp, name = ""): void {
  assert.throws(() => read(records), { name: "SyntaxError", message }, name);
}

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
