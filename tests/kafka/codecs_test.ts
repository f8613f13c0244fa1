import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as zlib from "node:zlib";
import { compressFrameSync } from "lz4-napi";
import { compressSync } from "snappy";
import { decompress } from "../../lib/kafka/codecs.ts";

const [GZIP, SNAPPY, LZ4, ZSTD] = [1, 2, 3, 4] as const;

interface Frame {
  readonly codec: number;
  readonly name: string;
  readonly data: string;
  /** [lines, bytes of noise] of each stream, one after the other; null for what is to be refused. */
  readonly plain: readonly (readonly [number, number])[] | null;
}

/** What `frames.py` puts into a stream. */
function plainOf([lines, noise]: readonly [number, number]): Buffer {
  const text = Array.from({ length: lines }, (_, i) => `the same line again, ${i % 13}\n`).join("");
  let state = 1;
  const rest = Array.from({ length: noise }, () => {
    state = Number((BigInt(state) * 1103515245n + 12345n) % 2n ** 31n);
    return state >> 16 & 0xff;
  });
  return Buffer.concat([Buffer.from(text), Buffer.from(rest)]);
}

const FRAMES: readonly Frame[] = (await Deno.readTextFile(new URL("frames.jsonl", import.meta.url)))
  .trim().split("\n").map((line) => JSON.parse(line));

Deno.test("frames of every form that the reference libraries write are read, or refused", () => {
  for (const { codec, name, data, plain } of FRAMES) {
    // In the middle of a buffer, as a batch lies in a fetch.
    const bytes = Buffer.concat([
      Buffer.alloc(3, 9),
      Buffer.from(data, "base64"),
      Buffer.alloc(5, 9),
    ])
      .subarray(3, -5);
    if (plain === null) {
      assert.throws(() => decompress(codec, bytes), SyntaxError, `${codec} ${name}`);
    } else {
      const expected = Buffer.concat(plain.map(plainOf));
      assert.ok(expected.equals(decompress(codec, bytes)), `${codec} ${name}`);
    }
  }
  assert.ok(FRAMES.length > 100);
});

Deno.test("a frame that is cut off anywhere, or followed by anything, is refused", () => {
  const several = FRAMES.filter(({ data, plain }) => plain !== null && data.length < 600);
  for (const { codec, name, data, plain } of several) {
    const bytes = Buffer.from(data, "base64");
    const whole = Buffer.concat(plain!.map(plainOf));
    for (let size = 0; size < bytes.length; size++) {
      let read: Uint8Array;
      try {
        read = decompress(codec, bytes.subarray(0, size));
      } catch (error) {
        assert.match(String(error), /SyntaxError: it is not (gzip|snappy|lz4|zstd) \(/);
        continue;
      }
      // Only the end of one of several streams is an end too; the count of records then tells.
      const isStream = plain!.some((_, i) =>
        Buffer.concat(plain!.slice(0, i).map(plainOf)).equals(read)
      );
      const isSkipped = name === "skipped frames" && whole.equals(read);
      assert.ok(isStream || isSkipped, `${codec} ${name}, ${size} of ${bytes.length} bytes`);
    }
    for (const tail of ["x", "garbage behind it"]) {
      assert.throws(
        () => decompress(codec, Buffer.concat([bytes, Buffer.from(tail)])),
        SyntaxError,
        name,
      );
    }
  }
  assert.ok(several.length > 50);
});

Deno.test("bytes that changed in a frame with checksums are noticed", () => {
  const checked = FRAMES.filter(({ name, data }) =>
    data.length < 600 &&
    /content size: \(\w+, (True, True|False, True)|checksum True|member/.test(name)
  );
  for (const { codec, name, data, plain } of checked) {
    const bytes = Buffer.from(data, "base64");
    const whole = Buffer.concat(plain!.map(plainOf));
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << at % 8;
      let read: Uint8Array | undefined;
      try {
        read = decompress(codec, changed);
      } catch (error) {
        assert.ok(error instanceof SyntaxError, `${error}`);
      }
      assert.ok(!read || whole.equals(read), `${codec} ${name}, byte ${at}`); // a file name may be any
    }
  }
  assert.ok(checked.length > 10);
});

Deno.test("what would take more than a batch may is refused before it takes it", () => {
  const [mebibyte, most] = [Buffer.alloc(2 ** 20), 4 * 2 ** 20];
  const times = (part: Uint8Array, count = 5) => Buffer.concat(Array(count).fill(part));
  const block = compressSync(mebibyte) as Buffer;
  const size = Buffer.alloc(4);
  size.writeUInt32BE(block.length);
  const xerial = Buffer.concat([Buffer.from("\x82SNAPPY\0", "latin1"), Buffer.alloc(8)]);
  const bombs: [string, number, (count?: number) => Uint8Array][] = [
    ["gzip", GZIP, (count) => times(zlib.gzipSync(mebibyte), count)],
    ["zstd", ZSTD, (count) => times(zlib.zstdCompressSync(mebibyte), count)],
    [
      "zstd without its size",
      ZSTD,
      (count) =>
        times(
          zlib.zstdCompressSync(mebibyte, {
            params: { [zlib.constants.ZSTD_c_contentSizeFlag]: 0 },
          }),
          count,
        ),
    ],
    ["lz4", LZ4, (count) => times(compressFrameSync(mebibyte), count)],
    ["snappy", SNAPPY, (count = 5) => compressSync(Buffer.alloc(count * 2 ** 20)) as Buffer],
    [
      "Java's snappy",
      SNAPPY,
      (count) => Buffer.concat([xerial, times(Buffer.concat([size, block]), count)]),
    ],
  ];
  for (const [name, codec, bomb] of bombs) {
    assert.equal(decompress(codec, bomb(3), most).length, 3 * 2 ** 20, name);
    const message = /it takes \d+ bytes, and \d+ are allowed|larger than 4194304 bytes/;
    assert.throws(() => decompress(codec, bomb(), most), { name: "SyntaxError", message }, name);
  }
  const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
  assert.throws(() => decompress(SNAPPY, claim), /it takes 4294967295 bytes/);
});

Deno.test("Kafka has five codecs", () => {
  const bytes = Buffer.from("as it is");
  assert.equal(decompress(0, bytes), bytes);
  for (const codec of [5, 6, 7]) assert.throws(() => decompress(codec, bytes), /no codec [567]/);
});
