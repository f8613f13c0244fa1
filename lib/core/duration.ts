const DAY = 86_400_000;
/** Milliseconds a unit. A month counts 31 days, as in Spark's watermark delays. */
const UNITS: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: DAY,
  week: 7 * DAY,
  month: 31 * DAY,
  year: 12 * 31 * DAY,
};

/**
 * Reads a duration such as `30 seconds`, `2 minutes` or `1 hour 30 minutes` into milliseconds, as
 * Spark reads an interval string.
 *
 * Throws a `SyntaxError` for other text and a `RangeError` for a negative duration.
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
  const words = text.trim().toLowerCase().replace(/^interval\s+/, "")
    .replace(/^'(\d+) (\d+):(\d+):(\d+)' day to second$/, "$1 days $2 hours $3 minutes $4 seconds")
    .replace(/^'(\d+)-(\d+)' year to month$/, "$1 years $2 months")
    .replace(/'(\S+)'/g, "$1").split(/\s+/);
  let total = 0;
  for (let i = 0; i < words.length; i += 2) {
    const count = /^[+-]?\d+(\.\d+)?$/.test(words[i]!) ? Number(words[i]) : NaN;
    const unit = UNITS[words[i + 1]?.replace(/s$/, "") ?? ""];
    if (Number.isNaN(count) || unit === undefined) {
      throw new SyntaxError(
        `Cannot read the duration "${text}": write a number and a unit, such as "30 seconds"`,
      );
    }
    total += count * unit;
  }
  if (total < 0) throw new RangeError(`The duration "${text}" should not be negative.`);
  return Math.round(total);
}
