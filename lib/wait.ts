import { setTimeout as delay } from "node:timers/promises";

/** How long a call of a source may go on after the query was asked to stop, ms. */
const PATIENCE = 400;

/**
 * Waits for a call of a source, but not long once `stop` is aborted: then it throws the reason, also
 * where the call failed. What the call does afterwards is nobody's concern.
 */
export function unlessStopped<T>(call: Promise<T>, stop: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const begin = () => timer = setTimeout(() => reject(stop.reason), PATIENCE);
    if (stop.aborted) begin();
    else stop.addEventListener("abort", begin, { once: true });
    call.then(resolve, (error) => reject(stop.aborted ? stop.reason : error)).finally(() => {
      clearTimeout(timer);
      stop.removeEventListener("abort", begin);
    });
  });
}

/** Longer than this no timer of the runtime can wait: it would end at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Waits any length, ms, but not once `end` is aborted. */
export async function pause(ms: number, end: AbortSignal): Promise<void> {
  for (let rest = ms; rest > 0 && !end.aborted; rest -= LONGEST_TIMER) {
    await delay(Math.min(rest, LONGEST_TIMER), undefined, { signal: end }).catch(() => {});
  }
}
