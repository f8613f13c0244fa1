// Where lines begin and end.

const newlines = memory.data<u32>([0x0a0a0a0a, 0x0a0a0a0a, 0x0a0a0a0a, 0x0a0a0a0a], 16);

/** Has a bit set for each of the 64 bytes at `at` that ends a line. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function lineEnds(at: usize, newline: v128): u64 {
  const a = i8x16.eq(v128.load(at), newline);
  const b = i8x16.eq(v128.load(at, 16), newline);
  const c = i8x16.eq(v128.load(at, 32), newline);
  const d = i8x16.eq(v128.load(at, 48), newline);
  if (!v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) return 0;
  const low = <u64> i8x16.bitmask(a) | (<u64> i8x16.bitmask(b) << 16);
  const high = <u64> i8x16.bitmask(c) | (<u64> i8x16.bitmask(d) << 16);
  return low | (high << 32);
}

/**
 * Finds the first `count` lines in `length` bytes at `text`, writes where they start and end, counted
 * from `text`, and returns how many there are. Up to 63 bytes behind the text must be memory too.
 */
export function splitLines(
  text: usize,
  length: i32,
  count: i32,
  starts: usize,
  ends: usize,
): i32 {
  const newline = v128.load(newlines);
  let line = 0;
  let start = 0;
  for (let at = 0; at < length && line < count; at += 64) {
    for (let hits = lineEnds(text + at, newline); hits !== 0 && line < count; hits &= hits - 1) {
      const end = at + <i32> ctz(hits);
      if (end >= length) break;
      store<u32>(starts + (line << 2), start);
      store<u32>(ends + (line << 2), end);
      start = end + 1;
      line++;
    }
  }
  return line;
}

/**
 * Counts the lines in `length` bytes at `text` on from `line`, writes to `marks` where each line starts
 * whose number `stride` divides, and then where the last one ends; all counted from `text`.
 */
export function countLines(
  text: usize,
  length: i32,
  line: i32,
  stride: i32,
  marks: usize,
): i32 {
  const newline = v128.load(newlines);
  let next = (line / stride + 1) * stride;
  let end = 0;
  for (let at = 0; at < length; at += 64) {
    let hits = lineEnds(text + at, newline);
    if (at + 64 > length) hits &= ((<u64> 1) << (length - at)) - 1;
    for (; hits !== 0; hits &= hits - 1) {
      end = at + <i32> ctz(hits) + 1;
      if (++line === next) {
        store<u32>(marks, end);
        marks += 4;
        next += stride;
      }
    }
  }
  store<u32>(marks, end);
  return line;
}
