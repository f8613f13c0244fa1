import { readDuration } from "../core/duration.ts";

/** Windows `[start, start + size)` with `start = offset + k * slide`; all in milliseconds. */
export interface WindowSpec {
  readonly size: number;
  readonly slide: number;
  readonly offset: number;
}

/**
 * Reads the arguments of Spark's `window(timeColumn, windowDuration, slideDuration, startTime)`.
 *
 * Throws a `RangeError` unless 0 < slide <= window and 0 <= startTime < slide, all in whole
 * milliseconds and none in months or years, which have no fixed length.
 */
export function windowSpec(
  window: string,
  { slide = window, startTime = "0 seconds" }: {
    slide?: string | undefined;
    startTime?: string | undefined;
  } = {},
): WindowSpec {
  const [size, step, offset] = [window, slide, startTime].map((text) => {
    const { ms, hasMonths } = readDuration(text);
    if (!hasMonths && Number.isInteger(ms)) return ms;
    const what = hasMonths
      ? "months have no fixed length, so give days"
      : "give whole milliseconds";
    throw new RangeError(`Cannot assign windows by "${text}": ${what}`);
  }) as [number, number, number];
  if (!(step > 0 && step <= size && offset < step)) {
    throw new RangeError(
      `Cannot assign windows: need 0 < slide <= window and startTime < slide, got window ` +
        `"${window}", slide "${slide}", startTime "${startTime}"`,
    );
  }
  return { size, slide: step, offset };
}

/**
 * Returns the start of the last window that contains an event time, in epoch milliseconds.
 *
 * Windows are half-open and aligned to the Unix epoch in UTC, also before 1970.
 *
 * @example An event on the boundary belongs to the window that starts there
 * ```ts
 * import { lastWindowStart, windowSpec } from "lib";
 * import { equal } from "node:assert/strict";
 *
 * equal(lastWindowStart(59_999, windowSpec("1 minute")), 0);
 * equal(lastWindowStart(60_000, windowSpec("1 minute")), 60_000);
 * equal(lastWindowStart(-1, windowSpec("1 minute")), -60_000);
 * ```
 */
export function lastWindowStart(eventTime: number, { slide, offset }: WindowSpec): number {
  return Math.floor((eventTime - offset) / slide) * slide + offset;
}

/** Returns the most windows a row can fall in: 1 for tumbling windows. */
export function windowsPerRow({ size, slide }: WindowSpec): number {
  return Math.ceil(size / slide);
}

/** Whether a window has closed: its end (exclusive) is at or before the watermark; never without one. */
export function isClosed(end: number, watermark: number | null): boolean {
  return watermark !== null && end <= watermark;
}
