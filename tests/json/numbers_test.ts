import assert from "node:assert/strict";
import { seededRandom } from "../../lab/random.ts";
import { cell, parse } from "./parse.ts";

Deno.test("parseMessages() reads integers up to the ends of int32", () => {
  const texts = [
    "2147483647",
    "-2147483648",
    "2147483648",
    "-2147483649",
    "-0",
    "4294967296",
    "1e1",
  ];
  const batch = parse(texts.map((text) => `{"Class":${text}}`));
  assert.deepEqual(
    texts.map((_, row) => cell(batch, row, "Class")),
    [2147483647, -2147483648, null, null, 0, null, null],
  );
});

function assertRounded(texts: readonly string[]): void {
  const batch = parse(texts.map((text) => `{"V1":${text}}`));
  texts.forEach((text, row) => assert.equal(cell(batch, row, "V1"), Number(text), text));
}

Deno.test("parseMessages() rounds doubles as Number() does", () => {
  const random = seededRandom(20240101);
  const texts = ["0.0", "-0.0", "9007199254740993.0", "9007199254740992.5", "1e400", "-1e-400"];
  while (texts.length < 100_000) {
    const value = (random() * 2 - 1) * 10 ** Math.floor(random() * 25 - 12);
    for (const digits of [15, 16, 17, 19]) texts.push(value.toPrecision(digits));
    texts.push(String(value), value.toExponential(16), (random() * 1e4).toFixed(2));
    const exponent = Math.floor(random() * 640 - 320);
    texts.push(`${(random() * 10).toFixed(16)}e${exponent}`, `1e${exponent}`);
    texts.push(
      `${Math.floor(random() * 2 ** 53)}.5`,
      `${Math.floor(random() * 1e10)}.${exponent ** 6}`,
    );
  }
  assertRounded(texts);
});

Deno.test("parseMessages() rounds decimals right that are all but half-way between two doubles", () => {
  // A middle between two doubles of [2^-14, 2^-13) is m / 2^67 with an odd m of 54 bits, which is
  // m * 5^22 / 2^45 units of 10^-22. Where that leaves a remainder of 1 or so, a whole number of
  // units, 18 digits, misses the middle by some 2^-52 of the doubles' distance.
  const power = 5n ** 22n;
  let inverse = 1n; // of 5^22 modulo 2^45, by Newton's method
  for (let i = 0; i < 6; i++) inverse = BigInt.asUintN(45, inverse * (2n - power * inverse));
  const texts: string[] = [];
  for (const remainder of [-5n, -3n, -1n, 1n, 3n, 5n]) {
    for (let m = BigInt.asUintN(45, remainder * inverse); m < 2n ** 54n; m += 2n ** 45n) {
      if (m < 2n ** 53n) continue;
      texts.push(`0.${String((m * power - remainder) / 2n ** 45n).padStart(22, "0")}`);
    }
  }
  assert.ok(texts.length > 1_000 && texts.every((text) => text.length === 24));
  assertRounded(texts);
});

Deno.test("parseMessages() reads whole numbers as seconds, and wraps microseconds at int64", () => {
  const cases: [seconds: string, millis: number | null][] = [
    ["-1", -1_000],
    ["1704103200", 1_704_103_200_000],
    ["18446744073709", -552], // -551,616 microseconds
    ["9223372036854775807", -1_000],
    ["9223372036854775808", null],
    ["1704103200.0", null],
  ];
  const batch = parse(cases.map(([seconds]) => `{"event_time":${seconds}}`));
  cases.forEach(([seconds, millis], row) => {
    assert.equal(cell(batch, row, "event_time"), millis, seconds);
  });
});
