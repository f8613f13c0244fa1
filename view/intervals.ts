/**
 * Returns Wilson's score interval of a share, or null without trials. Unlike the textbook interval it
 * keeps a width at 0 of n and n of n, where a window with five frauds often is. `z` is in standard
 * deviations, 1.96 for 95 %. Throws a RangeError unless 0 <= successes <= trials.
 */
export function wilson(successes: number, trials: number, { z = 1.959964 } = {}) {
  if (!(successes >= 0 && successes <= trials)) {
    throw new RangeError(`Cannot give an interval: got ${successes} successes in ${trials} trials`);
  }
  if (trials === 0) return null;
  const share = successes / trials;
  const weight = 1 + z * z / trials;
  const center = (share + z * z / (2 * trials)) / weight;
  const half = z / weight * Math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2);
  return { low: Math.max(0, center - half), high: Math.min(1, center + half) };
}
