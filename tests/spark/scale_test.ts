import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import {
  type Figures,
  type Needs,
  pageTable,
  planFor,
  readFigures,
} from "../../tools/spark/scale.ts";

const HOUR = 3_600_000;
const FIGURES: Figures = {
  machine: "one core",
  process: { rowsPerCpuSecond: 1000, startCpuSeconds: 1 },
  spark: { rowsPerCpuSecond: 400, startCpuSeconds: 20 },
  bytesPerMessage: 500,
  bytesPerWindow: 80,
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
  ok(page.includes(`\n\n${pageTable(figures)}\n\n`), "run deno task scale --measure");
  ok(figures.process.rowsPerCpuSecond > 0 && figures.spark.startCpuSeconds > 0);
});
