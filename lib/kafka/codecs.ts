import { Buffer } from "node:buffer";
import * as zlib from "node:zlib";
import { decompressFrameSync } from "lz4-napi";
import { uncompressSync } from "snappy";

/** What the records of a batch may take decompressed: a few KiB can claim to be terabytes. */
export const MAX_BATCH_BYTES = 512 * 2 ** 20;

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];
/** Java clients write snappy in blocks behind xerial's header: this, and two versions of 4 bytes. */
const XERIAL = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0];
const LZ4 = 0x184d2204;
const ZSTD = 0xfd2fb528;

/** Where a frame of a stream ends (exclusive), and what it holds at most, 0 if that is not said. */
interface Frame {
  readonly end: number;
  readonly most: number;
}

/**
 * Decompresses the records of a batch, by Kafka's number of the codec; several streams one after the
 * other are read, and frames to be skipped are. Throws a `SyntaxError` if any of it cannot be read, is
 * cut off or followed by something else, or would take more than `most` bytes.
 */
export function decompress(codec: number, bytes: Uint8Array, most = MAX_BATCH_BYTES): Uint8Array {
  const name = CODECS[codec];
  if (name === undefined) throw new SyntaxError(`Kafka has no codec ${codec}`);
  try {
    if (name === "gzip") return zlib.gunzipSync(bytes, { maxOutputLength: most });
    if (name === "snappy") return snappy(bytes, most);
    if (name === "lz4") return frames(bytes, most, lz4Frame, decompressFrameSync);
    if (name === "zstd") {
      const zstd = (frame: Buffer) => zlib.zstdDecompressSync(frame, { maxOutputLength: most });
      return frames(bytes, most, zstdFrame, zstd);
    }
    return bytes;
  } catch (error) {
    throw new SyntaxError(`it is not ${name} (${(error as Error).message})`);
  }
}

function snappy(bytes: Uint8Array, most: number): Uint8Array {
  if (!isXerial(bytes, 0)) return snappyBlock(bytes, most);
  const view = viewOf(bytes);
  const parts = [];
  let size = 0;
  for (let at = 0; at < bytes.length;) {
    if (isXerial(bytes, at)) {
      at += XERIAL.length + 8;
    } else {
      const start = at + 4;
      at = start + uint32(view, at, false);
      checkEnd(at, bytes);
      parts.push(snappyBlock(bytes.subarray(start, at), most - size));
      size += parts.at(-1)!.length;
    }
  }
  return Buffer.concat(parts, size);
}

function isXerial(bytes: Uint8Array, at: number): boolean {
  return XERIAL.every((byte, i) => bytes[at + i] === byte);
}

function snappyBlock(bytes: Uint8Array, most: number): Uint8Array {
  let size = 0; // a varint: the library would reserve that much before it looks further
  for (let i = 0, byte = 0x80; byte >= 0x80 && i < 5; i++) {
    byte = bytes[i] ?? 0;
    size += (byte & 0x7f) * 2 ** (7 * i);
  }
  checkSize(size, most);
  return uncompressSync(bytes, { asBuffer: true }) as Buffer;
}

/** Decompresses frame by frame: the libraries end after the first, and do not see that one is cut off. */
function frames(
  bytes: Uint8Array,
  allowed: number,
  measure: (view: DataView, start: number) => Frame,
  decode: (frame: Buffer) => Uint8Array,
): Uint8Array {
  const view = viewOf(bytes);
  const parts = [];
  let size = 0;
  for (let at = 0; at < bytes.length || at === 0;) {
    const isSkipped = uint32(view, at) >>> 4 === 0x184d2a5; // for others than us
    const { end, most } = isSkipped
      ? { end: at + 8 + uint32(view, at + 4), most: 0 }
      : measure(view, at);
    checkEnd(end, bytes);
    checkSize(size + most, allowed);
    if (!isSkipped) {
      parts.push(decode(Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at)));
      checkSize(size += parts.at(-1)!.length, allowed);
    }
    at = end;
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, size);
}

function lz4Frame(view: DataView, start: number): Frame {
  if (uint32(view, start) !== LZ4) throw new SyntaxError("no frame begins where one should");
  const [flags, sizes] = [byteAt(view, start + 4), byteAt(view, start + 5)];
  const blockSize = 2 ** (8 + 2 * (sizes >>> 4)); // 4 stands for 64 KiB, 7 for 4 MiB
  const checksum = flags & 0x10 ? 4 : 0;
  let at = start + 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0); // content size, dictionary
  let most = 0;
  for (;;) {
    const length = uint32(view, at) & 0x7fffffff; // the first bit says that it is not compressed
    at += 4;
    if (length === 0) return { end: at + (flags & 0x04 ? 4 : 0), most };
    at += length + checksum;
    most += Math.min(blockSize, 255 * length);
  }
}

function zstdFrame(view: DataView, start: number): Frame {
  if (uint32(view, start) !== ZSTD) throw new SyntaxError("no frame begins where one should");
  const flags = byteAt(view, start + 4);
  const window = flags & 0x20 ? 0 : 1;
  const sizeAt = start + 5 + window + [0, 1, 2, 4][flags & 3]!; // behind the dictionary
  const sizeBytes = [1 - window, 2, 4, 8][flags >>> 6]!;
  let at = sizeAt + sizeBytes;
  const low = sizeBytes >= 4 ? uint32(view, sizeAt) : 0; // less would be too little to matter
  const most = low + (sizeBytes === 8 ? uint32(view, sizeAt + 4) * 2 ** 32 : 0);
  for (;;) {
    const header = byteAt(view, at) | byteAt(view, at + 1) << 8 | byteAt(view, at + 2) << 16;
    const isRepeated = (header >>> 1 & 3) === 1; // one byte stands for all
    at += 3 + (isRepeated ? 1 : header >>> 3);
    if (header & 1) return { end: at + (flags & 0x04 ? 4 : 0), most };
  }
}

function checkEnd(end: number, { length }: { readonly length: number }): void {
  if (end > length) throw new SyntaxError("it is cut off");
}

function checkSize(size: number, allowed: number): void {
  if (size <= allowed) return;
  throw new SyntaxError(`it takes ${size} bytes, and ${allowed} are allowed`);
}

function byteAt(view: DataView, at: number): number {
  checkEnd(at + 1, { length: view.byteLength });
  return view.getUint8(at);
}

function uint32(view: DataView, at: number, isLittle = true): number {
  checkEnd(at + 4, { length: view.byteLength });
  return view.getUint32(at, isLittle);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
