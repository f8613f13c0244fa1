/** What a power cut may leave in a file. */

/**
 * What a disk may reorder. `journal`: changes of names become durable in the order they were made, and
 * any sync makes all earlier ones durable (ext4, XFS). `dirs`: only the sync of a folder makes its
 * names durable, in order within it. `any`: any subset of what is pending, the least that POSIX promises.
 */
export type Level = "journal" | "dirs" | "any";
export const LEVELS: readonly Level[] = ["journal", "dirs", "any"];

/** Bytes written to a file. */
export interface Change {
  readonly at: number;
  /** Absent for a truncation to `at`. */
  readonly bytes?: Uint8Array;
}

const BLOCK = 4096;

/** Returns a file after changes. */
export function applied(base: Uint8Array, changes: readonly Change[]): Uint8Array {
  return changes.reduce((now, { at, bytes }) => {
    const next = new Uint8Array(bytes ? Math.max(now.length, at + bytes.length) : at);
    next.set(now.subarray(0, next.length));
    if (bytes) next.set(bytes, at);
    return next;
  }, base);
}

/** What a file may hold, and in which way that is less than was written. */
export interface Content {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** Contents that a file may have whose last changes were not synced: less than all of them, or torn ones. */
export function contentsOf(
  { durable, pending }: { readonly durable: Uint8Array; readonly pending: readonly Change[] },
  level: Level,
  random: () => number,
): Content[] {
  const found = pending.map((_, n): Content => {
    return {
      what: `${n} of ${pending.length} changes`,
      bytes: applied(durable, pending.slice(0, n)),
    };
  });
  const { at, bytes } = pending.at(-1)!;
  if (bytes === undefined || bytes.length === 0) return found;
  const before = found.at(-1)!.bytes;
  const cuts = [1, bytes.length >> 1, bytes.length - 1, Math.floor(random() * bytes.length)];
  const borders: number[] = [];
  for (let b = Math.ceil((at + 1) / BLOCK) * BLOCK; b < at + bytes.length; b += BLOCK) {
    borders.push(b);
  }
  for (const cut of [...cuts, ...borders.map((b) => b - at)]) {
    const torn = applied(before, [{ at, bytes: bytes.subarray(0, cut) }]);
    found.push({ what: `torn after ${cut} of ${bytes.length} bytes`, bytes: torn });
  }
  if (level !== "any") return found;
  const zeros = applied(before, [{ at, bytes: new Uint8Array(bytes.length) }]);
  const whole = applied(before, [{ at, bytes }]);
  found.push({ what: "its size, but zeros", bytes: zeros });
  for (const from of borders.length > 0 ? [at, ...borders] : []) { // blocks are written in any order
    const to = Math.min(Math.floor(from / BLOCK + 1) * BLOCK, at + bytes.length);
    const without = whole.slice(), alone = zeros.slice();
    without.fill(0, from, to);
    alone.set(whole.subarray(from, to), from);
    found.push({ what: `no block at ${from}`, bytes: without });
    found.push({ what: `only the block at ${from}`, bytes: alone });
  }
  return found;
}
