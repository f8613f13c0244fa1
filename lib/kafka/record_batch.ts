import * as zlib from "node:zlib";
import { decompress as lz4 } from "lz4js";
import { uncompress as snappy } from "snappyjs";
import type { Messages } from "../core/types.ts";

/** What a broker returned of one partition. */
export interface FetchedPartition {
  /** Kafka's error code; 0 is none. */
  readonly errorCode: number;
  /** Aborted transactions that reach into the records, by their first offset. */
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[];
  /** Record batches one after the other; the last may be cut off. */
  readonly records: Uint8Array;
}

const BATCH_HEADER = 61;
const CODEC = 0x07;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const XERIAL_HEADER = 16;

/** Reads the body of a Fetch response, version 11, to a request for one partition. */
export function decodeFetchResponse(payload: Uint8Array): FetchedPartition {
  const view = viewOf(payload);
  const requestError = view.getInt16(4);
  if (requestError !== 0 || view.getInt32(10) === 0) {
    return { errorCode: requestError || -1, aborted: [], records: new Uint8Array() };
  }
  // throttle 4, error 2, session 4, topic count 4, topic name, partition count 4, partition 4
  let at = 14 + 2 + view.getInt16(14) + 4 + 4;
  const errorCode = view.getInt16(at);
  const abortedCount = view.getInt32(at + 26); // error 2, high watermark 8, stable 8, log start 8
  at += 30;
  const aborted = [];
  for (let i = 0; i < abortedCount; i++, at += 16) {
    aborted.push({ producerId: int64(view, at), firstOffset: int64(view, at + 8) });
  }
  const size = Math.max(view.getInt32(at + 4), 0); // after the preferred read replica
  aborted.sort((a, b) => a.firstOffset - b.firstOffset);
  return { errorCode, aborted, records: payload.subarray(at + 8, at + 8 + size) };
}

/**
 * Collects the messages of a partition from record batches without an object or a copy a message:
 * what it keeps of a batch is one slice of its records, keys included, and where the values lie in it.
 */
export class MessagesBuilder {
  #count = 0;
  #offsets = new Float64Array(1024);
  #starts = new Uint32Array(1024);
  #ends = new Uint32Array(1024);
  #tombstones: number[] = [];
  #parts: Uint8Array[] = [];
  #size = 0;

  /**
   * Adds the committed messages with offsets in `[from, end)`. `next` is the offset to go on from,
   * which is past batches that hold none: aborted ones and control records; it is `from` if not one
   * batch was whole. `rest` is what was fetched from `end` on. Throws SyntaxError if the bytes are
   * not record batches.
   */
  add(
    { records, aborted }: FetchedPartition,
    range: { readonly from: number; readonly end: number },
  ): { readonly next: number; readonly rest: FetchedPartition } {
    const view = viewOf(records);
    /** Transactions that have begun and not ended, by producer. */
    const open = new Map<number, FetchedPartition["aborted"][number]>();
    let abortedSeen = 0;
    let next = range.from;
    let at = 0;
    while (at + BATCH_HEADER <= records.length && next < range.end) {
      const size = 12 + view.getInt32(at + 8);
      if (at + size > records.length) break;
      const baseOffset = int64(view, at);
      if (size < BATCH_HEADER || view.getInt8(at + 16) !== 2) {
        throw new SyntaxError(
          `Cannot read the record batch at offset ${baseOffset}: expected format 2 (Kafka 0.11 or newer), got ${
            view.getInt8(at + 16)
          }`,
        );
      }
      const attributes = view.getInt16(at + 21);
      const lastOffset = baseOffset + view.getInt32(at + 23);
      const producerId = int64(view, at + 43);
      for (; (aborted[abortedSeen]?.firstOffset ?? Infinity) <= lastOffset; abortedSeen++) {
        open.set(aborted[abortedSeen]!.producerId, aborted[abortedSeen]!);
      }
      if (attributes & CONTROL) {
        open.delete(producerId); // the end marker of the producer's transaction
      } else if (!(attributes & TRANSACTIONAL && open.has(producerId))) {
        const body = decompress(attributes & CODEC, records.subarray(at + BATCH_HEADER, at + size));
        this.#addRecords(body, { baseOffset, count: view.getInt32(at + 57), ...range });
      }
      next = Math.max(next, lastOffset + 1);
      if (lastOffset < range.end) at += size;
    }
    const rest = {
      errorCode: 0,
      aborted: [...open.values(), ...aborted.slice(abortedSeen)],
      records: records.subarray(at),
    };
    return { next, rest };
  }

  /** Returns what was added as one buffer. */
  build(partition: string): Messages {
    const tombstones = new Uint8Array(this.#tombstones.length > 0 ? this.#count : 0);
    for (const index of this.#tombstones) tombstones[index] = 1;
    return {
      partition,
      offsets: this.#offsets.subarray(0, this.#count),
      // Always a copy: the parts are slices of buffers in which kafkajs keeps other answers.
      bytes: concat(this.#parts, this.#size),
      isGivenAway: true,
      starts: this.#starts.subarray(0, this.#count),
      ends: this.#ends.subarray(0, this.#count),
      ...(tombstones.length > 0 ? { tombstones } : {}),
    };
  }

  #addRecords(
    body: Uint8Array,
    batch: { baseOffset: number; count: number; from: number; end: number },
  ): void {
    this.#reserve(batch.count);
    const first = this.#count;
    let at = 0;
    // Varints are read in place: a function that returns both value and position costs a third more.
    function varint(): number {
      let value = 0;
      for (let shift = 0; shift < 35; shift += 7) {
        const byte = body[at++]!;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
      }
      throw new SyntaxError(
        `Cannot read the record batch at offset ${batch.baseOffset}: bad varint`,
      );
    }
    for (let i = 0; i < batch.count; i++) {
      const length = varint();
      const recordEnd = at + length;
      if (length < 0 || !(recordEnd <= body.length)) {
        throw new SyntaxError(
          `Cannot read the record batch at offset ${batch.baseOffset}: record ${i} is cut off`,
        );
      }
      at++; // attributes
      while (body[at++]! >= 0x80); // timestamp delta, up to 64 bits
      const offset = batch.baseOffset + varint();
      const keyLength = varint(); // moves `at`, so it stands before the sum
      at += Math.max(keyLength, 0);
      const valueLength = varint();
      if (offset >= batch.from && offset < batch.end) {
        if (valueLength < 0) this.#tombstones.push(this.#count);
        this.#offsets[this.#count] = offset;
        this.#starts[this.#count] = at;
        this.#ends[this.#count++] = at + Math.max(valueLength, 0);
      }
      at = recordEnd;
    }
    if (this.#count === first) return;
    const kept = body.subarray(this.#starts[first]!, this.#ends[this.#count - 1]!);
    const shift = this.#size - this.#starts[first]!;
    for (let i = first; i < this.#count; i++) {
      this.#starts[i]! += shift;
      this.#ends[i]! += shift;
    }
    this.#parts.push(kept);
    this.#size += kept.length;
    if (this.#size > 0xffffffff) {
      throw new RangeError(
        "Cannot hold more than 4 GiB of a partition in one batch: lower maxOffsetsPerTrigger",
      );
    }
  }

  #reserve(count: number): void {
    const needed = this.#count + count;
    if (needed <= this.#offsets.length) return;
    const size = Math.max(needed, 2 * this.#offsets.length);
    const offsets = new Float64Array(size), starts = new Uint32Array(size);
    const ends = new Uint32Array(size);
    offsets.set(this.#offsets), starts.set(this.#starts), ends.set(this.#ends);
    [this.#offsets, this.#starts, this.#ends] = [offsets, starts, ends];
  }
}

function decompress(codec: number, bytes: Uint8Array): Uint8Array {
  if (codec === 0) return bytes;
  if (codec === 1) return zlib.gunzipSync(bytes);
  if (codec === 2) return unframeSnappy(bytes);
  if (codec === 3) return lz4(bytes);
  if (codec === 4) return zlib.zstdDecompressSync(bytes);
  throw new SyntaxError(`Cannot decompress a record batch: Kafka has no codec ${codec}`);
}

/** Java clients write snappy in blocks behind a header of their own (xerial); others write it bare. */
function unframeSnappy(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x82 || bytes[1] !== 0x53) return snappy(bytes);
  const view = viewOf(bytes);
  const parts = [];
  let size = 0;
  for (let at = XERIAL_HEADER; at + 4 <= bytes.length; at += 4 + view.getInt32(at)) {
    const part = snappy(bytes.subarray(at + 4, at + 4 + view.getInt32(at)));
    parts.push(part);
    size += part.length;
  }
  return concat(parts, size);
}

function concat(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Exact up to 2^53; Kafka's offsets and producer ids stay below. */
function int64(view: DataView, at: number): number {
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
}
