import fc from "fast-check";
import { MemorySource } from "lib";
import { messageOf, type Row, THRESHOLD } from "./engine.ts";

const time = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: -30_000, max: 300_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(-60_000, 0, 60_000, 120_000, 900_000, null) },
);
const row: fc.Arbitrary<Row> = fc.option(
  fc.record({
    time,
    risk: fc.constantFrom(0, 0.49, THRESHOLD, 1, null),
    label: fc.constantFrom(0, 0, 1, 1, 2, null),
  }),
  { freq: 15 },
);
const anyhow = fc.array(fc.array(row, { maxLength: 12 }), { minLength: 1, maxLength: 12 });
/** Most rows near the front, so that windows close all along and rows come after it. */
const flowing = anyhow.map((all) =>
  all.map((block, i) =>
    block.map((row) =>
      row?.time == null ? row : { ...row, time: Math.floor(row.time / 4) + i * 30_000 }
    )
  )
);

/** Topics of some batches: out of order, with rows that cannot be read, without a time, before 1970. */
export const topics: fc.Arbitrary<readonly (readonly Row[])[]> = fc.oneof(anyhow, flowing);

export function sourceOf(blocks: readonly (readonly Row[])[]): MemorySource {
  const source = new MemorySource();
  for (const block of blocks) source.addData(block.map(messageOf));
  return source;
}
