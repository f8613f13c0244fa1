// What the model reads: each cell is the float32 nearest to the double nearest to the text.
import { ok } from "node:assert/strict";
import { readMessages } from "../../lib/json/from_json.ts";
import { readPlainRows } from "../../lib/json/rows.ts";
import { TRANSACTION_SCHEMA } from "../../lib/kpi/schema.ts";
import { FEATURES } from "../../lib/model/features.ts";
import { randoms } from "../faults/program.ts";
import { messagesOf } from "./messages.ts";

const random = randoms(20_131);
const whole = (below: number) => Math.floor(random() * below);
const shuffled = new Float32Array(1);
const float32Bits = new Uint32Array(shuffled.buffer);
const double = new Float64Array(1);
const doubleBits = new BigUint64Array(double.buffer);

/** The middle between a random float32 below `size` and the next one: exact as a double. */
function middle(size: number): number {
  shuffled[0] = (random() - 0.5) * size;
  const lower = shuffled[0]!;
  float32Bits[0]!++;
  return (lower + shuffled[0]!) / 2;
}

/** A double `ulps` of its own last places away. */
function beside(value: number, ulps: number): number {
  double[0] = value;
  doubleBits[0]! += BigInt(ulps);
  return double[0]!;
}

const KINDS: readonly (() => string)[] = [
  () => String(random()),
  () => String(-random() * 10),
  () => (random() * 10).toFixed(1 + whole(18)),
  () => (random() * 10 ** -whole(8)).toFixed(18).slice(0, 4 + whole(16)),
  () => String(Math.fround((random() - 0.5) * 6)), // as the topics have them
  () => JSON.stringify(beside(middle(20), whole(5) - 2)),
  () => JSON.stringify(beside(middle(20), whole(5_000) - 2_500)),
  () => JSON.stringify(beside(middle(2_000), whole(5) - 2)),
  () => middle(20).toFixed(15 + whole(4)), // cut near the middle
  () => middle(20).toFixed(18) + "0000000001".slice(whole(10)), // and a little above it
  () => "0." + "0".repeat(whole(6)) + String(1 + whole(9)),
  () => "123456789012345678901".slice(0, 1 + whole(19)),
  () => String(whole(1_000)),
  () => (random() * 1_000).toFixed(2),
  () => `${whole(10)}.${whole(1e9)}e${whole(40) - 20}`,
  () => "0.0",
  () => "-0.0",
  () => "-0",
  () => "null",
];

/** What a text means: an integer has no -0, and null is no number. */
function float32Of(text: string | undefined): number {
  if (text === undefined || text === "null") return NaN;
  return text === "-0" ? 0 : Math.fround(Number(text));
}

Deno.test("each feature is the float32 nearest to its text, with and without the fast path", () => {
  const counts: number[] = KINDS.map(() => 0);
  let plain = 0;
  for (let batch = 0; batch < 20; batch++) {
    const rows = Array.from({ length: 500 }, () =>
      FEATURES.map((name) => {
        const kind = whole(KINDS.length);
        return random() < 0.002 ? { name, kind } : { name, kind, text: KINDS[kind]!() };
      }));
    const messages = [messagesOf(rows.map((cells) => {
      const texts = cells.filter(({ text }) => text).map(({ name, text }) => `"${name}":${text}`);
      return `{"event_time":"2024-01-01T10:00:04.208Z","Time":0,${texts.join(",")},"Class":0}`;
    }))];
    const wanted = ["event_time", "Class"];
    const reading = { length: rows.length, schema: TRANSACTION_SCHEMA, features: FEATURES, wanted };
    plain += rows.length - readPlainRows(messages, reading).left.length;
    const { matrix, unscored } = readMessages(messages, reading);
    for (const [row, cells] of rows.entries()) {
      let isUnscored = 0;
      for (const [i, { name, kind, text }] of cells.entries()) {
        const [got, expected] = [matrix![row * FEATURES.length + i]!, float32Of(text)];
        ok(Object.is(got, expected), `${name} ${text}: got ${got} for ${expected}`);
        if (Number.isNaN(expected)) isUnscored = 1;
        counts[kind]!++;
      }
      ok(unscored![row] === isUnscored);
    }
  }
  ok(counts.every((count) => count > 10_000), counts.join());
  ok(plain > 2_000, `${plain} rows took the fast path`);
});
