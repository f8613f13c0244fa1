import { join } from "node:path";
import { replay } from "replay";
import type { GeneratedTopic } from "./generate.ts";
import { bytesOf } from "./long.ts";
import { referenceTable } from "./reference.ts";

const PARTITIONS = 3;
const TOPIC = "transactions";

/** Plays a recording into a topic log, in order of its event times, and counts its reference tables. */
export async function realTopic(
  recording: string,
  { cache, models }: { readonly cache: string; readonly models: string },
): Promise<GeneratedTopic> {
  const dir = join(cache, "real");
  const options = { from: recording, to: `log:${dir}`, topic: TOPIC, partitions: PARTITIONS };
  const { rows } = await replay({ ...options, disorder: "none", overwrite: true });
  const folder = join(dir, TOPIC);
  const [lr, rf] = await Promise.all((["lr", "rf"] as const)
    .map((model) => referenceTable(folder, { model, models })));
  const bytes = bytesOf(folder);
  // A lower bound will do: whether windows after it are final is left open.
  const maxEventTime = Math.max(...Object.keys(lr!).map(Number));
  return {
    dir,
    rows,
    partitions: PARTITIONS,
    bytes,
    maxEventTime,
    reference: { lr: lr!, rf: rf! },
  };
}
