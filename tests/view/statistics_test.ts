import { equal, ok, throws } from "node:assert/strict";
import { wilson } from "../../view/statistics.ts";

Deno.test("wilson() ends where the share is z standard errors away", () => {
  const z = 1.959964;
  for (const [successes, trials] of [[0, 5], [1, 5], [4, 5], [5, 5], [50, 100], [1, 1]] as const) {
    const share = successes / trials;
    const { low, high } = wilson(successes, trials)!;
    ok(low <= share && share <= high, `${successes} of ${trials}: ${low} to ${high}`);
    for (const end of [low, high].filter((end) => end !== 0 && end !== 1)) {
      const distance = z * Math.sqrt(end * (1 - end) / trials);
      ok(Math.abs(Math.abs(share - end) - distance) < 1e-9, `${successes} of ${trials}: ${end}`);
    }
  }
});

Deno.test("wilson() of none and of all keeps a width, z^2 / (n + z^2)", () => {
  const width = 1.959964 ** 2 / (5 + 1.959964 ** 2);
  const [none, all] = [wilson(0, 5)!, wilson(5, 5)!];
  equal(none.low, 0);
  ok(Math.abs(none.high - width) < 1e-12);
  ok(Math.abs(all.low - (1 - width)) < 1e-12);
  equal(all.high, 1);
  for (let n = 1; n <= 1000; n++) {
    ok(wilson(0, n)!.low >= 0 && wilson(n, n)!.high <= 1, `rounding leaves [0, 1] at ${n}`);
  }
});

Deno.test("wilson() is null without trials and refuses what is no share", () => {
  equal(wilson(0, 0), null);
  throws(() => wilson(2, 1), RangeError);
  throws(() => wilson(-1, 1), RangeError);
  throws(() => wilson(NaN, 1), RangeError);
});

Deno.test("wilson() gets wider with z", () => {
  ok(wilson(3, 5, { z: 2.6 })!.high > wilson(3, 5)!.high);
});
