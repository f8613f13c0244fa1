import { dirname } from "node:path";

/**
 * Takes a lock on a file that ends with the process, however that ends. Throws an error that names the
 * owner if another query holds it, and says so if an owner did not give it back.
 */
export async function takeLock(path: string): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { read: true, write: true, create: true });
  try {
    const isFree = await file.tryLock(true);
    const bytes = new Uint8Array(20); // read by this handle: on Windows no other may
    const owner = new TextDecoder().decode(bytes.subarray(0, await file.read(bytes) ?? 0));
    if (!isFree) {
      throw new Error(
        `Cannot use this checkpoint: a running query holds "${path}" (process ${owner || "?"}). ` +
          `Stop it first, or give this query a checkpoint of its own`,
      );
    }
    await file.truncate();
    await file.seek(0, Deno.SeekMode.Start);
    await file.write(new TextEncoder().encode(String(Deno.pid)));
    const folder = dirname(path);
    if (owner) console.warn(`Took over "${folder}" from process ${owner}, which ended abruptly`);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Gives a lock back. */
export async function releaseLock(file: Deno.FsFile): Promise<void> {
  try {
    await file.truncate();
  } finally {
    file.close();
  }
}
