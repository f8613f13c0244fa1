import { parseDuration } from "lib";
import { colorAt } from "../view/colors.ts";
import { count, many } from "../view/display.ts";
import { greatest, median } from "../view/statistics.ts";
import type { Count, Sweep } from "./sweep.ts";

/** A delay that a chart marks. */
export interface Mark {
  readonly name: string;
  readonly color: string;
  readonly delay_s: number;
}

/** What a delay loses of the windows drawn, as shares, and how long a reader waits for one. */
export interface Drawn extends Readonly<Record<Count, number>> {
  readonly delay_s: number;
  /** The median and the longest wait. */
  readonly wait_s: number;
  readonly wait_max_s: number;
}

/** Returns the delays named as marks, with colours by their places; throws a RangeError if one was not swept. */
export function marksOf({ delays }: Sweep, names: readonly string[]): Mark[] {
  return names.map((name, i) => {
    const delay = parseDuration(name);
    if (delays.includes(delay)) return { name, color: colorAt(i), delay_s: delay / 1000 };
    throw new RangeError(`The sweep has no delay of ${name}: give it to sweep(), or mark another`);
  });
}

/**
 * Returns a row for each delay that a chart draws, from 0 to the first that loses nothing, or to the last
 * at which half of the windows are final, but to the longest mark at least. All are over the same windows,
 * those that are final at every delay drawn, since with other windows a longer delay could seem to lose
 * more; `all` has their counts, and `words` says which they are. There is no row if no window is final.
 */
export function drawn(
  { table, delays, newest, window, windows: { start, all, lost, finalBatch } }: Sweep,
  marks: readonly Mark[],
): { rows: Drawn[]; all: Readonly<Record<Count, number>>; words: string } {
  const [lostAt, finalAt] = ["rows_lost", "windows_final"].map((name) =>
    table.getColumn(name).toArray().map(Number)
  );
  const none = lostAt!.findIndex((n, d) => n === 0 && finalAt![d]! > 0);
  const few = finalAt!.findLastIndex((n) => n * 2 >= finalAt![0]!);
  const marked = delays.indexOf(1000 * Math.max(0, ...marks.map(({ delay_s }) => delay_s)));
  const last = Math.max(marked, none < 0 ? few : Math.min(none, few));
  const why = last === none
    ? "from there on nothing is lost"
    : last === marked
    ? "the longest delay marked"
    : last === delays.length - 1
    ? "the longest delay tried"
    : "at longer delays more than half of the windows would still be open";

  const end = (w: number) => start[w]! + window.size;
  const common = [...start.keys()].filter((w) => end(w) + delays[last]! <= (newest.at(-1) ?? 0));
  const names = Object.keys(all) as Count[];
  const sums = (of: (name: Count, w: number) => number) =>
    Object.fromEntries(
      names.map((name) => [name, common.reduce((sum, w) => sum + of(name, w), 0)]),
    ) as Record<Count, number>;
  const counts = sums((name, w) => all[name][w]!);
  const rows = Array.from(delays.slice(0, last + 1), (delay, d) => {
    const at = (w: number) => w * delays.length + d;
    const gone = sums((name, w) => lost[name][at(w)]!);
    const waits = common.filter((w) => finalBatch[at(w)]! >= 0)
      .map((w) => (newest[Math.min(finalBatch[at(w)]!, newest.length - 1)]! - end(w)) / 1000);
    const shares = names.map((name) => [name, gone[name] / counts[name]]);
    return {
      delay_s: delay / 1000,
      wait_s: median(waits),
      wait_max_s: greatest(waits),
      ...Object.fromEntries(shares) as Record<Count, number>,
    };
  });
  const windows = common.length === 1 ? "window that is" : "windows that are";
  const words =
    `Over the ${count(common.length)} ${windows} final at every delay drawn. It ends at ` +
    `${count(delays[last]! / 1000)} s: ${why}.`;
  const nothing =
    `No window is final at a delay of ${many(delays[last]! / 1000, "second")}: mark ` +
    "shorter delays, or record for longer.";
  return common.length === 0
    ? { rows: [], all: counts, words: nothing }
    : { rows, all: counts, words };
}
