import { type Moment, watchEffects } from "./effects.ts";

/**
 * Runs `work` up to a moment of its effect number `effect`, where it ends as if by kill -9: nothing of it goes on, no
 * `finally` runs, its files are closed and so its locks are free. Returns whether it came so far.
 */
export async function endAt(
  { effect, moment }: { readonly effect: number; readonly moment: Moment },
  work: () => Promise<void>,
): Promise<boolean> {
  const ended = Promise.withResolvers<true>();
  const never = new Promise<never>(() => {});
  const files: Deno.FsFile[] = [];
  let [n, isOver] = [0, false];
  const off = watchEffects((_, now) => {
    if (now === "before") n++;
    if (n > effect || n === effect && now === moment) {
      isOver = true;
      ended.resolve(true);
    }
    return isOver ? never : undefined;
  });
  const { open } = Deno;
  Object.assign(Deno, {
    async open(path: string, options?: Deno.OpenOptions) {
      const file = await open(path, options);
      files.push(file);
      return file;
    },
  });
  try {
    return await Promise.race([ended.promise, work().then(() => false)]);
  } finally {
    off();
    for (const file of files) {
      try {
        file.close();
      } catch { /* it closed it itself */ }
    }
  }
}
