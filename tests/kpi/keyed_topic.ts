// A topic of real rows in disorder with two more fields, by which windows can be counted too.
import { join } from "node:path";
import { replay } from "replay";
import { seededRandom } from "../../lab/random.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
/** The first ones have most rows. */
const MERCHANTS = [
  ...["grocer", "fuel", "book & café", "<b>Über</b>", "7", "null", "", 'a"b'],
  ...Array.from({ length: 22 }, (_, i) => `shop ${i}`),
];

/**
 * Makes the topic `topic` of the log `dir`: the recording's first rows, each with a `merchant` and a
 * `country`, a whole number. Some are null, some missing, and some countries are no number.
 */
export async function makeKeyedTopic(dir: string, topic: string, limit: number): Promise<void> {
  const from = join(ROOT, "data", "transactions_60k.parquet");
  await replay({ from, to: `log:${dir}`, topic, limit, rate: 15 });
  const random = seededRandom(11);
  const field = (name: string, value: () => unknown, odd: unknown) => {
    const share = random();
    if (share >= 0.97) return "";
    return `,"${name}":${JSON.stringify(share < 0.9 ? value() : share < 0.95 ? null : odd)}`;
  };
  const merchant = () => MERCHANTS[Math.floor(MERCHANTS.length * random() ** 3)];
  for (const partition of [0, 1, 2]) {
    const path = join(dir, topic, `partition-${partition}.jsonl`);
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
    const keyed = lines.map((line) => {
      const country = field("country", () => Math.floor(random() * 4), "Japan");
      return `${line.slice(0, -1)}${field("merchant", merchant, null)}${country}}\n`;
    });
    await Deno.writeTextFile(path, keyed.join(""));
  }
}
