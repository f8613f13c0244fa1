import { crc32c } from "@node-rs/crc32";
import type { Messages } from "../core/types.ts";
import { decompress } from "./codecs.ts";
import type { FetchedPartition } from "./protocol.ts";

/** The committed messages of one record batch, or of the part of it that is wanted. */
export interface RecordBatch extends Omit<Messages, "partition" | "tombstones"> {
  /** By index, 1 where the value is null; empty if there is none. */
  readonly tombstones: Uint8Array;
  /** The offset after the batch, whether or not it holds messages. */
  readonly next: number;
}

const HEADER = 61;
/** Where the bytes begin that the checksum is over. */
const CHECKED_FROM = 21;
const CODEC = 0x07;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** More buffers than these are copied into one. */
const MAX_VIEWS = 4;
/** Lengths of a record, its key and its value, attributes, time, offset and headers: a byte each. */
const MIN_RECORD_BYTES = 7;

/**
 * Reads record batches one after the other, each when it is asked for. Batches of aborted transactions
 * and control records give no messages. The last batch of a fetch may be cut off and is left out.
 *
 * Throws a `SyntaxError` that names the offset if bytes have changed since the producer sent them (by
 * their CRC-32C), or are not a record batch.
 */
export function* recordBatches(
  { records, aborted }: Pick<FetchedPartition, "records" | "aborted">,
): Generator<RecordBatch, undefined> {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  /** Producers whose transaction has begun, is aborted and has not ended. */
  const aborting = new Set<number>();
  let abortedSeen = 0;
  let last = -1;
  for (let at = 0; at + HEADER <= records.length;) {
    const baseOffset = int64(view, at);
    const fail = (what: string) =>
      new SyntaxError(`the record batch at offset ${baseOffset} cannot be read, ${what}`);
    const magic = view.getInt8(at + 16);
    if (magic !== 2) throw fail(`it is of format ${magic} and not 2 (Kafka 0.11 or newer)`);
    const end = at + 12 + view.getInt32(at + 8);
    if (end < at + HEADER) throw fail(`its length is ${end - at - 12}`);
    if (end > records.length && at > 0) return;
    // A broker sends the first batch whole, whatever its size.
    if (end > records.length) throw fail(`it is cut off after ${records.length} bytes`);
    const expected = view.getUint32(at + 17);
    const found = crc32c(records.subarray(at + CHECKED_FROM, end));
    if (found !== expected) {
      throw fail(`its bytes have changed (CRC-32C ${hex(found)}, sent with ${hex(expected)})`);
    }
    const attributes = view.getInt16(at + 21);
    const lastOffset = baseOffset + view.getInt32(at + 23);
    const producerId = int64(view, at + 43);
    const count = view.getInt32(at + 57);
    if (baseOffset <= last || lastOffset < baseOffset) {
      throw fail(`it ends at offset ${lastOffset} and the one before it at ${last}`);
    }
    for (; (aborted[abortedSeen]?.firstOffset ?? Infinity) <= lastOffset; abortedSeen++) {
      aborting.add(aborted[abortedSeen]!.producerId);
    }
    const isAborted = (attributes & TRANSACTIONAL) !== 0 && aborting.has(producerId);
    if (attributes & CONTROL) aborting.delete(producerId); // the end of the producer's transaction
    if (attributes & CONTROL || isAborted) yield { ...NONE, next: lastOffset + 1 };
    else {
      try {
        const body = decompress(attributes & CODEC, records.subarray(at + HEADER, end));
        yield readRecords(body, { baseOffset, lastOffset, count });
      } catch (error) {
        if (error instanceof SyntaxError) throw fail(error.message);
        throw error;
      }
    }
    last = lastOffset;
    at = end;
  }
}

const NONE: Omit<RecordBatch, "next"> = {
  offsets: new Float64Array(),
  bytes: new Uint8Array(),
  starts: new Uint32Array(),
  ends: new Uint32Array(),
  tombstones: new Uint8Array(),
};

/** Finds the values in the records of a batch, without an object or a copy a message. */
function readRecords(
  body: Uint8Array,
  { baseOffset, lastOffset, count }: { baseOffset: number; lastOffset: number; count: number },
): RecordBatch {
  if (count < 0 || count > body.length / MIN_RECORD_BYTES) {
    throw new SyntaxError(`it cannot hold ${count} records in ${body.length} bytes`);
  }
  const offsets = new Float64Array(count);
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  let tombstones = NONE.tombstones;
  let at = 0;
  // Varints are read in place: a function that returns both value and position costs a third more.
  function varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = body[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new SyntaxError("bad varint");
  }
  let last = baseOffset - 1;
  for (let i = 0; i < count; i++) {
    const recordEnd = varint() + at; // `at` moves first
    if (!(recordEnd > at && recordEnd <= body.length)) {
      throw new SyntaxError(`record ${i} is cut off`);
    }
    at++; // attributes
    while (body[at++]! >= 0x80); // timestamp delta, up to 64 bits
    const offset = baseOffset + varint();
    const keyLength = varint(); // moves `at`, so it stands before the sum
    at += Math.max(keyLength, 0);
    const valueLength = varint();
    starts[i] = at;
    at += Math.max(valueLength, 0);
    ends[i] = at;
    for (let headers = varint(); headers > 0 && at < recordEnd; headers--) {
      const nameLength = varint();
      at += Math.max(nameLength, 0);
      const headerLength = varint();
      at += Math.max(headerLength, 0);
    }
    if (at !== recordEnd) throw new SyntaxError(`record ${i} does not end where it should`);
    if (offset <= last || offset > lastOffset) {
      throw new SyntaxError(`record ${i} has offset ${offset} after ${last}`);
    }
    if (valueLength < 0) {
      if (tombstones.length === 0) tombstones = new Uint8Array(count);
      tombstones[i] = 1;
    }
    offsets[i] = last = offset;
  }
  if (at !== body.length) throw new SyntaxError(`${body.length - at} bytes follow its last record`);
  return { offsets, starts, ends, tombstones, bytes: body, next: lastOffset + 1 };
}

/** Returns the offset after the last whole batch, without a look at what is in it; -1 if there is none. */
export function endOf(records: Uint8Array): number {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  let next = -1;
  for (let at = 0, end = 0; at + HEADER <= records.length; at = end) {
    end = at + 12 + Math.max(view.getInt32(at + 8), 0);
    if (end > records.length) break;
    next = int64(view, at) + view.getInt32(at + 23) + 1;
  }
  return next;
}

/** Returns the messages of a batch with offsets in `[from, end)`, as a view of it. */
export function within(batch: RecordBatch, from: number, end: number): RecordBatch {
  const { offsets, starts, ends, tombstones } = batch;
  const [first, last] = [indexOf(offsets, from), indexOf(offsets, end)];
  return {
    offsets: offsets.subarray(first, last),
    starts: starts.subarray(first, last),
    ends: ends.subarray(first, last),
    tombstones: tombstones.subarray(first, last),
    bytes: batch.bytes.subarray(starts[first] ?? 0, last > first ? ends[last - 1] : 0),
    next: batch.next,
  };
}

/**
 * Returns the messages of batches in order: as views of what was fetched, as far as they lie in few
 * buffers, else as one buffer of their own. There is at least one `Messages`, which may be empty.
 */
export function messagesOf(batches: readonly RecordBatch[], partition: string): Messages[] {
  const parts = batches.filter(({ offsets }) => offsets.length > 0);
  const byBuffer = Map.groupBy(parts, ({ bytes }) => bytes.buffer);
  if (byBuffer.size === 0 || byBuffer.size > MAX_VIEWS) return [joined(parts, partition)];
  return [...byBuffer].map(([buffer, parts]) => {
    const [from, last] = [parts[0]!.bytes.byteOffset, parts.at(-1)!.bytes];
    const bytes = new Uint8Array(buffer, from, last.byteOffset + last.length - from);
    return {
      partition,
      bytes,
      ...placed(parts, parts.map((part) => part.bytes.byteOffset - from)),
    };
  });
}

function joined(parts: readonly RecordBatch[], partition: string): Messages {
  const size = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (size > 0xffffffff) {
    throw new RangeError(
      "Cannot hold more than 4 GiB of a partition in one batch: lower maxOffsetsPerTrigger",
    );
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  const places = parts.map((part) => {
    bytes.set(part.bytes, at);
    return (at += part.bytes.length) - part.bytes.length;
  });
  return { partition, bytes, isGivenAway: true, ...placed(parts, places) };
}

/** Returns where the messages of parts are whose bytes begin at these places. */
function placed(parts: readonly RecordBatch[], places: readonly number[]) {
  const count = parts.reduce((sum, { offsets }) => sum + offsets.length, 0);
  const offsets = new Float64Array(count);
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  const tombstones = new Uint8Array(parts.some((part) => part.tombstones.length > 0) ? count : 0);
  let row = 0;
  for (const [i, part] of parts.entries()) {
    const shift = places[i]! - part.starts[0]!;
    offsets.set(part.offsets, row);
    if (part.tombstones.length > 0) tombstones.set(part.tombstones, row);
    for (let k = 0; k < part.starts.length; k++, row++) {
      starts[row] = part.starts[k]! + shift;
      ends[row] = part.ends[k]! + shift;
    }
  }
  return { offsets, starts, ends, ...tombstones.length > 0 && { tombstones } };
}

/** Returns the index of the first offset that is not before `offset`. */
function indexOf(offsets: Float64Array, offset: number): number {
  let [low, high] = [0, offsets.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle]! < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

/** Exact up to 2^53; Kafka's offsets and producer ids stay below. */
function int64(view: DataView, at: number): number {
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
}
