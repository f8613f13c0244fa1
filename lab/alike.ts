import type { Sweep } from "./sweep.ts";

/** Delays in ms, both ends included, in the steps of the sweep. */
export interface DelayRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Says which delays around one (ms, one of the sweep's) differ from it in nothing: a watermark moves only
 * between batches, so that many delays give the same table of final windows (`table`), and more of them
 * lose the same rows (`lost`).
 */
export function alike(
  { delays, windows: { lost, finalBatch, start } }: Sweep,
  delay: number,
): { readonly table: DelayRange; readonly lost: DelayRange } {
  const at = delays.indexOf(delay);
  if (at < 0) throw new RangeError(`The sweep has no delay of ${delay} ms: give it to sweep()`);
  const rangeOf = (isSame: (a: number, b: number) => boolean): DelayRange => {
    const same = (d: number) =>
      [...start.keys()].every((w) => isSame(w * delays.length + d, w * delays.length + at));
    let [low, high] = [at, at];
    while (low > 0 && same(low - 1)) low--;
    while (high < delays.length - 1 && same(high + 1)) high++;
    return { from: delays[low]!, to: delays[high]! };
  };
  // A longer delay loses a part of what a shorter one does, so equal numbers are equal rows.
  const losesTheSame = (a: number, b: number) => lost.n_txn[a] === lost.n_txn[b];
  const isFinal = (cell: number) => finalBatch[cell]! >= 0;
  return {
    table: rangeOf((a, b) => losesTheSame(a, b) && isFinal(a) === isFinal(b)),
    lost: rangeOf(losesTheSame),
  };
}
