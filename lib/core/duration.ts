const DAY = 86_400_000;
/** Milliseconds a unit. A month counts 31 days, as in Spark's watermark delays. */
const UNITS = new Map(Object.entries({
  microsecond: 0.001,
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: DAY,
  week: 7 * DAY,
  month: 31 * DAY,
  year: 12 * 31 * DAY,
}));
/** The most that `Date` can count from 1970 on, ms. */
const LONGEST = 8.64e15;

/**
 * Reads a duration such as `30 seconds`, `2 minutes` or `1 hour 30 minutes` into milliseconds, as
 * Spark reads an interval string: only seconds may have a fraction, and what is left below a
 * millisecond is cut off.
 *
 * Throws a `SyntaxError` for other text and a `RangeError` for a duration that is negative or longer
 * than 273,790 years.
 *
 * @example Usage
 * ```ts
 * import { parseDuration } from "lib";
 * import { equal } from "node:assert/strict";
 *
 * equal(parseDuration("2 minutes"), 120_000);
 * ```
 */
export function parseDuration(text: string): number {
  return Math.floor(readDuration(text).ms);
}

/** Reads a duration to the microsecond, and says whether it counts in months or years. */
export function readDuration(text: string): { readonly ms: number; readonly hasMonths: boolean } {
  const words = text.trim().toLowerCase().replace(/^interval\s+/, "")
    .replace(/^'(\d+) (\d+):(\d+):(\d+)' day to second$/, "$1 days $2 hours $3 minutes $4 seconds")
    .replace(/^'(\d+)-(\d+)' year to month$/, "$1 years $2 months")
    .replace(/'([^'\s]+)'/g, "$1").replace(/([+-])\s+(?=[\d.])/g, "$1").split(/\s+/);
  let microseconds = 0;
  let hasMonths = false;
  for (let i = 0; i < words.length; i += 2) {
    const [, name = ""] = /^([a-z]+?)s?$/.exec(words[i + 1] ?? "") ?? [];
    const unit = UNITS.get(name);
    const form = name === "second" ? /^[+-]?(\d+\.?\d{0,9}|\.\d{1,9})$/ : /^[+-]?\d+$/;
    if (unit === undefined || !form.test(words[i]!)) {
      throw new SyntaxError(
        `Cannot read the duration "${text}": write a whole number and a unit, such as ` +
          `"30 seconds"; only seconds may have a fraction`,
      );
    }
    const count = Number(words[i]!.replace(/(\.\d{6})\d+/, "$1"));
    microseconds += Math.round(count * Math.round(unit * 1000));
    hasMonths ||= name === "month" || name === "year";
  }
  const ms = microseconds / 1000;
  if (ms < 0) throw new RangeError(`The duration "${text}" should not be negative.`);
  if (ms > LONGEST) throw new RangeError(`The duration "${text}" is longer than time is counted.`);
  return { ms, hasMonths };
}
