// The fast path of from_json.ts, in AssemblyScript; `deno task wasm` makes rows.wasm of it.
// It reads rows as most writers write them, and leaves every other row to from_json.ts: one with an
// error, an escape, a value of another type, a nested value under a name that the schema lacks, or a
// number that it cannot round for sure. So it never decides what a row that is not plain means.

/** Size of a field's description, six u32: key, length of the key, type, values, nulls, next. */
const FIELD: usize = 24;
const DOUBLE: u32 = 0;
const INTEGER: u32 = 1;
const TIMESTAMP: u32 = 2;

/** 5^q for q from MIN_POWER to MAX_POWER, 128 bits each, the high word first; filled in by JavaScript. */
const MIN_POWER: i32 = -27;
const MAX_POWER: i32 = 22;
const powersOfFive: usize = memory.data(50 * 16, 8);
/** 10^0 … 10^22, all exact in a double. */
const powersOfTen = memory.data<f64>([
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
  1e18, 1e19, 1e20, 1e21, 1e22,
]);
const smallPowers = memory.data<u32>([1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]);

/** Where the next byte lies; 0 once the row is not plain. */
let pos: usize = 0;
/** The number read last, and whether it has a point or an exponent. */
let value: f64 = 0;
let isFloat: bool = false;

/** Where the memory is free. */
export function heap(): usize {
  return __heap_base;
}

/** Where the powers of five are to be written. */
export function powers(): usize {
  return powersOfFive;
}

/**
 * Finds the lines in `length` bytes at `text`, 16 bytes at a time: passes over `skip` of them, writes
 * where the next `count` start and end, counted from `text`, and returns how many of these there are.
 * Up to 15 bytes behind the text must be memory too.
 */
export function splitLines(
  text: usize,
  length: i32,
  skip: i32,
  count: i32,
  starts: usize,
  ends: usize,
): i32 {
  const newline = i8x16.splat(10);
  let line = -skip;
  let start = 0;
  for (let at = 0; at < length && line < count; at += 16) {
    const mask = i8x16.bitmask(i8x16.eq(v128.load(text + at), newline));
    for (let hits = mask; hits !== 0 && line < count; hits &= hits - 1) {
      const end = at + ctz(hits);
      if (end >= length) break;
      if (line >= 0) {
        store<u32>(starts + (line << 2), start);
        store<u32>(ends + (line << 2), end);
      }
      start = end + 1;
      line++;
    }
  }
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
): i32 {
  const all: u64 = width === 64 ? ~0 : ((<u64> 1) << width) - 1;
  const last = fields + <usize> (width - 1) * FIELD;
  let left = 0;
  for (let i = 0; i < length; i++) {
    const row = first + i;
    pos = text + load<u32>(starts + (i << 2));
    const seen = readRow(text, fields, last, row);
    if (pos === 0 || pos > text + load<u32>(ends + (i << 2))) {
      left++;
      continue;
    }
    store<u8>(done + row, 1);
    for (let missing = all & ~seen; missing !== 0; missing &= missing - 1) {
      const field = fields + <usize> ctz(missing) * FIELD;
      store<u8>(load<u32>(field, 16) + row, 1);
    }
  }
  return left;
}

/** Reads one object and returns a bit for each field that has a value. */
function readRow(text: usize, fields: usize, last: usize, row: i32): u64 {
  let seen: u64 = 0;
  let field = last;
  skipBlanks();
  if (load<u8>(pos) !== 123 /* { */) return fail();
  pos++;
  skipBlanks();
  while (true) {
    const known = readKey(fields, last, field);
    skipBlanks();
    if (pos === 0 || load<u8>(pos) !== 58 /* : */) return fail();
    pos++;
    skipBlanks();
    if (known !== 0) {
      field = known;
      const bit = (<u64> 1) << ((field - fields) / FIELD);
      if (load<u32>(pos) === 0x6c6c756e /* null */) {
        pos += 4;
        seen &= ~bit;
      } else {
        readField(text, field, row);
        if (pos === 0) return 0;
        seen |= bit;
      }
    } else skipScalar();
    skipBlanks();
    const byte = load<u8>(pos++);
    if (byte === 125 /* } */) return seen;
    if (byte !== 44 /* , */) return fail();
    skipBlanks();
  }
}

/** Marks the row as not plain. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function fail(): u64 {
  pos = 0;
  return 0;
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function skipBlanks(): void {
  for (let byte = load<u8>(pos); byte <= 32; byte = load<u8>(++pos)) {
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return;
  }
}

/** Reads a name: its field, most likely the one that came next last time, or 0 if there is none. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function readKey(fields: usize, last: usize, before: usize): usize {
  const guess: usize = load<u32>(before, 20);
  return skipKey(guess) ? guess : findKey(fields, last, before);
}

function findKey(fields: usize, last: usize, before: usize): usize {
  for (let field = fields; field <= last; field += FIELD) {
    if (skipKey(field)) {
      store<u32>(before, <u32> field, 20);
      return field;
    }
  }
  if (load<u8>(pos) !== 34 /* " */) fail();
  else skipString();
  return 0;
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function skipKey(field: usize): bool {
  const key: usize = load<u32>(field);
  const length: usize = load<u32>(field, 4);
  const rest = length & 7;
  let i: usize = 0;
  for (; i + 8 <= length; i += 8) if (load<u64>(pos + i) !== load<u64>(key + i)) return false;
  if (rest !== 0) {
    const different = load<u64>(pos + i) ^ load<u64>(key + i);
    if (different << (64 - (<u64> rest << 3)) !== 0) return false;
  }
  pos += length;
  return true;
}

/** Moves over a string without escapes. */
function skipString(): void {
  for (let at = pos + 1;; at++) {
    const byte = load<u8>(at);
    if (byte === 34 /* " */) {
      pos = at + 1;
      return;
    }
    if (byte < 32 || byte === 92 /* \ */) {
      fail();
      return;
    }
  }
}

/** Moves over a value that no field takes. */
function skipScalar(): void {
  const byte = load<u8>(pos);
  const word = load<u32>(pos);
  if (byte === 34 /* " */) skipString();
  else if (word === 0x6c6c756e /* null */ || word === 0x65757274 /* true */) pos += 4;
  else if (word === 0x736c6166 /* fals */ && load<u8>(pos, 4) === 101 /* e */) pos += 5;
  else readNumber();
}

/** Reads a value into its column; a string as its place in the text. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function readField(text: usize, field: usize, row: i32): void {
  const type = load<u32>(field, 8);
  const target = load<u32>(field, 12) + (row << 3);
  if (type === DOUBLE) {
    readNumber();
    store<f64>(target, value);
  } else if (type === INTEGER) {
    readNumber();
    if (isFloat || value !== <f64> (<i32> value)) fail();
    else store<f64>(target, value);
  } else if (load<u8>(pos) !== 34 /* " */) fail();
  else if (type === TIMESTAMP) readTimestamp(target);
  else {
    store<u32>(target, <u32> (pos + 1 - text));
    skipString();
    store<u32>(target, <u32> (pos - 1 - text), 4);
  }
}

/** Reads `"YYYY-MM-DDTHH:MM:SS[.f…]Z"` as epoch milliseconds, floored. */
function readTimestamp(target: usize): void {
  const at = pos + 1;
  const year = twoDigits(at) * 100 + twoDigits(at + 2);
  const month = twoDigits(at + 5);
  const day = twoDigits(at + 8);
  const hour = twoDigits(at + 11);
  const minute = twoDigits(at + 14);
  const second = twoDigits(at + 17);
  // Each is large if it has no digits; the last days of a month are left to from_json.ts.
  if (
    year > 9_999 || month - 1 > 11 || day - 1 > 27 + <u32> (hasLastDays(month, day, year)) ||
    hour > 23 || minute > 59 || second > 59 || load<u8>(at, 4) !== 45 || load<u8>(at, 7) !== 45 ||
    load<u8>(at, 10) !== 84 || load<u8>(at, 13) !== 58 || load<u8>(at, 16) !== 58
  ) {
    fail();
    return;
  }
  let end = at + 19;
  let millis: u32 = 0;
  if (load<u8>(end) === 46 /* . */) {
    let unit: u32 = 100;
    const start = ++end;
    for (let digit: u32; (digit = load<u8>(end) - 48) <= 9; end++, unit /= 10) {
      millis += digit * unit;
    }
    if (end === start) end = 0;
  }
  if (end === 0 || load<u16>(end) !== 0x225a /* Z" */) {
    fail();
    return;
  }
  pos = end + 2;
  const seconds = <i64> (hour * 3_600 + minute * 60 + second);
  store<f64>(target, <f64> ((epochDay(year, month, day) * 86_400 + seconds) * 1_000 + millis));
}

/** How many days more than 28 the month may have, as far as `day` needs them. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function hasLastDays(month: u32, day: u32, year: u32): u32 {
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
function readNumber(): void {
  const isNegative = load<u8>(pos) === 45; /* - */
  const first = pos + <usize> isNegative;
  let at = first;
  let mantissa: u64 = 0;
  let digit: u32 = 0;
  for (; (digit = <u32> load<u8>(at) - 48) <= 9; at++) mantissa = mantissa * 10 + digit;
  const whole = at - first;
  if (whole === 0 || whole > 1 && load<u8>(first) === 48) {
    fail();
    return;
  }
  let digits = whole;
  let scale: i32 = 0;
  isFloat = load<u8>(at) === 46; /* . */
  if (isFloat) {
    const point = ++at;
    if (mantissa === 0) {
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
    if (scale === 0) {
      fail();
      return;
    }
  }
  if ((load<u8>(at) | 32) === 101 /* e */) {
    isFloat = true;
    const sign = load<u8>(++at);
    if (sign === 43 /* + */ || sign === 45 /* - */) at++;
    const start = at;
    let exponent: i32 = 0;
    for (; (digit = <u32> load<u8>(at) - 48) <= 9; at++) exponent = exponent * 10 + digit;
    if (at === start || at - start > 4) {
      fail();
      return;
    }
    scale += sign === 45 ? -exponent : exponent;
  }
  pos = at;
  if (<i32> digits > 19 || scale < MIN_POWER || scale > MAX_POWER) fail();
  else if (mantissa === 0) value = isFloat && isNegative ? -0.0 : 0; // an integer has no -0
  else {
    if (mantissa >> 53 === 0 && scale >= -22) {
      const power = load<f64>(powersOfTen + (<usize> abs(scale) << 3));
      value = scale < 0 ? <f64> mantissa / power : <f64> mantissa * power;
    } else value = scaled(mantissa, scale);
    if (isNegative) value = -value;
  }
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
