import type { Cursor } from "./resume.ts";
import type { Offsets } from "../core/types.ts";

/** What became of the offsets that a query goes on from. */
export interface Loss {
  /** Where it goes on in the partitions that are still there; the others begin at their earliest offset. */
  readonly known: Offsets;
  /** Whether the source is another of the same name. */
  readonly isAnew: boolean;
  /** Offsets known to be gone unread. */
  readonly lost: number;
  /** What is gone, in words; absent if nothing is. */
  readonly why?: string;
}

/**
 * Compares where a query goes on with what the source has now: `latest`, and its `identity` if it has one.
 * `seen` are the newest offsets known of it before.
 */
export function findLoss(
  { start = {}, sourceId, planned }: Pick<Cursor, "start" | "sourceId" | "planned">,
  { latest, identity, seen = start }: {
    latest: Offsets;
    identity?: string | undefined;
    seen?: Offsets | undefined;
  },
): Loss {
  const isAnew = identity !== undefined && sourceId !== undefined && identity !== sourceId;
  const gone = Object.keys(start).filter((p) => isAnew || !(latest[p]! >= start[p]!));
  const known = Object.fromEntries(Object.entries(start).filter(([p]) => !gone.includes(p)));
  const ends = planned && (!isAnew || planned.sourceId === sourceId) ? planned.end : seen;
  const lost = gone.reduce((sum, p) => sum + Math.max(0, (ends[p] ?? 0) - start[p]!), 0);
  if (isAnew) {
    const why = `it was deleted and made anew (its id is ${identity}, and was ${sourceId})`;
    return { known, isAnew, lost, why };
  }
  if (gone.length === 0) return { known, isAnew, lost };
  const list = gone.map((p) => `partition ${p} ends at ${latest[p] ?? "nothing"}, not ${start[p]}`);
  return { known, isAnew, lost, why: `${list.join(", ")}; was it deleted or made anew` };
}
