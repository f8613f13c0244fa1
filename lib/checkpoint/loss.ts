import type { Cursor } from "./resume.ts";
import type { Offsets, Source } from "../core/types.ts";

/**
 * Finds what is left of the offsets that a query goes on from, `known`, and how many are gone unread; the
 * source may be another of the same name. `latest` are its newest offsets, `seen` those known before.
 * Throws a `RangeError` if some are gone and the query is to fail then.
 */
export function findLoss(
  { before: { end: start, sourceId }, planned }: Pick<Cursor, "before" | "planned">,
  { identity, description }: Pick<Source, "identity" | "description">,
  { latest, seen = start, failOnDataLoss }: {
    latest: Offsets;
    seen: Offsets | undefined;
    failOnDataLoss: boolean;
  },
): { known: Offsets; lost: number; isAnew: boolean } {
  const isAnew = identity !== undefined && sourceId !== undefined && identity !== sourceId;
  const gone = Object.keys(start).filter((p) => isAnew || !(latest[p]! >= start[p]!));
  if (failOnDataLoss && (isAnew || gone.length > 0)) {
    const ends = gone.map((p) =>
      `partition ${p} ends at ${latest[p] ?? "nothing"}, not ${start[p]}`
    );
    const why = isAnew
      ? `it was deleted and made anew (its id is ${identity}, and was ${sourceId})`
      : `${ends.join(", ")}; was it deleted or made anew`;
    throw new RangeError(
      `Data of ${description} is lost: ${why}. ` +
        `Start over with a new checkpoint, or go on without it with failOnDataLoss: false`,
    );
  }
  const known = Object.fromEntries(Object.entries(start).filter(([p]) => !gone.includes(p)));
  const ends = planned && (!isAnew || planned.sourceId === sourceId) ? planned.end : seen;
  const lost = gone.reduce((sum, p) => sum + Math.max(0, (ends[p] ?? 0) - start[p]!), 0);
  return { known, lost, isAnew };
}
