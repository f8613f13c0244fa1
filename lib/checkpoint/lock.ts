/** A lock on a file that ends with the process that holds it, however that ends. */
export class Lock {
  readonly #file: Deno.FsFile;
  /** The process that held the lock before and did not give it back. */
  readonly staleOwner: string | undefined;

  private constructor(file: Deno.FsFile, staleOwner: string | undefined) {
    this.#file = file;
    this.staleOwner = staleOwner;
  }

  /** Takes the lock, and throws an error that names the owner if another query holds it. */
  static async take(path: string): Promise<Lock> {
    const file = await Deno.open(path, { read: true, write: true, create: true });
    try {
      const isFree = await file.tryLock(true);
      const bytes = new Uint8Array(20); // read by this handle: on Windows no other may
      const owner = new TextDecoder().decode(bytes.subarray(0, await file.read(bytes) ?? 0));
      if (!isFree) {
        throw new Error(
          `Cannot use this checkpoint: a running query holds "${path}" (process ${
            owner || "?"
          }). ` +
            `Stop it first, or give this query a checkpoint of its own`,
        );
      }
      await file.truncate();
      await file.seek(0, Deno.SeekMode.Start);
      await file.write(new TextEncoder().encode(String(Deno.pid)));
      return new Lock(file, owner || undefined);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  async release(): Promise<void> {
    try {
      await this.#file.truncate();
    } finally {
      this.#file.close();
    }
  }
}
