/** States of a disk on a real one: how they are laid out, read back and told apart. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { State } from "./disk.ts";

/** Makes a folder hold a state, and nothing else. */
export async function layOut(dir: string, { dirs, files }: Omit<State, "lost">): Promise<void> {
  await Deno.remove(dir, { recursive: true }).catch(() => {});
  await Deno.mkdir(dir, { recursive: true });
  for (const path of dirs) Deno.mkdirSync(join(dir, path));
  for (const [path, bytes] of files) Deno.writeFileSync(join(dir, path), bytes);
}

/** Reads what a folder holds. */
export function readState(dir: string): Omit<State, "lost"> {
  const [dirs, files] = [[] as string[], new Map<string, Uint8Array>()];
  const walk = (path: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(join(dir, path))) {
      const at = path + name;
      if (isDirectory) dirs.push(at), walk(`${at}/`);
      else files.set(at, Deno.readFileSync(join(dir, at)));
    }
  };
  walk("");
  return { dirs, files };
}

const hashes = new WeakMap<Uint8Array, string>();

function hashOf(bytes: Uint8Array): string {
  const known = hashes.get(bytes) ?? createHash("sha1").update(bytes).digest("hex");
  hashes.set(bytes, known);
  return known;
}

/** Identifies a state by what is in its files; who held the lock does not matter. */
export function keyOf({ dirs, files }: Omit<State, "lost">): string {
  const names = [...files].map(([path, bytes]) =>
    path.endsWith("/lock") ? path : `${path} ${hashOf(bytes)}`
  );
  const text = [...dirs, ...names].sort().join("\n");
  return createHash("sha1").update(text).digest("hex");
}

/** Takes away what differs between equal runs, ids and warnings, until `end`. */
export function silence() {
  const { warn } = console;
  const { randomUUID } = crypto;
  const quiet = {
    id: 0,
    end() {
      console.warn = warn;
      crypto.randomUUID = randomUUID;
    },
  };
  console.warn = () => {};
  crypto.randomUUID = () => `00000000-0000-4000-8000-00000000000${quiet.id}`;
  return quiet;
}
