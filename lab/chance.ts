import { percent } from "../view/display.ts";
import { wilson } from "../view/statistics.ts";

/** Some of several: 43 of 65 alerts were frauds. */
export interface Share {
  readonly hits: number;
  readonly of: number;
}

/** How two shares differ, and whether chance alone would do that. `words` gives each with its 95% interval. */
export interface Comparison {
  /** Of the first less that of the second; NaN where one is of nothing. */
  readonly difference: number;
  /** Fisher's exact test, two-sided: how often chance makes a table at least as unlikely. */
  readonly p: number;
  readonly words: string;
}

/**
 * Says whether two shares of *different* rows differ beyond chance, by Fisher's exact test at 5 %.
 *
 * Two windows are different rows. Two watermarks are not: the longer one has all rows of the shorter
 * and some more, so compare the rows that both kept with those that only the longer one has.
 */
export function compareShares(a: Share, b: Share): Comparison {
  const p = fisherExact([a.hits, a.of - a.hits, b.hits, b.of - b.hits]);
  const shown = ({ hits, of }: Share) => {
    const interval = wilson(hits, of);
    if (!interval) return `${hits} of ${of}`;
    const { low, high } = interval;
    return `${hits} of ${of} (${percent(hits / of)}; 95%: ${percent(low)} to ${percent(high)})`;
  };
  const hits = a.hits + b.hits;
  // With these sums, the two tables as far from chance as can be: if even they are likely, nothing can be told.
  const least = Math.min(
    ...[Math.max(0, hits - b.of), Math.min(a.of, hits)]
      .map((x) => fisherExact([x, a.of - x, hits - x, b.of - hits + x])),
  );
  const verdict = a.of === 0 || b.of === 0
    ? "there is nothing to compare"
    : p < 0.05
    ? "they differ beyond chance"
    : least >= 0.05
    ? "too few to tell"
    : "no difference beyond chance";
  return {
    difference: a.hits / a.of - b.hits / b.of,
    p,
    words: `${shown(a)} against ${shown(b)}: p = ${
      p < 0.001 ? "< 0.001" : p.toFixed(3)
    }, ${verdict}`
      .replace("= <", "<"),
  };
}

/**
 * Returns the two-sided p-value of Fisher's exact test of a table `[a, b, c, d]` of counts, rows
 * (a, b) and (c, d): the probability of all tables with its margins that are no likelier than it.
 */
export function fisherExact(table: readonly [number, number, number, number]): number {
  if (!table.every((count) => Number.isSafeInteger(count) && count >= 0)) {
    throw new RangeError(
      `Cannot test a table of counts: all should be whole and >= 0, got ${table}`,
    );
  }
  const [a, b, c, d] = table;
  const logOdds = (x: number) =>
    -logFactorial(x) - logFactorial(a + b - x) -
    logFactorial(a + c - x) - logFactorial(d - a + x);
  const margins = logFactorial(a + b) + logFactorial(c + d) + logFactorial(a + c) +
    logFactorial(b + d) - logFactorial(a + b + c + d);
  const least = Math.max(0, a - d);
  const most = Math.min(a + b, a + c);
  const limit = logOdds(a) + 1e-7; // equal tables must count in spite of rounding, as in R
  let p = 0;
  for (let x = least; x <= most; x++) {
    if (logOdds(x) <= limit) p += Math.exp(logOdds(x) + margins);
  }
  return Math.min(1, p);
}

/** Returns ln(n!), by Stirling's series from 10 on, exact to 1e-12. */
function logFactorial(n: number): number {
  if (n < 10) {
    let product = 1;
    for (let i = 2; i <= n; i++) product *= i;
    return Math.log(product);
  }
  const x = n + 1;
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5) - 1 / (1680 * x ** 7);
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series;
}
