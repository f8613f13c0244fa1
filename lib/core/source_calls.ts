import { inspect } from "node:util";
import type { Messages, Offsets, Source } from "./types.ts";

/** Asks a source for offsets. Throws a `TypeError` if it gives anything but whole numbers >= 0 by partition. */
export async function askOffsets(
  source: Source,
  call: "earliestOffsets" | "latestOffsets" | "offsetsForTime",
  timestampMs = NaN,
): Promise<Offsets> {
  const offsets: unknown = await source[call]!(timestampMs);
  const isOffset = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
  if (typeof offsets === "object" && offsets && Object.values(offsets).every(isOffset)) {
    return offsets as Offsets;
  }
  throw new TypeError(
    `${source.description}: ${call}() must give whole numbers >= 0 by partition, such as {"0": 17}, ` +
      `got ${inspect(offsets, { breakLength: Infinity })}`,
  );
}

/** Asks a source for messages. Throws a `TypeError` if they are not those of `[start, end)`, in order. */
export async function askBatch(
  source: Source,
  start: Offsets,
  end: Offsets,
): Promise<readonly Messages[]> {
  const batch = await source.getBatch(start, end);
  const next: Record<string, number> = { ...start };
  for (const { partition, offsets, bytes, starts, ends } of batch) {
    const n = starts.length;
    if (offsets.length !== n || ends.length !== n || !(bytes.length >= (ends[n - 1] ?? 0))) {
      throw new TypeError(
        `${source.description}: getBatch() gave ${offsets.length} offsets, ${n} starts and ` +
          `${ends.length} ends in ${bytes.length} bytes: they must be as many, and within the bytes`,
      );
    }
    if (n === 0) continue;
    const [first, last] = [offsets[0]!, offsets[n - 1]!];
    const isWithin = source.countsBlocks || first >= next[partition]! && last < end[partition]!;
    if (!isWithin || last - first < n - 1) {
      throw new TypeError(
        `${source.description}: getBatch() gave ${n} messages with the offsets ${first} to ${last} of ` +
          `partition ${partition}: they must ascend, from ${next[partition]} on and below ` +
          `${end[partition]}`,
      );
    }
    next[partition] = last + 1;
  }
  return batch;
}
