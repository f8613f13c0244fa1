// Timestamps as most writers write them.

/** Reads `"YYYY-MM-DDTHH:MM:SS[.f…]Z"`, or `+00:00` for `Z`, as epoch milliseconds, floored. */
export function readTimestamp(start: usize, target: usize): usize {
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
