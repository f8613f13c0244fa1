import { join } from "node:path";
import type { GeneratedTopic } from "./generate.ts";
import { sfc32 } from "./random.ts";

/** Windows over which the groups are spread. */
const WINDOWS = 10;
const MINUTE = 60_000;
/** Where a message's time stands: `{"event_time":"2024-01-01T10:00:00.000Z"`. */
const TIME_AT = '{"event_time":"'.length;
const TIME_END = TIME_AT + "2024-01-01T10:00:00.000Z".length;

/**
 * Makes of a topic one whose messages have a `merchant`: the first `groups` rows, in the order in which
 * batches read them, are each of another window and merchant, the others of any of these. A finished
 * topic is found again.
 */
export async function groupTopic(topic: GeneratedTopic, groups: number): Promise<GeneratedTopic> {
  const dir = `${topic.dir}_groups-${groups}`;
  const done = join(dir, "topic.json");
  // No window of it is ever final: what is compared is the number of rows and groups.
  const made = { ...topic, dir, reference: { lr: {}, rf: {} } };
  try {
    await Deno.stat(done);
    return made;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.remove(dir, { recursive: true }).catch(() => {}); // what an interrupted run left
  await Deno.mkdir(join(dir, "transactions"), { recursive: true });
  const random = sfc32(7);
  const merchants = groups / WINDOWS;
  for (let p = 0; p < topic.partitions; p++) {
    const name = join("transactions", `partition-${p}.jsonl`);
    const lines = (await Deno.readTextFile(join(topic.dir, name))).split("\n").slice(0, -1);
    const keyed = lines.map((line, i) => {
      const row = i * topic.partitions + p;
      const group = row < groups ? row : Math.floor(random() * groups);
      const time = topic.maxEventTime + Math.floor(group / merchants) * MINUTE;
      const merchant = String(group % merchants).padStart(6, "0");
      return line.slice(0, TIME_AT) + new Date(time).toISOString() + line.slice(TIME_END, -1) +
        `,"merchant":"merchant-${merchant}"}\n`;
    });
    for (let i = 0; i < keyed.length; i += 50_000) {
      const part = keyed.slice(i, i + 50_000).join("");
      await Deno.writeTextFile(join(dir, name), part, { append: true });
    }
  }
  await Deno.writeTextFile(done, JSON.stringify(made));
  return made;
}
