import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { decodeFetchResponse, MessagesBuilder } from "../../lib/kafka/record_batch.ts";

interface BatchOptions {
  readonly producerId?: number;
  readonly attributes?: number;
  readonly magic?: number;
}

const TRANSACTIONAL = 0x10;
const MARKER = 0x30; // transactional and control

/** A record batch with one message a value, as a broker stores it. */
function batch(baseOffset: number, values: readonly (string | null)[], options: BatchOptions = {}) {
  const records = values.flatMap((value, i) => {
    const body = value === null ? [1] : [2 * value.length, ...Buffer.from(value)];
    const record = [0, 0, 2 * i, 1, ...body, 0]; // attributes, time, offset, no key, value, no headers
    return [2 * record.length, ...record];
  });
  const buffer = Buffer.alloc(61 + records.length);
  buffer.writeBigInt64BE(BigInt(baseOffset), 0);
  buffer.writeInt32BE(buffer.length - 12, 8);
  buffer.writeInt8(options.magic ?? 2, 16);
  buffer.writeInt16BE(options.attributes ?? 0, 21);
  buffer.writeInt32BE(values.length - 1, 23);
  buffer.writeBigInt64BE(BigInt(options.producerId ?? -1), 43);
  buffer.writeInt32BE(values.length, 57);
  buffer.set(records, 61);
  return buffer;
}

function read(
  records: Uint8Array,
  range: { from: number; end: number },
  aborted: { producerId: number; firstOffset: number }[] = [],
) {
  const builder = new MessagesBuilder();
  const { next, rest } = builder.add({ errorCode: 0, aborted, records }, range);
  const messages = builder.build("0");
  const values = Array.from(
    messages.offsets,
    (_, i) => Buffer.from(messages.bytes.subarray(messages.starts[i], messages.ends[i])).toString(),
  );
  return { next, rest, values, messages };
}

Deno.test("MessagesBuilder takes the offsets of the half-open range and no other", () => {
  // [--10 11 12--)[--13 14--)
  //       ^ from         ^ end
  const records = Buffer.concat([batch(10, ["a", "b", "c"]), batch(13, ["d", "e"])]);
  const { next, values, messages } = read(records, { from: 11, end: 14 });
  assert.deepEqual(values, ["b", "c", "d"]);
  assert.deepEqual([...messages.offsets], [11, 12, 13]);
  assert.equal(next, 15);
});

Deno.test("MessagesBuilder marks null values and keeps empty ones apart from them", () => {
  const { values, messages } = read(batch(0, [null, "", "x"]), { from: 0, end: 3 });
  assert.deepEqual(values, ["", "", "x"]);
  assert.deepEqual([...messages.tombstones!], [1, 0, 0]);
  assert.equal(read(batch(0, ["x"]), { from: 0, end: 1 }).messages.tombstones, undefined);
});

Deno.test("MessagesBuilder leaves aborted transactions out until their end marker", () => {
  const records = Buffer.concat([
    batch(0, ["aborted"], { producerId: 7, attributes: TRANSACTIONAL }),
    batch(1, ["kept"], { producerId: 8, attributes: TRANSACTIONAL }),
    batch(2, ["not in a transaction"], { producerId: 7 }),
    batch(3, ["\0\0\0\0"], { producerId: 7, attributes: MARKER }),
    batch(4, ["kept too"], { producerId: 7, attributes: TRANSACTIONAL }),
  ]);
  const aborted = [{ producerId: 7, firstOffset: 0 }];
  const { next, values } = read(records, { from: 0, end: 5 }, aborted);
  assert.deepEqual(values, ["kept", "not in a transaction", "kept too"]);
  assert.equal(next, 5);
});

Deno.test("MessagesBuilder goes on past a range that ends in an aborted message", () => {
  const records = batch(0, ["a", "b"], { producerId: 7, attributes: TRANSACTIONAL });
  const aborted = [{ producerId: 7, firstOffset: 0 }];
  const { next, values } = read(records, { from: 0, end: 1 }, aborted);
  assert.deepEqual(values, []);
  assert.equal(next, 2);
});

Deno.test("MessagesBuilder reads on in the rest as in the whole, wherever a range ends", () => {
  const mixed = (offset: number, producerId: number, attributes = TRANSACTIONAL) =>
    batch(offset, [`${offset}`, `${offset + 1}`], { producerId, attributes });
  const marker = (offset: number) =>
    batch(offset, ["\0\0\0\0"], { producerId: 7, attributes: MARKER });
  // Of producer 7 the offsets 0 and 1, and 9 and 10, are aborted; 6 and 7 are not.
  const parts = [mixed(0, 7), mixed(2, 8), mixed(4, 7, 0), marker(6), mixed(7, 7), mixed(9, 7)];
  const records = Buffer.concat([...parts, mixed(11, 8), marker(13), mixed(14, 7).subarray(0, 70)]);
  const aborted = [{ producerId: 7, firstOffset: 0 }, { producerId: 7, firstOffset: 9 }];
  const whole = read(records, { from: 0, end: 14 }, aborted);
  assert.deepEqual(whole.values, ["2", "3", "4", "5", "7", "8", "11", "12"]);
  for (let middle = 0; middle <= 14; middle++) {
    const head = read(records, { from: 0, end: middle }, aborted);
    const tail = read(head.rest.records, { from: middle, end: 14 }, [...head.rest.aborted]);
    assert.deepEqual([...head.values, ...tail.values], whole.values, `${middle}`);
    assert.equal(tail.next, 14);
    assert.equal(tail.rest.records.length, 70); // what was cut off
  }
});

Deno.test("MessagesBuilder does not read a batch that is cut off, and says it got nowhere", () => {
  const whole = batch(0, ["a", "b"]);
  for (let size = 0; size < whole.length; size++) {
    const { next, values } = read(whole.subarray(0, size), { from: 0, end: 2 });
    assert.deepEqual([next, values], [0, []], `${size} bytes`);
  }
});

Deno.test("MessagesBuilder refuses what is not a record batch, and names the offset", () => {
  const longRecord = batch(40, ["abc"]);
  longRecord[61] = 0x7e; // the record's length
  const endless = batch(40, ["abcdefgh"]);
  endless.fill(0xff, 61);
  const refused = [
    { records: batch(40, ["a"], { magic: 1 }), error: /offset 40: expected format 2.*got 1/ },
    { records: longRecord, error: /offset 40: record 0 is cut off/ },
    { records: endless, error: /offset 40: bad varint/ },
    { records: batch(40, ["a"], { attributes: 5 }), error: /no codec 5/ },
  ];
  for (const { records, error } of refused) {
    assert.throws(() => read(records, { from: 40, end: 50 }), {
      name: "SyntaxError",
      message: error,
    });
  }
});

Deno.test("decodeFetchResponse() reads error, aborted transactions and records of a response", () => {
  const topic = Buffer.from("tx");
  const head = Buffer.alloc(14);
  head.writeInt32BE(1, 10);
  const partition = Buffer.alloc(4 + 4 + 2 + 24 + 4 + 2 * 16 + 4 + 4);
  partition.writeInt32BE(1, 0); // partitions
  partition.writeInt16BE(6, 8); // error
  partition.writeInt32BE(2, 34); // aborted: 9 from 70, 8 from 50
  [9n, 70n, 8n, 50n].forEach((value, i) => partition.writeBigInt64BE(value, 38 + 8 * i));
  partition.writeInt32BE(3, 74);
  const name = Buffer.concat([Buffer.from([0, topic.length]), topic]);
  const payload = Buffer.concat([head, name, partition, Buffer.from("abc")]);
  assert.deepEqual(decodeFetchResponse(payload), {
    errorCode: 6,
    aborted: [{ producerId: 8, firstOffset: 50 }, { producerId: 9, firstOffset: 70 }],
    records: payload.subarray(payload.length - 3),
  });
});
