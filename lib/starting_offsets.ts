import { askOffsets } from "./core/source_calls.ts";
import type { Offsets, Source } from "./core/types.ts";
import type { ReadOptions } from "./options.ts";

/** Finds where a new query begins. Throws if `startingOffsets` names what is not there. */
export async function startingOffsets(source: Source, options: ReadOptions): Promise<Offsets> {
  const { startingOffsets = "earliest", startingTimestamp, failOnDataLoss = true } = options;
  if (startingTimestamp !== undefined) return await source.offsetsForTime!(startingTimestamp);
  if (startingOffsets === "latest") return await askOffsets(source, "latestOffsets");
  const earliest = await askOffsets(source, "earliestOffsets");
  if (startingOffsets === "earliest") return earliest;
  const latest = await askOffsets(source, "latestOffsets");
  for (const [partition, given] of Object.entries(startingOffsets)) {
    const [first, end] = [earliest[partition], latest[partition]];
    if (first === undefined || end === undefined) {
      throw new RangeError(
        `startingOffsets names partition ${partition}: ${source.description} has none, only ` +
          Object.keys(latest).join(", "),
      );
    }
    if (given < 0 || !failOnDataLoss || (given >= first && given <= end)) continue;
    throw new RangeError(
      `startingOffsets says ${given} for partition ${partition}: ${source.description} has offsets ` +
        `${first} to ${end} there; begin at one of them, at -2 (earliest) or at -1 (latest)`,
    );
  }
  return Object.fromEntries(
    Object.entries(earliest).map(([partition, first]) => {
      const given = startingOffsets[partition] ?? -2;
      return [partition, given === -2 ? first : given === -1 ? latest[partition]! : given];
    }),
  );
}
