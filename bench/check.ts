import { parseDuration } from "lib";
import { WINDOW_MS, type WindowTable } from "./generate.ts";
import type { Windows } from "./programs.ts";

/**
 * Returns what is wrong with a program's window table; undefined if nothing is. Every window that is
 * final under the watermark must be there, and every window that is there must have the reference's
 * counts: a program without watermarks gives the open windows too.
 */
export function faultOf(
  windows: Windows,
  reference: WindowTable,
  { maxEventTime, watermark }: { readonly maxEventTime: number; readonly watermark: string },
): string | undefined {
  const final = maxEventTime - parseDuration(watermark);
  const missing = Object.keys(reference).map(Number)
    .filter((start) => start + WINDOW_MS <= final && !windows.has(start));
  if (missing.length > 0) {
    return `${missing.length} final windows are missing, the first at ${missing[0]}`;
  }
  for (const [start, counts] of windows) {
    const expected = reference[start];
    if (String(expected) !== String(counts)) {
      return `the window at ${start} has ${counts}, not ${expected}`;
    }
  }
  return undefined;
}
