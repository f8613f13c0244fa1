/** One effect on the file system that the protocol consists of. */
export interface Effect {
  /** `open`, `write`, `sync`, `rename`, … */
  readonly name: string;
  readonly path: string;
  /** Whether the effect is on a folder: to sync it makes the names in it durable. */
  readonly isFolder: boolean;
}

/** Where in an effect a fault happens; `half` is between the two halves of the bytes of a write. */
export type Moment = "before" | "half" | "after";

export type Hook = (effect: Effect, moment: Moment) => void | Promise<void>;

/**
 * Wraps all effects of `Deno` on files and tells `hook` of each moment of each; the hook may throw, kill the
 * process or make it wait. Returns the function that takes the wraps off. What only reads is no effect.
 */
export function watchEffects(hook: Hook): () => void {
  const { mkdir, remove, truncate, rename, open, stat } = Deno;
  const original = { mkdir, remove, truncate, rename, open, stat };
  async function around<T>(effect: Effect, run: () => Promise<T>): Promise<T> {
    await hook(effect, "before");
    const result = await run();
    await hook(effect, "after");
    return result;
  }
  const onPath = (name: "mkdir" | "remove" | "truncate") =>
    Object.assign(Deno, {
      [name]: (path: string, ...rest: never[]) =>
        around(
          { name, path, isFolder: name === "mkdir" },
          () =>
            (original[name] as (path: string, ...rest: never[]) => Promise<void>)(path, ...rest),
        ),
    });
  onPath("mkdir"), onPath("remove"), onPath("truncate");
  Object.assign(Deno, {
    rename: (from: string, to: string) =>
      around({ name: "rename", path: to, isFolder: false }, () => original.rename(from, to)),
    open: async (path: string, options?: Deno.OpenOptions) => {
      const isFolder = await original.stat(path).then((info) => info.isDirectory, () => false);
      const open = () => original.open(path, options);
      // Opened only to be read (or to be synced): nothing changes by it.
      const file = options?.create
        ? await around({ name: "create", path, isFolder }, open)
        : await open();
      const { write, sync, truncate } = file;
      return Object.assign(file, {
        write: (bytes: Uint8Array) => {
          const effect = { name: "write", path, isFolder };
          return around(effect, async () => {
            const middle = bytes.length >> 1;
            for (let at = 0; at < middle;) {
              at += await write.call(file, bytes.subarray(at, middle));
            }
            await hook(effect, "half");
            return middle + await write.call(file, bytes.subarray(middle));
          });
        },
        sync: () => around({ name: "sync", path, isFolder }, () => sync.call(file)),
        truncate: (size?: number) =>
          around({ name: "truncate", path, isFolder }, () => truncate.call(file, size)),
      });
    },
  });
  return () => Object.assign(Deno, original);
}
