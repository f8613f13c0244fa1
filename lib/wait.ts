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

/** Starts a timer of any length, ms, that can be ended before. */
export function startTimer(
  ms: number,
): { readonly ended: Promise<void>; readonly end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout>;
  const wait = (rest: number) => {
    const next = rest > LONGEST_TIMER ? () => wait(rest - LONGEST_TIMER) : resolve;
    timer = setTimeout(next, Math.min(rest, LONGEST_TIMER));
  };
  wait(ms);
  const end = () => {
    clearTimeout(timer);
    resolve();
  };
  return { ended: promise, end };
}
