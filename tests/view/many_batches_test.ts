// Runs of thousands of batches, as of a topic of millions of rows: their charts stay small, and say what they leave out.
import { doesNotMatch, equal, match, ok } from "node:assert/strict";
import pl from "polars";
import type { StreamingQueryProgress } from "lib";
import { arrival, byBatch } from "../../view/batch_charts.ts";
import { jupyterDisplay } from "../../view/display.ts";
import { restartTimeline } from "../../view/restart_timeline.ts";
import { runs } from "./sample_run.ts";

const MANY = 4_001;

const [run] = runs as [typeof runs[number]];
const progress = Array.from({ length: MANY }, (_, batchId): StreamingQueryProgress => {
  const batch = run.progress[Math.floor(batchId / MANY * run.progress.length)]!;
  const at = (n: number) => ({ [Object.keys(batch.sources[0]!.endOffset)[0]!]: { "0": n * 1500 } });
  const source = { ...batch.sources[0]!, startOffset: at(batchId), endOffset: at(batchId + 1) };
  return { ...batch, batchId, sources: [source] };
});
const late = pl.concat(Array.from({ length: Math.ceil(9_000 / run.late.height) }, () => run.late));
const long = { ...run, progress, late };

const charts = {
  arrival: () => arrival(long),
  watermark: () => byBatch([long, { ...long, position: 1, watermark: "2 minutes" }], "watermark"),
  windows: () => byBatch([long, { ...long, position: 1, watermark: "2 minutes" }], "windows"),
  restart: () => restartTimeline(progress.slice(0, 2_000), progress.slice(2_000)),
};

const SAYS: Record<string, RegExp[]> = {
  restart: [/A box is 14 batches/, /batch 1988 to 1999, before/, /batch 3988 to 4000, after/],
};

for (const [name, chart] of Object.entries(charts)) {
  Deno.test(`the chart of ${name} draws some of ${MANY} batches, up to the last one, and says so`, () => {
    const { "text/html": html } = chart()[jupyterDisplay]();
    ok(html.length < 300_000, `${html.length} bytes`);
    for (
      const text of SAYS[name] ?? [/One batch of 11 is drawn\./, /batch 3993: /, /batch 4000: /]
    ) {
      match(html, text);
    }
  });
}

Deno.test("of thousands of late rows some crosses are drawn, and all are counted", () => {
  const { "text/html": html } = charts.arrival()[jupyterDisplay]();
  match(html, /9,\d{3} rows came after/);
  match(html, /Of the crosses \d{3} are drawn\./);
  const few = arrival(run)[jupyterDisplay]()["text/html"];
  doesNotMatch(few, /drawn\./);
  equal(late.height > 9_000, true);
});
