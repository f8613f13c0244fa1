import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { recordBatch } from "../../bench/scale/feed.ts";
import { findPace } from "../../bench/scale/pace.ts";
import { type Figures, type Needs, pageTable, planFor } from "../../bench/scale/page.ts";
import { DEFAULTS, readFigures } from "../../bench/scale/scale.ts";
import { formatted } from "../../tools/dev/formatted.ts";
import { read } from "../kafka/batches.ts";

const HOUR = 3_600_000;
const COST = { rowsPerCpuSecond: 1, startCpuSeconds: 1, wallSeconds: 1, cpuSeconds: 1, peakMiB: 1 };
const BOTH = { process: COST, spark: COST };
const FIGURES: Figures = {
  machine: "one core",
  load: { rows: 1, pace: 1, cluster: 1, long: 1 },
  rows: { ...BOTH, bytesPerMessage: 500, bytesPerWindow: 80 },
  pace: { process: { kept: 1000, lost: 1100 }, spark: { kept: 400 } },
  cluster: [
    { executors: 1, rowsPerSecond: 300, batchSeconds: 1 },
    { executors: 2, rowsPerSecond: 800, batchSeconds: 1 },
  ],
  long: { ...BOTH, rows: 9, bytes: 9, windows: 9 },
};
const NEEDS: Needs = {
  rate: 400,
  retention: 24 * HOUR,
  outage: HOUR,
  window: 60_000,
  slide: 60_000,
  watermark: 120_000,
  headroom: 0.5,
};

Deno.test("planFor() reckons load, catching up, topic, state, partitions and cores", () => {
  deepEqual(planFor(NEEDS, FIGURES), {
    load: 0.4,
    catchUp: HOUR * 400 / 600, // it computes 1000 a second, 400 of them new
    topicBytes: 400 * 86_400 * 500,
    openWindows: 4,
    stateBytes: 320,
    sparkCores: 2,
    partitions: 4,
    where: "one process",
  });
});

Deno.test("planFor() leaves one process at the headroom, and never catches up at its speed", () => {
  const where = (rate: number) => planFor({ ...NEEDS, rate }, FIGURES).where;
  deepEqual([500, 501].map(where), ["one process", "Spark"]);
  equal(planFor({ ...NEEDS, rate: 1000 }, FIGURES).catchUp, Infinity);
  equal(planFor({ ...NEEDS, slide: 30_000 }, FIGURES).openWindows, 7);
});

Deno.test("docs/scale.md shows what follows from the figures in docs/scale.json", async () => {
  const page = await Deno.readTextFile(join(import.meta.dirname!, "../../docs/scale.md"));
  const figures = await readFigures();
  const block = await formatted(pageTable(figures, DEFAULTS), "md");
  ok(page.includes(`-->\n\n${block}\n<!--`), "run deno task scale --measure all");
  ok(figures.rows.process.rowsPerCpuSecond > 0);
});

Deno.test("findPace() closes in on a limit, forgives one bad step, and stops where the feeder does", async () => {
  for (const limit of [3, 900, 12_345]) {
    let steps = 0;
    const pace = await findPace(1000, (rate) => {
      const isBad = ++steps === 2; // another program took the processor
      return Promise.resolve({ sent: rate, committed: isBad ? 0 : Math.min(rate, limit) });
    });
    ok(pace.kept <= limit / 0.9 && pace.lost! > limit, JSON.stringify(pace));
    ok(pace.lost! / pace.kept <= 1.2 && steps < 40);
  }
  const limited = (rate: number) => {
    const sent = Math.min(rate, 5000);
    return Promise.resolve({ sent, committed: sent });
  };
  deepEqual(await findPace(1000, limited), { kept: 5000 });
});

Deno.test("the feeder's record batches are read as they were sent", () => {
  const values = Array.from({ length: 200 }, (_, i) => "x".repeat(i * i)); // lengths of one to three bytes
  const bytes = values.map((value) => new TextEncoder().encode(value));
  const found = read(recordBatch(bytes, Date.UTC(2024, 0, 1)));
  deepEqual(found.values, values);
  equal(found.next, values.length);
});
