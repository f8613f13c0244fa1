import { count } from "./display.ts";

/** Returns the median (the upper one of two); NaN of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
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
