import { basename, dirname, join } from "node:path";

/**
 * Writes a file whole or not at all, and so that it survives a power cut: beside its place, synced,
 * renamed, the folder synced. A reader sees the old file or the new one.
 */
export async function writeFile(
  path: string,
  content: string | Uint8Array | readonly Uint8Array[],
): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const temporary = join(dirname(path), `.${basename(path)}.tmp`);
  await writeBytes(temporary, bytes, { write: true, create: true, truncate: true });
  await Deno.rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Opens a file, writes all bytes and syncs it; the error of a full disk names the file. */
export async function writeBytes(
  path: string,
  bytes: Uint8Array | readonly Uint8Array[],
  options: Deno.OpenOptions,
): Promise<void> {
  const file = await Deno.open(path, options);
  try {
    for (const piece of [bytes].flat()) await writeAll(file, piece as Uint8Array);
    await file.sync();
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`Cannot write "${path}": ${message}. Make room and start again`, { cause });
  } finally {
    file.close();
  }
}

/** Writes all bytes to a file that is open. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/**
 * Makes a folder and the folders above it, and their names durable: also that of a folder that is
 * there, since who made it may have been killed before that. Throws if there can be none, as below a
 * link to nothing.
 */
export async function makeFolder(path: string, isInFolder = false): Promise<void> {
  try {
    await Deno.mkdir(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && !isInFolder) {
      await makeFolder(dirname(path));
      return await makeFolder(path, true);
    }
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return await syncFolder(dirname(path)).catch((error) => {
      const { NotCapable, PermissionDenied } = Deno.errors; // not ours, so it was not made just now
      if (!(error instanceof NotCapable || error instanceof PermissionDenied)) throw error;
    });
  }
  await syncFolder(dirname(path));
}

/** Makes the names in a folder durable; a no-op where a folder cannot be opened (Windows). */
export async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  const folder = await Deno.open(path);
  try {
    await folder.sync();
  } finally {
    folder.close();
  }
}

/** Reads a text file, of which `most` bytes are wanted; `undefined` if there is none. */
export async function readFile(path: string, most?: number): Promise<string | undefined> {
  const bytes = await readBytes(path, most);
  return bytes && new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Reads the bytes of a file, or the first `most` of them; `undefined` if there is none. */
export async function readBytes(path: string, most?: number): Promise<Uint8Array | undefined> {
  try {
    if (most === undefined) return await Deno.readFile(path);
    using file = await Deno.open(path);
    const bytes = new Uint8Array(most);
    return bytes.subarray(0, await file.read(bytes) ?? 0);
  } catch (error) {
    const isThere = !(error instanceof Deno.errors.NotFound) &&
      !(error instanceof Deno.errors.NotADirectory);
    if (isThere) throw error;
    return undefined;
  }
}
