import { join } from "node:path";
import { readFile, syncFolder, writeBytes } from "../files.ts";

/** Beside the partitions of a topic log; goes with them when the folder is deleted. */
export const ID_FILE = "topic.id";

/** Reads the id of a topic log; `undefined` if it has none. */
export async function topicId(folder: string): Promise<string | undefined> {
  return /^([\w-]+)\n$/.exec(await readFile(join(folder, ID_FILE)) ?? "")?.[1];
}

/** Gives a topic log an id, if it has none and its folder may be written to: reading needs none. */
export async function giveTopicId(folder: string, id: string = crypto.randomUUID()): Promise<void> {
  const bytes = new TextEncoder().encode(`${id}\n`);
  try {
    await writeBytes(join(folder, ID_FILE), bytes, { write: true, createNew: true });
    await syncFolder(folder);
  } catch (error) {
    const { AlreadyExists, NotCapable, PermissionDenied } = Deno.errors;
    const mayNot = [AlreadyExists, NotCapable, PermissionDenied].some((E) => error instanceof E);
    if (!mayNot && !/read-only/i.test((error as Error).message)) throw error;
  }
}
