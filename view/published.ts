import { existsSync } from "node:fs";

/**
 * Publishes a recording unless its topic still is what was published of it: a query can then go on from
 * its checkpoint, also after a restart of the kernel. `mark` is the file that says so; without one it is
 * published in any case. Returns the number of messages, and whether they were there.
 */
export async function publishOnce({ recording, mark, count, publish }: {
  readonly recording: string;
  readonly mark: string | undefined;
  /** Counts the messages of the topic. */
  readonly count: () => Promise<number>;
  readonly publish: () => Promise<unknown>;
}): Promise<{ readonly messages: number; readonly wasThere: boolean }> {
  const { mtime, size } = await Deno.stat(recording);
  const markOf = (messages: number) =>
    JSON.stringify({ recording, size, modified: mtime?.toISOString(), messages });
  const found = await count();
  const wasThere = mark !== undefined && existsSync(mark) &&
    await Deno.readTextFile(mark) === markOf(found);
  if (wasThere) return { messages: found, wasThere };
  await publish();
  const messages = await count();
  if (mark !== undefined) await Deno.writeTextFile(mark, markOf(messages));
  return { messages, wasThere };
}
