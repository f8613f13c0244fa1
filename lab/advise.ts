import {
  parseDuration,
  type Schema,
  type Scorer,
  type Source,
  type StreamingQueryProgress,
  type WindowSpec,
} from "lib";
import { count, many } from "../view/display.ts";
import type { Advice } from "../view/watermark_analysis.ts";
import { alike } from "./alike.ts";
import { recommend } from "./recommend.ts";
import { readScoredRows } from "./scored_rows.ts";
import { sweep } from "./sweep.ts";
import { type WhatIfData, whatIfData } from "./what_if.ts";

/** Fewer windows than this have no part to learn from and another to check on. */
const FEWEST_WINDOWS = 10;

/** What one pass over a topic gives: words, and what the figure with the two sliders is made of. */
export interface Pass extends Advice {
  /** Absent if there was no pass. */
  readonly whatIf?: WhatIfData;
}

/**
 * Says from one pass over a topic which delays give the tables of these watermarks, and which delay loses
 * at most `maxLoss` of the rows. It holds for queries that read the topic in these batches. With the
 * `progress` of a query that had batches of its own, one that ran while its rows came, they are these, and
 * nothing is said of other queries.
 */
export async function advise(
  source: Source,
  { watermarks, model, maxOffsetsPerTrigger, progress, window, threshold, schema, maxLoss = 0.001 }:
    {
      readonly watermarks: readonly string[];
      readonly model: Scorer;
      readonly maxOffsetsPerTrigger: number;
      /** One entry a batch, from the first one on. */
      readonly progress?: readonly StreamingQueryProgress[] | undefined;
      readonly window: WindowSpec;
      readonly threshold: number;
      readonly schema?: Schema;
      readonly maxLoss?: number;
    },
): Promise<Pass> {
  const named = watermarks.map(parseDuration);
  const seconds = Array.from({ length: 601 }, (_, i) => i * 1000);
  const delays = Float64Array.from(new Set([...seconds, ...named])).sort();
  const ends = progress?.map(({ sources: [of] }) => Object.values(of!.endOffset)[0]!);
  const rows = await readScoredRows(source, {
    model,
    maxOffsetsPerTrigger,
    ...ends && { ends },
    ...schema && { schema },
  });
  if (ends) return { alike: [], advice: [], whatIf: whatIfData(rows, { window }) };
  const swept = sweep(rows, { window, threshold, delays });
  const windows = swept.windows.start.length;
  const words = windows < FEWEST_WINDOWS
    ? `The topic has ${many(windows, "window")}, too few to learn a delay from.`
    : `${recommend(swept, { maxLoss }).words} This is for batches of ${
      count(maxOffsetsPerTrigger)
    } rows: the ` +
      `watermark moves only between batches, so with smaller ones, such as those of the watermark lab, ` +
      `windows close sooner and the same delay loses more.`;
  return {
    whatIf: whatIfData(rows, { window }),
    alike: named.map((delay) => {
      const { from, to } = alike(swept, delay).table;
      return from === to || windows === 0
        ? ""
        : `In these batches, every delay from ${from / 1000} to ${
          to / 1000
        } s gives the same table.`;
    }),
    advice: [`**What to choose.** ${words}`],
  };
}
