/** The commits of a checkpoint, as a case looks at them and takes them away. */
import { join } from "node:path";
import { SECOND } from "./operators.ts";

/** Returns the watermark that the next batch will run with, in seconds. */
export async function nextWatermark(checkpoint: string): Promise<number> {
  const [last] = (await commitIds(checkpoint)).slice(-1);
  const text = await Deno.readTextFile(join(checkpoint, "commits", String(last)));
  return JSON.parse(text.split("\n")[1]!).nextBatchWatermarkMs / SECOND;
}

/** Removes the commits for which `isRemoved` holds, by their id and the last one's. */
export async function removeCommits(
  checkpoint: string,
  isRemoved: (id: number, last: number) => boolean,
): Promise<void> {
  const ids = await commitIds(checkpoint);
  for (const id of ids.filter((id) => isRemoved(id, ids.at(-1)!))) {
    await Deno.remove(join(checkpoint, "commits", String(id)));
  }
}

async function commitIds(checkpoint: string): Promise<number[]> {
  const files = await Array.fromAsync(Deno.readDir(join(checkpoint, "commits")));
  return files.map(({ name }) => Number(name)).sort((a, b) => a - b);
}
