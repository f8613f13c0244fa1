import { join } from "node:path";
import { makeFolder, syncFolder, writeAll } from "../../lib/files.ts";
import { giveTopicId, ID_FILE } from "../../lib/topic_log/topic_id.ts";
import type { Publisher } from "./kafka_publisher.ts";

/**
 * Makes a topic log with all its partitions, so that it can be read before the first message. Throws a
 * `RangeError` if it is there and is not to be overwritten.
 */
export async function openLogPublisher(
  folder: string,
  { partitions, overwrite, id }: {
    readonly partitions: number;
    readonly overwrite?: boolean | undefined;
    readonly id: string;
  },
): Promise<Publisher> {
  await makeFolder(folder);
  const old = Array.from(Deno.readDirSync(folder), ({ name }) => name)
    .filter((name) => /^partition-\d+\.jsonl$/.test(name));
  if (old.length > 0 && !overwrite) {
    throw new RangeError(
      `The topic ${folder} already exists: delete it, or choose another one with --topic`,
    );
  }
  await Deno.remove(join(folder, ID_FILE)).catch((error) => { // first: what is left is another topic
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  for (const name of old) await Deno.remove(join(folder, name));
  await giveTopicId(folder, id);
  const pathOf = (partition: number) => join(folder, `partition-${partition}.jsonl`);
  const files: Deno.FsFile[] = [];
  for (let p = 0; p < partitions; p++) {
    files.push(await Deno.open(pathOf(p), { append: true, createNew: true }));
  }
  /** Does something with the file of a partition; the error of a full disk names it. */
  const named = async (partition: number, work: (file: Deno.FsFile) => Promise<void>) => {
    try {
      await work(files[partition]!);
    } catch (cause) {
      const { message } = cause as Error;
      const what = `Cannot write "${pathOf(partition)}": ${message}`;
      throw new Error(`${what}. Make room, delete this topic and publish it again`, { cause });
    }
  };
  await syncFolder(folder);
  return {
    async send(partition, messages) {
      const lines = messages.map(({ value }) => value + "\n").join("");
      await named(partition, (file) => writeAll(file, new TextEncoder().encode(lines)));
    },
    async close() { // what was sent stays sent
      try {
        for (const p of files.keys()) await named(p, (file) => file.sync());
      } finally {
        for (const file of files) file.close();
      }
    },
  };
}
