import { Buffer } from "node:buffer";
import { crc32c } from "@node-rs/crc32";
import type { Messages } from "../../lib/core/types.ts";
import { messagesOf, recordBatches, within } from "../../lib/kafka/record_batch.ts";

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

/** A record batch with one message a value, as a broker stores it. */
export function batch(
  baseOffset: number,
  values: readonly (string | null)[],
  options: BatchOptions = {},
) {
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

export function varint(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...varint(value >>> 7)];
}

export function read(
  records: Uint8Array,
  range: { from: number; end: number } = { from: 0, end: Infinity },
  aborted: { producerId: number; firstOffset: number }[] = [],
) {
  const batches = [...recordBatches({ aborted, records })];
  const parts = batches.map((batch) => within(batch, range.from, range.end));
  const all = messagesOf(parts, "0");
  return { next: batches.at(-1)?.next, values: all.flatMap(valuesOf), messages: all[0]! };
}

export function valuesOf({ bytes, starts, ends }: Messages): string[] {
  return Array.from(starts, (start, i) => Buffer.from(bytes.subarray(start, ends[i])).toString());
}
