import type { Step } from "./state.ts";

/** What became of the rows of all batches so far. */
export interface RowTotals {
  readonly read: number;
  /** Rows in windows that are final. */
  readonly counted: number;
  readonly late: number;
  readonly rejected: number;
}

/** Adds what one batch did to the totals; `partialRows` are the rows of its groups, late or not. */
export function addTotals(
  total: RowTotals,
  { lateRows, finalRows }: Step,
  { rejected, partialRows }: { rejected: number; partialRows: number },
): RowTotals {
  return {
    read: total.read + rejected + partialRows,
    counted: total.counted + finalRows,
    late: total.late + lateRows,
    rejected: total.rejected + rejected,
  };
}
