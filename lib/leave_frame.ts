import type { DataFrame } from "polars";

/** Bytes that Polars may hold for objects which V8 has not collected. */
let unseen = 0;
const MAX_UNSEEN = 12 * 1024 * 1024;
/** More than V8 waits for with a heap of 100 MiB. */
const HINT = 512 * 1024 * 1024;

/**
 * Counts the memory of a frame that is no longer needed, made `times` over. It goes when V8 collects
 * old objects, but V8 does not see it and may wait until it is a GiB. A buffer that nobody touches
 * takes no memory, but V8 sees it, and collects.
 */
export function leaveFrame({ height, width }: DataFrame, times = 1): void {
  unseen += 8 * height * width * times;
  if (unseen < MAX_UNSEEN) return;
  unseen = 0;
  try {
    new ArrayBuffer(HINT);
  } catch { /* there are no such addresses to be had: V8 collects when it likes */ }
}
