import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { MemorySink, type StreamingQueryProgress } from "lib";
import {
  blocks,
  delay,
  LAST,
  plain,
  type Play,
  play,
  type Row,
  rows,
  SETTINGS,
  slide,
} from "./random_rows.ts";

/** Everything a sink got, in an order of its own. */
function contents(sink: MemorySink): string[] {
  return sink.rows().toRecords().map((record) => JSON.stringify(record, plain)).sort();
}

Deno.test("any split of the same rows into batches gives the same append output if nothing is late", () =>
  fc.assert(
    fc.asyncProperty(
      rows,
      fc.array(fc.nat(7)),
      fc.boolean(),
      slide,
      async (all, cuts, backlog, slide) => {
        const settings: Play = { mode: "append", delay: "300 seconds", slide };
        const whole = await play([all, [LAST]], settings);
        const split = await play([...cut(all, cuts), [LAST]], { ...settings, backlog });
        deepEqual(contents(split.sink), contents(whole.sink));
        ok(contents(whole.sink).length > 0);
        equal(split.batches.at(-1)!.rows.total.late, 0);
      },
    ),
    SETTINGS,
  ));

/** Cuts rows into blocks of the given lengths, the last block takes the rest. */
function cut(all: readonly Row[], lengths: readonly number[]): Row[][] {
  const blocks: Row[][] = [];
  let from = 0;
  for (const length of lengths) blocks.push(all.slice(from, from += length));
  return [...blocks, all.slice(from)];
}

Deno.test("a restart at every batch boundary equals a run without restarts", () =>
  fc.assert(
    fc.asyncProperty(
      blocks,
      delay,
      slide,
      fc.boolean(),
      async (all, delay, slide, noDataMicroBatches) => {
        for (const mode of ["append", "update", "complete"] as const) {
          const settings = { mode, delay, slide, noDataMicroBatches };
          const once = await play([...all, [LAST]], settings);
          const often = await play([...all, [LAST]], { ...settings, restarts: true });
          deepEqual(often.batches.map(stable), once.batches.map(stable));
          deepEqual(contents(often.sink), contents(once.sink));
        }
      },
    ),
    { ...SETTINGS, numRuns: 8 },
  ));

/** What does not depend on when and by whom a batch was run. */
function stable(
  { batchId, numInputRows, eventTime, stateOperators, rows }: StreamingQueryProgress,
) {
  return { batchId, numInputRows, eventTime, stateOperators, rows };
}
