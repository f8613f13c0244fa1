/** Cases count in seconds, the library in milliseconds and text. */
import type { DataFrame } from "polars";
import { isoTime } from "lib";
import type { Json } from "./check.ts";
import { SECOND } from "./operators.ts";

export function startsOf(frame: DataFrame): number[] {
  return frame.toRecords().map(({ window_start }: Json) => window_start.getTime() / SECOND);
}

export function isoTimes(stats: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(stats).map(([name, time]) => [name, isoTime(time * SECOND)]),
  );
}

export function seconds(n: number): string {
  return `${n} seconds`;
}
