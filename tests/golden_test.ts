import { deepEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import { playScenario } from "./scenario/main.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

const golden = join(import.meta.dirname!, "golden");
const scenarios = (await Array.fromAsync(Deno.readDir(golden)))
  .filter(({ name }) => /^\d\d_/.test(name)).map(({ name }) => name).sort();

/** Runs in which Spark's numbers come from its file source or its calendar, not from its engine. */
const NOT_COMPARED: Record<string, string> = {
  "29_crash_before_offsets complete":
    "the file source's own log makes the batch after the crash take two files",
};

/** Spark prints years before 1582 in the Julian calendar, so its text for them is passed over. */
const GREGORIAN = Date.UTC(1582, 9, 15);

let runs = 0;
for (const scenario of scenarios) {
  Deno.test(`golden ${scenario}: every batch of every run is Spark's`, async () => {
    const { runs: expected } = JSON.parse(
      await Deno.readTextFile(join(golden, scenario, "expected.json")),
    );
    const { runs: actual } = await playScenario(join(golden, scenario));
    for (const [i, run] of expected.entries()) {
      if (`${scenario} ${run.outputMode}` in NOT_COMPARED) continue;
      const got = actual[i]!;
      deepEqual(got.id, run.id);
      deepEqual(got.batches.map(comparable), run.batches.map(comparable), `${scenario} ${run.id}`);
      for (const [j, batch] of got.batches.entries()) sameEventTimes(batch, run.batches[j]);
      runs++;
    }
  });
}

Deno.test("golden: runs were compared in all scenarios", () => {
  console.log(`${runs} golden runs compared with Spark's, batch by batch`);
  ok(runs >= 272 && scenarios.length === 26);
});

function comparable({ rows, eventTime: _, ...batch }: Json): Json {
  return {
    ...batch,
    rows: rows.map(({ window_start: _start, window_end: _end, ...row }: Json) => row),
  };
}

/** The mean depends on the order in which Spark merges partitions: 1 ms either way is equal. */
function sameEventTimes({ eventTime: got }: Json, { eventTime: want, batchId }: Json): void {
  deepEqual(Object.keys(got).sort(), Object.keys(want).sort());
  for (const key of Object.keys(want)) {
    const [a, b] = [epoch(got[key]), epoch(want[key])];
    if (a < GREGORIAN) continue;
    ok(
      Math.abs(a - b) <= (key === "avg" ? 1 : 0),
      `batch ${batchId} ${key}: ${got[key]} ${want[key]}`,
    );
  }
}

function epoch(text: string): number {
  return Date.parse(text.replace(/^(\d{5})-/, "+0$1-"));
}
