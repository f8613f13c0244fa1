// The fast path of from_json.ts, in AssemblyScript; `deno task wasm` makes rows.wasm of it.
// It reads rows as most writers write them, and leaves every other row to from_json.ts: one with an
// error, an escape, a value of another type, a nested value under a name that the schema lacks, or a
// number that it cannot round for sure. So it never decides what a row that is not plain means.

/** What there is to know of a field; JavaScript writes it, see layout.ts. The first eight are u32. */
// @ts-ignore: a decorator of AssemblyScript
@unmanaged
class Field {
  /** Where `,"name":` stands, and how long it is. */
  key: usize;
  keyLength: usize;
  type: u32;
  /** Where its columns of values and of nulls begin. */
  values: usize;
  nulls: usize;
  /** What came after it last time: a guess. */
  next: Field;
  /** Its place in the first row of the matrix; 0 if the model does not read it. */
  feature: usize;
  unused: u32;
  /** A bit that no other field has. */
  bit: u64;
  /** The first 8 bytes of the key, and a mask for as many of them as it has. */
  keyStart: u64;
  keyMask: u64;
}

const DOUBLE: u32 = 0;
const INTEGER: u32 = 1;
const TIMESTAMP: u32 = 2;
/** A double that only the model reads, as a float32. */
const FEATURE: u32 = 4;

/** 5^q for q from MIN_POWER to MAX_POWER, 128 bits each, the high word first; filled in by JavaScript. */
const MIN_POWER: i32 = -27;
const MAX_POWER: i32 = 22;
const powersOfFive: usize = memory.data(50 * 16, 8);
/** 10^0 … 10^22, all exact in a double. */
const powersOfTen = memory.data<f64>([
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
  1e18, 1e19, 1e20, 1e21, 1e22,
]);
/** At `32 - n` stands a mask for the first `n` of 16 bytes. */
const masks: usize = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);
/** Constants of 16 bytes, which V8 would put together anew at each use, and where each stands. */
const lanes = memory.data<u32>([
  0x50505050, 0x50505050, 0x50505050, 0x50505050,
  0x89898989, 0x89898989, 0x89898989, 0x89898989,
  0x30303030, 0x30303030, 0x30303030, 0x30303030,
  0x0a010a01, 0x0a010a01, 0x0a010a01, 0x0a010a01,
  0x00010064, 0x00010064, 0x00010064, 0x00010064,
  0x00012710, 0x00012710, 0x00012710, 0x00012710,
  0x0a0a0a0a, 0x0a0a0a0a, 0x0a0a0a0a, 0x0a0a0a0a,
], 16);
/** Added to a byte, makes the digits the least signed numbers, -128 to -119. */
const TO_SIGNED: usize = 0;
const NINE: usize = 16;
const ZEROS: usize = 32;
/** Factors that make numbers of two digits of single ones, then of four and of eight. */
const TO_TWOS: usize = 48;
const TO_FOURS: usize = 64;
const TO_EIGHTS: usize = 80;
const NEWLINES: usize = 96;
const smallPowers = memory.data<u32>([1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]);

// Functions that read take the place of the next byte and return the one behind what they read, or 0 if
// it is not plain: a place in a global variable would be written and read back at each step.

/** The number read last, and whether it has a point or an exponent. */
let value: f64 = 0;
let isFloat: bool = false;
/** The fields that the row read last has a value for, a bit each. */
let seen: u64 = 0;

/** Where the memory is free. */
export function heap(): usize {
  return __heap_base;
}

/** Where the powers of five are to be written. */
export function powers(): usize {
  return powersOfFive;
}

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
  const newline = v128.load(lanes, NEWLINES);
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
  const newline = v128.load(lanes, NEWLINES);
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

/**
 * Reads `length` rows into the columns of `fields`, from row `first` on, and marks in `done` which
 * rows it has read; the columns of the others hold nothing meant. Returns how many it left.
 */
export function parseRows(
  text: usize,
  starts: usize,
  ends: usize,
  length: i32,
  fields: usize,
  width: i32,
  first: i32,
  done: usize,
  stride: i32,
  unscored: usize,
): i32 {
  const all: u64 = width === 64 ? ~0 : ((<u64> 1) << width) - 1;
  const last = fields + <usize> (width - 1) * offsetof<Field>();
  let left = 0;
  for (let i = 0; i < length; i++) {
    const row = first + i;
    const end = text + load<u32>(ends + (i << 2));
    const behind = readRow(text + load<u32>(starts + (i << 2)), end, text, fields, last, row, row * stride);
    if (behind === 0 || behind !== end && (behind > end || skipBlanks(behind, end) !== end)) {
      left++;
      continue;
    }
    store<u8>(done + row, 1);
    for (let missing = all & ~seen; missing !== 0; missing &= missing - 1) {
      const field = changetype<Field>(fields + <usize> ctz(missing) * offsetof<Field>());
      store<u8>(field.nulls + row, 1);
      if (field.feature !== 0) {
        store<f32>(field.feature + row * stride, NaN);
        store<u8>(unscored + row, 1);
      }
    }
  }
  return left;
}

/** Reads one object; what it returns may lie behind `end` if the object is cut off. */
function readRow(
  start: usize,
  end: usize,
  text: usize,
  fields: usize,
  last: usize,
  row: i32,
  cell: usize,
): usize {
  let bits: u64 = 0;
  let field = changetype<Field>(last);
  let at = skipBlanks(start, end);
  if (load<u8>(at) !== 123 /* { */) return 0;
  at = skipBlanks(at + 1, end);
  if (load<u8>(at) === 44 /* , */) return 0;
  let isFirst = true;
  /** Where the feature read last begins, if something else than a number of its form may stand there. */
  let number: usize = 0;
  while (true) {
    // What came next last time, most likely without a blank before it and within it.
    let known: Field | null = field.next;
    let behind = skipWholeKey(at, field.next);
    if (behind !== 0) {
      if (field.next.type === FEATURE) {
        const next = readFeature(behind, field.next.feature + cell);
        if (next !== 0) {
          number = behind;
          at = next;
          field = field.next;
          bits |= field.bit;
          continue;
        }
      }
      at = skipBlanks(behind, end);
    } else {
      at = skipBlanks(at, end);
      const byte = load<u8>(at);
      if (!isFirst) {
        if (byte === 125 /* } */) {
          seen = bits;
          return at + 1;
        }
        if (byte !== 44 /* , */) {
          if (number === 0) return 0;
          at = readField(number, text, field, row, cell); // longer than it seemed, or with an exponent
          if (at === 0) return 0;
          number = 0;
          continue;
        }
        at = skipBlanks(at + 1, end);
      }
      isFirst = false;
      behind = skipKey(at, field.next, 1);
      if (behind === 0) {
        known = findField(at, fields, last);
        behind = known === null ? skipString(at) : skipKey(at, known, 1);
        if (behind === 0) return 0;
        if (known !== null) field.next = known;
      }
      at = skipBlanks(behind, end);
      if (load<u8>(at) !== 58 /* : */) return 0;
      at = skipBlanks(at + 1, end);
    }
    number = 0;
    if (known === null) at = skipScalar(at);
    else {
      field = known;
      if (load<u32>(at) === 0x6c6c756e /* null */) {
        at += 4;
        bits &= ~field.bit;
      } else {
        at = readField(at, text, field, row, cell);
        bits |= field.bit;
      }
    }
    if (at === 0) return 0;
  }
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function skipBlanks(start: usize, end: usize): usize {
  let at = start;
  for (let byte = load<u8>(at); byte <= 32 && at < end; byte = load<u8>(++at)) {
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) break;
  }
  return at;
}

/** Returns the field whose name stands here. */
function findField(at: usize, fields: usize, last: usize): Field | null {
  for (let field = fields; field <= last; field += offsetof<Field>()) {
    if (skipKey(at, changetype<Field>(field), 1) !== 0) return changetype<Field>(field);
  }
  return null;
}

/** Moves over a key, `,"name":`, without its first and its last `less` bytes. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function skipKey(at: usize, field: Field, less: usize): usize {
  const key = field.key + less;
  const length = field.keyLength - 2 * less;
  const rest = length & 7;
  let i: usize = 0;
  for (; i + 8 <= length; i += 8) if (load<u64>(at + i) !== load<u64>(key + i)) return 0;
  if (rest !== 0) {
    const different = load<u64>(at + i) ^ load<u64>(key + i);
    if (different << (64 - (<u64> rest << 3)) !== 0) return 0;
  }
  return at + length;
}

/** Moves over a key, `,"name":`. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function skipWholeKey(at: usize, field: Field): usize {
  if (((load<u64>(at) ^ field.keyStart) & field.keyMask) !== 0) return 0;
  if (field.keyLength > 8 && skipKey(at, field, 0) === 0) return 0;
  return at + field.keyLength;
}

/** Moves over a string without escapes. */
function skipString(start: usize): usize {
  if (load<u8>(start) !== 34 /* " */) return 0;
  let at = start + 1;
  for (let byte = load<u8>(at); byte !== 34 /* " */; byte = load<u8>(++at)) {
    if (byte < 32 || byte === 92 /* \ */) return 0;
  }
  return at + 1;
}

/** Moves over a value that no field takes. */
function skipScalar(at: usize): usize {
  const word = load<u32>(at);
  if (load<u8>(at) === 34 /* " */) return skipString(at);
  if (word === 0x6c6c756e /* null */ || word === 0x65757274 /* true */) return at + 4;
  if (word === 0x736c6166 /* fals */ && load<u8>(at, 4) === 101 /* e */) return at + 5;
  return readNumber(at);
}

/** Reads a value into its column; a string as its place in the text. */
function readField(at: usize, text: usize, field: Field, row: i32, cell: usize): usize {
  const type = field.type;
  const target = field.values + (row << 3);
  if (type === DOUBLE || type === INTEGER || type === FEATURE) {
    const end = readNumber(at);
    if (type !== FEATURE) store<f64>(target, value);
    if (field.feature !== 0) store<f32>(field.feature + cell, <f32> value);
    return type === INTEGER && (isFloat || value !== <f64> (<i32> value)) ? 0 : end;
  }
  if (type === TIMESTAMP) return readTimestamp(at, target);
  const end = skipString(at);
  store<u32>(target, <u32> (at + 1 - text));
  store<u32>(target, <u32> (end - 1 - text), 4);
  return end;
}

/** Reads `"YYYY-MM-DDTHH:MM:SS[.f…]Z"`, or `+00:00` for `Z`, as epoch milliseconds, floored. */
function readTimestamp(start: usize, target: usize): usize {
  const at = start + 1;
  const year = twoDigits(at) * 100 + twoDigits(at + 2);
  const month = twoDigits(at + 5);
  const day = twoDigits(at + 8);
  const hour = twoDigits(at + 11);
  const minute = twoDigits(at + 14);
  const second = twoDigits(at + 17);
  // Each is large if it has no digits.
  if (
    year > 9_999 || month - 1 > 11 || day - 1 > 27 + lastDays(month, day, year) ||
    hour > 23 || minute > 59 || second > 59 || load<u8>(start) !== 34 /* " */ ||
    load<u8>(at, 4) !== 45 /* - */ || load<u8>(at, 7) !== 45 || load<u8>(at, 10) !== 84 /* T */ ||
    load<u8>(at, 13) !== 58 /* : */ || load<u8>(at, 16) !== 58
  ) return 0;
  let end = at + 19;
  let millis: u32 = 0;
  if (load<u8>(end) === 46 /* . */) {
    let unit: u32 = 100;
    const first = ++end;
    for (let digit: u32; (digit = <u32> load<u8>(end) - 48) <= 9; end++, unit /= 10) {
      millis += digit * unit;
    }
    if (end === first) return 0;
  }
  if (load<u16>(end) === 0x225a /* Z" */) end += 2;
  else if ((load<u64>(end) << 8) === 0x2230303a30302b00 /* +00:00" */) end += 7;
  else return 0;
  const seconds = <i64> (hour * 3_600 + minute * 60 + second);
  store<f64>(target, <f64> ((epochDay(year, month, day) * 86_400 + seconds) * 1_000 + millis));
  return end;
}

/** How many days more than 28 the month may have, as far as `day` needs them. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function lastDays(month: u32, day: u32, year: u32): u32 {
  if (day <= 28) return 0;
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 2 : 3;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0;
}

/** Returns the number that two digits make, or a large one. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function twoDigits(at: usize): u32 {
  const tens = <u32> load<u8>(at) - 48;
  const ones = <u32> load<u8>(at, 1) - 48;
  return tens <= 9 && ones <= 9 ? tens * 10 + ones : 1_000_000;
}

/** Days since 1970-01-01 in the Gregorian calendar, years from 0 on. */
function epochDay(year: i64, month: i64, day: i64): i64 {
  const y = month > 2 ? year : year - 1; // a year that ends with February
  const dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const leaps = y >= 0 ? y / 4 - y / 100 + y / 400 : -1; // year 0 began in year -1
  return 365 * y + leaps + dayOfYear - 719_468;
}

/** Reads a number of JSON's grammar, rounded as `Number` does it. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function readNumber(start: usize): usize {
  const isNegative = load<u8>(start) === 45; /* - */
  const first = start + <usize> isNegative;
  let at = first;
  let mantissa: u64 = 0;
  let digit: u32 = 0;
  for (; (digit = <u32> load<u8>(at) - 48) <= 9; at++) mantissa = mantissa * 10 + digit;
  const whole = at - first;
  if (whole === 0 || whole > 1 && load<u8>(first) === 48) return 0;
  let digits = whole;
  let scale: i32 = 0;
  isFloat = load<u8>(at) === 46; /* . */
  if (isFloat) {
    const point = ++at;
    if (load<u8>(at) === 48 && load<u8>(first) === 48) {
      while (load<u8>(at) === 48) at++;
      digits = point - at; // leading zeros do not count
    }
    let word = load<u64>(at);
    let others = notDigits(word);
    while (others === 0) {
      mantissa = mantissa * 100_000_000 + eightDigits(word ^ 0x3030303030303030);
      word = load<u64>(at += 8);
      others = notDigits(word);
    }
    const rest = ctz(others) >> 3;
    if (rest !== 0) {
      const aligned = (word ^ 0x3030303030303030) << ((8 - rest) << 3);
      mantissa = mantissa * load<u32>(smallPowers + (<usize> rest << 2)) + eightDigits(aligned);
      at += <usize> rest;
    }
    scale = <i32> (point - at);
    digits += at - point;
    if (scale === 0 || scale < -64) return 0;
  }
  if ((load<u8>(at) | 32) === 101 /* e */) {
    isFloat = true;
    const sign = load<u8>(++at);
    if (sign === 43 /* + */ || sign === 45 /* - */) at++;
    const digitsAt = at;
    let exponent: i32 = 0;
    for (; (digit = <u32> load<u8>(at) - 48) <= 9; at++) exponent = exponent * 10 + digit;
    if (at === digitsAt || at - digitsAt > 4) return 0;
    scale += sign === 45 ? -exponent : exponent;
  }
  if (<i32> digits > 19 || scale < MIN_POWER || scale > MAX_POWER) return 0;
  if (mantissa === 0) value = isFloat && isNegative ? -0.0 : 0; // an integer has no -0
  else {
    let double: f64;
    if (mantissa >> 53 === 0 && scale >= -22) {
      const power = load<f64>(powersOfTen + (<usize> abs(scale) << 3));
      double = scale < 0 ? <f64> mantissa / power : <f64> mantissa * power;
    } else double = scaled(mantissa, scale);
    value = reinterpret<f64>(reinterpret<u64>(double) | (<u64> isNegative << 63));
  }
  return at;
}

/**
 * Reads a number such as `-1.2345678901234567`, one digit before the point, as a float32: the one
 * nearest to the double nearest to the text. Returns 0 for another number, and if its first 17 digits
 * do not say for sure which float32 that is. What stands behind it is not looked at.
 */
// @ts-ignore: a decorator of AssemblyScript
@inline
function readFeature(at: usize, target: usize): usize {
  const isNegative = <u32> (load<u8>(at) === 45 /* - */);
  const behindPoint = at + isNegative + 2;
  const whole = <u32> load<u16>(behindPoint - 2) - 0x2e30; /* 0. */
  const toSigned = v128.load(lanes, TO_SIGNED);
  const nine = v128.load(lanes, NINE);
  // Bytes from the second on that are no digits, a bit each: the point is the first.
  const first = i8x16.gt_s(i8x16.add(v128.load(at, 1), toSigned), nine);
  const second = i8x16.gt_s(i8x16.add(v128.load(at, 17), toSigned), nine);
  const others = <u32> i8x16.bitmask(first) | (<u32> i8x16.bitmask(second) << 16);
  const behind = at + <usize> ctz(others & (others - 1)) + 1;
  if (whole > 9 || behind === behindPoint) return 0;
  const mask = v128.load(masks + 32 + behindPoint - behind);
  const ones = v128.and(i8x16.sub(v128.load(behindPoint), v128.load(lanes, ZEROS)), mask);
  const twos = i16x8.shr_u(i16x8.mul(ones, v128.load(lanes, TO_TWOS)), 8);
  const fours = i32x4.dot_i16x8_s(twos, v128.load(lanes, TO_FOURS));
  const eights = i32x4.dot_i16x8_s(
    i16x8.narrow_i32x4_s(fours, fours),
    v128.load(lanes, TO_EIGHTS),
  );
  const both = i64x2.extract_lane(eights, 0);
  const fraction = (both & 0xffffffff) * 100_000_000 + <i64> (<u64> both >> 32);
  const mantissa = <i64> whole * 10_000_000_000_000_000 + fraction;
  // Below, the digits that are cut off weigh more than the margin.
  if (mantissa < 10_000_000_000_000) return 0;
  const double = <f64> mantissa * 1e-16;
  // The double is off by less than 1024 of its last place: that must not reach the middle of two float32.
  const rest = <u32> reinterpret<u64>(double) & 0x1fffffff;
  if (rest - (0x10000000 - 1024) <= 2048) return 0;
  store<u32>(target, reinterpret<u32>(<f32> double) | (isNegative << 31));
  return behind;
}

/** Has a bit set in each byte that is no digit. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function notDigits(word: u64): u64 {
  const high: u64 = 0xf0f0f0f0f0f0f0f0;
  const zeros: u64 = 0x3030303030303030;
  return ((word & high) ^ zeros) | (((word + 0x0606060606060606) & high) ^ zeros);
}

/** Returns the number of eight digits, a byte each, the first in the lowest. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function eightDigits(digits: u64): u64 {
  const pairs = digits * 10 + (digits >> 8);
  const mask: u64 = 0x000000ff000000ff;
  return ((pairs & mask) * 0x000f424000000064 + ((pairs >> 16) & mask) * 0x0000271000000001) >> 32;
}

/**
 * Returns the double nearest to `mantissa` * 10^`power`, for powers in the table, by the method of
 * Eisel and Lemire (D. Lemire, "Number parsing at a gigabyte per second", 2021, section 5).
 */
// @ts-ignore: a decorator of AssemblyScript
@inline
function scaled(mantissa: u64, power: i32): f64 {
  const shift = clz(mantissa);
  const w = mantissa << shift;
  const entry = powersOfFive + (<usize> (power - MIN_POWER) << 4);
  let low = w * load<u64>(entry);
  let high = upperHalf(w, load<u64>(entry));
  if ((high & 0x1ff) === 0x1ff) {
    const more = upperHalf(w, load<u64>(entry, 8));
    low += more;
    if (more > low) high++;
  }
  const upper = high >> 63;
  const cut = upper + 9;
  let bits = high >> cut;
  let exponent = <i64> ((217_706 * power) >> 16) + 63 + <i64> upper - <i64> shift + 1023;
  // Halfway between two doubles: round to even.
  if (low <= 1 && power >= -4 && power <= 23 && (bits & 3) === 1 && bits << cut === high) bits &= ~1;
  bits = (bits + (bits & 1)) >> 1;
  if (bits >> 53 !== 0) {
    bits = 1 << 52;
    exponent++;
  }
  return reinterpret<f64>((bits & 0x000fffffffffffff) | (<u64> exponent << 52));
}

/** Returns the upper 64 bits of a product of 128. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function upperHalf(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const middle = aHigh * bLow + ((aLow * bLow) >> 32);
  const other = aLow * bHigh + (middle & 0xffffffff);
  return aHigh * bHigh + (middle >> 32) + (other >> 32);
}
