import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { compareShares, fisherExact, seededRandom } from "../../lab/mod.ts";

/** Whole-number binomials, small enough to be exact: the definition of the test, told another way. */
function choose(n: number, k: number): bigint {
  let result = 1n;
  for (let i = 1; i <= k; i++) result = result * BigInt(n - k + i) / BigInt(i);
  return result;
}

function byDefinition([a, b, c, d]: readonly [number, number, number, number]): number {
  const ways = (x: number) => choose(a + b, x) * choose(c + d, a + c - x);
  let [part, all] = [0n, 0n];
  for (let x = Math.max(0, a - d); x <= Math.min(a + b, a + c); x++) {
    all += ways(x);
    if (ways(x) <= ways(a)) part += ways(x);
  }
  return Number(part * 10n ** 15n / all) / 1e15;
}

Deno.test("fisherExact() gives the published p-values", () => {
  // The lady tasting tea (Fisher 1935), and the examples of R's fisher.test and of SciPy.
  const known: [[number, number, number, number], number][] = [
    [[3, 1, 1, 3], 0.4857143],
    [[10, 3, 2, 15], 0.0005367],
    [[8, 2, 1, 5], 0.0349650],
    [[0, 0, 5, 3], 1],
  ];
  for (const [table, p] of known) ok(Math.abs(fisherExact(table) - p) < 1e-7, `${table}`);
});

Deno.test("fisherExact() is the definition in whole numbers, also for tables of hundreds", () => {
  const random = seededRandom(7);
  for (const size of [3, 12, 60, 300]) {
    for (let i = 0; i < 20; i++) {
      const [a, b, c, d] = Array.from({ length: 4 }, () => Math.floor(random() * size));
      const table = [a!, b!, c!, d!] as const;
      const [p, exact] = [fisherExact(table), byDefinition(table)];
      ok(Math.abs(p - exact) < 1e-9, `${table}: ${p} is not ${exact}`);
    }
  }
});

Deno.test("fisherExact() counts a table as likely as the given one in spite of rounding", () => {
  // Turned around, such a table has the same margins and the same probability.
  for (let a = 0; a < 40; a++) {
    for (let b = 0; b < a; b++) {
      const table = [a, b, b, a] as const;
      ok(Math.abs(fisherExact(table) - byDefinition(table)) < 1e-9, `${table}`);
    }
  }
});

Deno.test("fisherExact() refuses what is no table of counts", () => {
  throws(() => fisherExact([1, -1, 2, 3]), RangeError);
  throws(() => fisherExact([1, 0.5, 2, 3]), RangeError);
});

Deno.test("compareShares() says whether two shares differ beyond chance", () => {
  match(compareShares({ hits: 43, of: 65 }, { hits: 3, of: 5 }).words, /p = 1\.000, no difference/);
  match(
    compareShares({ hits: 2, of: 30 }, { hits: 20, of: 300 }).words,
    /^2 of 30 \(6\.7%; 95%: 1\.8% to 21\.3%\) against/,
  );
  const differ = compareShares({ hits: 90, of: 100 }, { hits: 10, of: 100 });
  match(
    differ.words,
    /^90 of 100 \(90\.0%; 95%: .*\) against 10 of 100 \(10\.0%; .*\): p < 0\.001, they differ/,
  );
  equal(differ.difference, 0.8);
  match(compareShares({ hits: 0, of: 0 }, { hits: 1, of: 2 }).words, /nothing to compare/);
  // One lost fraud: whichever way it goes, chance does it once in four times or more.
  for (const hits of [0, 1]) {
    match(
      compareShares({ hits: 33, of: 44 }, { hits, of: 1 }).words,
      /too few to tell$/,
    );
  }
});

Deno.test("seededRandom() repeats itself by its seed", () => {
  const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
  deepEqual(draw(3), draw(3));
  ok(draw(3).every((x) => x >= 0 && x < 1));
  ok(draw(3)[0] !== draw(4)[0]);
});
