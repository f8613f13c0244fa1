import { count } from "./display.ts";

/** Returns the median, of an even number of values the mean of the middle two; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

/** Says the median and the greatest of some values; NaNs do not count. */
export function summary(values: readonly number[], unit: string): string {
  const known = values.filter((value) => !Number.isNaN(value));
  if (known.length === 0) return `no ${unit}`;
  return `${count(median(known))} ${unit} (median), at most ${count(greatest(known))}`;
}

/** Returns the greatest of values; -Infinity of none. `Math.max` takes no long lists. */
export function greatest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}

/**
 * Returns Wilson's score interval of a share, or null without trials. Unlike the textbook interval it
 * keeps a width at 0 of n and n of n, where a window with five frauds often is. `z` is in standard
 * deviations, 1.96 for 95 %. Throws a RangeError unless 0 <= successes <= trials.
 */
export function wilson(successes: number, trials: number, { z = 1.959964 } = {}) {
  if (!(successes >= 0 && successes <= trials)) {
    throw new RangeError(`Cannot give an interval: got ${successes} successes in ${trials} trials`);
  }
  if (trials === 0) return null;
  const share = successes / trials;
  const weight = 1 + z * z / trials;
  const center = (share + z * z / (2 * trials)) / weight;
  const half = z / weight * Math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2);
  // In floating point none of n and n of n would miss their ends by a hair.
  const low = successes === 0 ? 0 : Math.max(0, center - half);
  return { low, high: successes === trials ? 1 : Math.min(1, center + half) };
}
