import { basename, dirname, join } from "node:path";

/**
 * Writes a file whole or not at all, and so that it survives a power cut: beside its place, synced,
 * renamed, the folder synced. A reader sees the old file or the new one.
 */
export async function writeFile(path: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const temporary = join(dirname(path), `.${basename(path)}.tmp`);
  const file = await Deno.open(temporary, { write: true, create: true, truncate: true });
  try {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  } finally {
    file.close();
  }
  await Deno.rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Makes the names in a folder durable; a no-op where a folder cannot be opened (Windows). */
async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  const folder = await Deno.open(path);
  try {
    await folder.sync();
  } finally {
    folder.close();
  }
}

/** Removes what `writeFile` left in a folder when it was cut off. */
export async function removeTemporaryFiles(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(".") && name.endsWith(".tmp")) await Deno.remove(join(folder, name));
  }
}

/** Reads a text file; `undefined` if there is none. */
export async function readFile(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
