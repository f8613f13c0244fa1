import { parseMessages } from "../lib/json/from_json.ts";
import type { Messages, Schema } from "../lib/core/types.ts";

// deno bench bench/from_json_bench.ts — rows per second = rows / time per iteration

const rows = 5_000;
const features = Array.from({ length: 28 }, (_, i) => `V${i + 1}`);
const schema: Schema = [
  { name: "event_time", type: "timestamp" },
  ...["Time", ...features, "Amount"].map((name) => ({ name, type: "double" as const })),
  { name: "Class", type: "integer" },
];

let seed = 1;
function random(): number {
  seed = Math.imul(seed, 1_664_525) + 1_013_904_223 >>> 0;
  return seed / 2 ** 32;
}

/** Writes a seeded transaction of about 780 bytes; `digits` limits the digits of the features. */
function newMessage(i: number, digits: number): string {
  return JSON.stringify({
    event_time: new Date(1_704_103_200_000 + i * 37).toISOString(),
    Time: i,
    ...Object.fromEntries(
      features.map((name) => [
        name,
        Number(
          ((random() + random() + random() - 1.5 + random() * 2 ** -40) * 2).toPrecision(digits),
        ),
      ]),
    ),
    Amount: Math.floor(random() * 50_000) / 100,
    Class: random() < 0.002 ? 1 : 0,
  });
}

function newMessages(digits: number): Messages {
  const values = Array.from({ length: rows }, (_, i) => newMessage(i, digits));
  const ends = Uint32Array.from(values, ((end) => ({ length }) => end += length)(0));
  return {
    partition: "0",
    offsets: Float64Array.from(values.keys()),
    bytes: new TextEncoder().encode(values.join("")),
    starts: Uint32Array.from(ends, (_, i) => ends[i - 1] ?? 0),
    ends,
  };
}

for (const digits of [15, 17]) {
  const messages = newMessages(digits);
  Deno.bench(`parseMessages: ${rows} transactions of ${digits} digits`, () => {
    parseMessages([messages], schema);
  });
}
