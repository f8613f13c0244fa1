"""Writes frames.jsonl: frames of every form that LZ4, zstd, snappy and gzip allow, by their reference libraries.

    pip install lz4==4.4.5 zstandard==0.25.0 cramjam==2.14.0 xxhash==4.1.0 && python3 frames.py > frames.jsonl

`plain` says what a frame holds, as `plainOf` in codecs_test.ts reads it: so many lines, then so many bytes
that do not compress. Null stands for a frame that is to be refused.
"""

import base64
import gzip
import itertools
import json
import struct

import cramjam
import lz4.block
import lz4.frame
import xxhash
import zstandard


def plain(lines, noise):
    out = "".join(f"the same line again, {i % 13}\n" for i in range(lines)).encode()
    state, rest = 1, bytearray()
    for _ in range(noise):
        state = (state * 1103515245 + 12345) % 2**31
        rest.append(state >> 16 & 0xFF)
    return out + bytes(rest)


CONTENTS = [(0, 0), (1, 0), (9, 70), (6000, 0)]
SKIPPED = struct.pack("<II", 0x184D2A5E, 3) + b"abc"
frames = []


def add(codec, name, data, *contents):
    held = None if contents == (None,) else contents
    frames.append({"codec": codec, "name": name, "data": base64.b64encode(data).decode(), "plain": held})


def lz4_frame(content, size=4, linked=False, block=False, whole=False, store=False):
    return lz4.frame.compress(plain(*content), block_size=size, block_linked=linked, block_checksum=block,
                              content_checksum=whole, store_size=store)


for content in CONTENTS:
    for flags in itertools.product([False, True], repeat=4):
        name = f"linked, block checksum, content checksum, content size: {flags}"
        add(3, name, lz4_frame(content, 4, *flags), content)
    for size in (5, 6, 7):
        add(3, f"block size {size}", lz4_frame(content, size, True, True, True, True), content)
for block in (False, True):
    two = lz4_frame((9, 70), 4, block=block), lz4_frame((1, 0), 5, whole=True)
    add(3, "two frames", two[0] + two[1], (9, 70), (1, 0))
    add(3, "skipped frames", SKIPPED + two[0] + SKIPPED + two[1] + SKIPPED, (9, 70), (1, 0))
# A dictionary that nobody has: its id stands in the header, whose checksum is the second byte of an XXH32.
header = bytes([0x61, 0x40]) + struct.pack("<I", 77)
check = xxhash.xxh32(header).intdigest() >> 8 & 0xFF
block = lz4.block.compress(plain(1, 0), store_size=False)
named = b"\x04\x22\x4d\x18" + header + bytes([check]) + struct.pack("<I", len(block)) + block + bytes(4)
add(3, "with a dictionary", named, None)
legacy = struct.pack("<II", 0x184C2102, len(block)) + block
add(3, "of the legacy format", legacy, None)

for content in CONTENTS:
    for checksum, size, level in itertools.product([False, True], [False, True], [1, 19]):
        c = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=size)
        add(4, f"checksum {checksum}, content size {size}, level {level}", c.compress(plain(*content)), content)
c = zstandard.ZstdCompressor(write_checksum=True)
two = c.compress(plain(9, 70)), zstandard.ZstdCompressor(write_content_size=False).compress(plain(1, 0))
add(4, "two frames", two[0] + two[1], (9, 70), (1, 0))
add(4, "skipped frames", SKIPPED + two[0] + SKIPPED + two[1] + SKIPPED, (9, 70), (1, 0))
flushed = c.compressobj()
data = b"".join(flushed.compress(plain(9, 0)) + flushed.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for _ in range(3))
add(4, "many blocks", data + flushed.flush(), (9, 0), (9, 0), (9, 0))
trained = zstandard.train_dictionary(600, [plain(i, i) for i in range(1, 200)])
add(4, "with a dictionary", zstandard.ZstdCompressor(dict_data=trained).compress(plain(9, 0)), None)

for content in CONTENTS:
    bare = bytes(cramjam.snappy.compress_raw(plain(*content)))
    add(2, "bare", bare, content)
    xerial = b"\x82SNAPPY\0" + struct.pack(">II", 1, 1)
    chunks = [plain(*content)[i : i + 32768] for i in range(0, len(plain(*content)), 32768)]
    packed = [bytes(cramjam.snappy.compress_raw(chunk)) for chunk in chunks]
    blocks = b"".join(struct.pack(">I", len(block)) + block for block in packed)
    add(2, "Java's framing", xerial + blocks, content)
    add(2, "Java's framing twice", xerial + blocks + xerial + blocks, content, content)
    add(1, "one member", gzip.compress(plain(*content), mtime=0), content)
    add(1, "two members", gzip.compress(plain(*content), mtime=0) * 2, content, content)
add(2, "bare, of the size that begins as Java's framing does", bytes(cramjam.snappy.compress_raw(plain(0, 10626))),
    (0, 10626))
add(2, "sNaPpY framing, which Kafka does not use", bytes(cramjam.snappy.compress(plain(9, 0))), None)

for frame in frames:
    print(json.dumps(frame))
