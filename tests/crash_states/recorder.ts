import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type { Op } from "./disk.ts";

/** What a recording was made with. */
export interface RecordOptions {
  /** Leaves a sync out, as if it were not in the code. */
  readonly skip?: ((sync: string) => boolean) | undefined;
  /** Lets the effect of this `number` fail: with nothing done, or, of a write, after half the bytes. */
  readonly failing?: { readonly at: number; readonly half: boolean } | undefined;
}

export interface Recording {
  readonly ops: readonly Op[];
  /** Their numbers: those between tried what cannot be, such as a folder that is there. */
  readonly numbers: readonly number[];
  readonly error: unknown;
}

/** Runs `work` and returns each effect of `Deno` on files below `root`, with its bytes. */
export async function record(
  root: string,
  work: () => Promise<unknown>,
  { skip = () => false, failing }: RecordOptions = {},
): Promise<Recording> {
  const ops: Op[] = [];
  const numbers: number[] = [];
  const original = { ...Deno };
  const within = (path: string | URL) => {
    const place = relative(root, String(path));
    return place.startsWith("..") ? undefined : place;
  };
  const sizeOf = (path: string) => original.stat(path).then(({ size }) => size, () => -1);
  let started = 0;
  async function around<T>(
    op: Op,
    run: (bytes?: Uint8Array) => Promise<T>,
    parts = [op],
  ): Promise<T> {
    const number = started++;
    if (number === failing?.at) {
      if (op.op === "fsync") ops.push({ ...op, failed: true });
      if (op.op === "write" && failing.half) {
        const bytes = op.bytes.slice(0, op.bytes.length >> 1);
        await run(bytes);
        ops.push({ ...op, bytes });
      }
      throw new Error(`No space left, or no disk: ${op.op} of ${op.path} fails`);
    }
    const result = await run();
    for (const part of parts) numbers.push(number), ops.push(part);
    return result;
  }
  const onPath = (op: "mkdir" | "remove") =>
    ((path: string, ...rest: never[]) => {
      const place = within(path);
      const run = () =>
        (original[op] as (path: string, ...rest: never[]) => Promise<void>)(path, ...rest);
      if (place === undefined) return run();
      const parts = op === "remove" ? removals(path).map((each) => within(each)!) : [place];
      return around({ op, path: place }, run, parts.map((path) => ({ op, path })));
    }) as never;
  async function open(path: string, options?: Deno.OpenOptions): Promise<Deno.FsFile> {
    const place = within(path);
    if (place === undefined) return await original.open(path, options);
    const isFolder = await original.stat(path).then((info) => info.isDirectory, () => false);
    const isNew = (options?.create || options?.createNew) && await sizeOf(path) < 0;
    const run = () => original.open(path, options);
    const file = isNew
      ? await around({ op: "create", path: place }, run)
      : options?.truncate
      ? await around({ op: "truncate", path: place, size: 0 }, run)
      : await run();
    const { write, sync, truncate, seek, read } = file;
    let position = 0;
    return Object.assign(file, {
      async read(bytes: Uint8Array) {
        const n = await read.call(file, bytes);
        position += n ?? 0;
        return n;
      },
      seek: async (to: number, mode: Deno.SeekMode) => position = await seek.call(file, to, mode),
      async write(bytes: Uint8Array) {
        const at = options?.append ? await sizeOf(path) : position;
        const op: Op = { op: "write", path: place, at, bytes: bytes.slice() };
        return await around(op, async (part = bytes) => {
          const n = await write.call(file, part);
          if (n !== part.length) throw new Error("The recorder knows no short writes");
          position = at + n;
          return n;
        });
      },
      sync() {
        const op = isFolder ? "syncdir" as const : "fsync" as const;
        if (skip(`${op} ${place}`)) return Promise.resolve();
        return around({ op, path: place }, () => sync.call(file));
      },
      truncate: (size = 0) =>
        around({ op: "truncate", path: place, size }, () => truncate.call(file, size)),
    });
  }
  Object.assign(Deno, {
    open,
    mkdir: onPath("mkdir"),
    remove: onPath("remove"),
    truncate: (path: string, size = 0) => {
      const [place, run] = [within(path), () => original.truncate(path, size)];
      return place === undefined ? run() : around({ op: "truncate", path: place, size }, run);
    },
    rename: (from: string, to: string) => {
      const [source, place] = [within(from), within(to)];
      const run = () => original.rename(from, to);
      if (source === undefined || place === undefined) return run();
      return around({ op: "rename", path: place, from: source }, run);
    },
  });
  try {
    return { ops, numbers, error: await work().then(() => undefined, (error) => error) };
  } finally {
    const { mkdir, remove, truncate, rename } = original;
    Object.assign(Deno, { mkdir, remove, truncate, rename, open: original.open });
  }
}

/** What goes with a path: of a folder, first what is in it, each by a change of its own. */
function removals(path: string): string[] {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory();
  const names = isFolder ? readdirSync(path) : [];
  return [...names.flatMap((name) => removals(join(path, name))), path];
}
