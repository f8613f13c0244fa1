// Numbers of JSON, rounded as JavaScript rounds them, and features as float32.

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
], 16);
/** Added to a byte, makes the digits the least signed numbers, -128 to -119. */
const TO_SIGNED: usize = 0;
const NINE: usize = 16;
const ZEROS: usize = 32;
/** Factors that make numbers of two digits of single ones, then of four and of eight. */
const TO_TWOS: usize = 48;
const TO_FOURS: usize = 64;
const TO_EIGHTS: usize = 80;
const smallPowers = memory.data<u32>([1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]);

/** The number read last, and whether it has a point or an exponent. */
export let value: f64 = 0;
export let isFloat: bool = false;
/** Where the powers of five are to be written. */
export function powers(): usize {
  return powersOfFive;
}

/** Reads a number of JSON's grammar, rounded as `Number` does it. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function readNumber(start: usize): usize {
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
export function readFeature(at: usize, target: usize): usize {
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
