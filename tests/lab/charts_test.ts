import { equal, match, ok, throws } from "node:assert/strict";
import { windowSpec } from "lib";
import {
  completeness,
  errors,
  readScoredRows,
  sweep,
  thresholdCurve,
  thresholds,
} from "../../lab/mod.ts";
import { type Displayable, jupyterDisplay, percent } from "../../view/display.ts";
import { model, type Row, SCHEMA, THRESHOLD } from "./engine.ts";
import { sourceOf } from "./topics.ts";

/** Ten rows a batch, 10 s apart; every tenth row is one minute old and is a fraud. */
const blocks = Array.from({ length: 60 }, (_, k) =>
  Array.from({ length: 10 }, (_, i): Row => ({
    time: 100_000 + k * 10_000 + i * 1000 - (i === 0 ? 100_000 : 0),
    risk: i % 3 / 2,
    label: i === 0 ? 1 : 0,
  })));
const rows = await readScoredRows(sourceOf(blocks), {
  model,
  schema: SCHEMA,
  maxOffsetsPerTrigger: 1,
});
const swept = sweep(rows, { window: windowSpec("1 minute"), threshold: THRESHOLD });
const delays = ["30 seconds", "2 minutes"];

function shown(figure: Displayable) {
  const { "text/html": html, "text/plain": text } = figure[jupyterDisplay]();
  return { html, text };
}

const figures: Record<string, () => Displayable> = {
  completeness: () => completeness(swept, { delays, maxLoss: 0.01 }),
  errors: () => errors(swept, { delays }),
  thresholds: () => thresholds(thresholdCurve(rows), { threshold: THRESHOLD }),
};

for (const [name, make] of Object.entries(figures)) {
  Deno.test(`${name}() draws the same each time, and nothing that is no number`, () => {
    const { html } = shown(make());
    equal(html, shown(make()).html);
    const [drawn] = html.split("<script>");
    match(drawn!, /<figure[^]*<svg[^]*<path[^]*<\/figure>$/);
    ok(!/NaN|undefined|Infinity/.test(drawn!));
  });
}

Deno.test("completeness() answers with the wait and the loss of each delay marked", () => {
  const { text, html } = shown(figures.completeness!());
  for (const [i, delay] of [30, 120].entries()) {
    const row = swept.table.toRecords()[delay]!;
    const wait = Math.round(Number(row.wait_s));
    match(
      text,
      new RegExp(`^${delays[i]}: a window is final ${wait} s after .* ${row.rows_lost} row`, "m"),
    );
    ok(html.includes(`wait ${wait} s, lose ${percent(Number(row.loss))}`));
  }
  ok(Number(swept.table.toRecords()[30]!.rows_lost) > 0);
});

Deno.test("a chart refuses to mark a delay that was not swept", () => {
  throws(() => errors(swept, { delays: ["1500 milliseconds"] }), RangeError);
});

Deno.test("completeness() says at the mark of an advice whether it passed its check", () => {
  const advice = { delay: 30_000, verdict: "failed its check: 40 s was needed" };
  const { html, text } = shown(completeness(swept, { delays, advice }));
  match(text, /^30 seconds \(recommended; failed its check: 40 s was needed\): a window/m);
  for (const line of ["recommended;", "failed its check:", "40 s was needed"]) {
    ok(html.includes(`>${line}</tspan>`), line);
  }
});

Deno.test("each chart says its values in titles, of 120 points at most", () => {
  const says = {
    completeness: /<title>[\d.]+ s: wait \d+ s, lose [\d.]+%<\/title>/,
    errors: /<title>[\d.]+ s: [\d.]+% of the rows lost, .* recall [\d.]+%<\/title>/,
    thresholds: /<title>threshold 0\.\d+: precision .*, recall .*, [\d.]+ alerts a minute<\/title>/,
  };
  for (const [name, title] of Object.entries(says)) {
    const { html } = shown(figures[name]!());
    match(html, title);
    for (const svg of html.split("<svg ").slice(1)) {
      ok([...svg.matchAll(/<title>/g)].length <= 120);
    }
  }
});
