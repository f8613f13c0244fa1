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
import { drawn } from "../../lab/drawn.ts";
import { seededRandom } from "../../lab/random.ts";
import { type Displayable, jupyterDisplay } from "../../view/display.ts";
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

Deno.test("completeness() answers with the wait and the loss of each delay marked, in windows final at all", () => {
  const { text } = shown(figures.completeness!());
  const { windows: { start, all, lost, finalBatch }, newest, delays: tried } = swept;
  const common = [...start.keys()].filter((w) => finalBatch[w * tried.length + 120]! >= 0);
  const sum = (of: (w: number) => number) => common.reduce((total, w) => total + of(w), 0);
  for (const [i, d] of [30, 120].entries()) {
    const waits = common.map((w) =>
      (newest[finalBatch[w * tried.length + d]!]! - start[w]!) / 1000 - 60
    );
    const wait = Math.round(waits.sort((a, b) => a - b)[(waits.length - 1) / 2]!);
    const [gone, of] = [sum((w) => lost.n_txn[w * tried.length + d]!), sum((w) => all.n_txn[w]!)];
    match(
      text,
      new RegExp(
        `^${delays[i]}: a window is final ${wait} s after .* ${gone} of ${of} rows \\(`,
        "m",
      ),
    );
    ok(d === 120 || gone > 0);
  }
});

Deno.test("over the delays that a chart draws a longer one never seems to lose more, nor to be quicker", () => {
  const random = seededRandom(3);
  let most = 0;
  for (let topic = 0; topic < 20; topic++) {
    const batches = 20 + Math.floor(40 * random());
    const late = 200_000 * random();
    const at = (k: number) => 100_000 + k * 10_000;
    const blocks = Array.from({ length: batches }, (_, k) =>
      Array.from({ length: 3 }, (): Row => ({
        time: at(k) + 10_000 * random() - (random() < 0.3 ? late * random() : 0),
        risk: 0,
        label: 0,
      })));
    const time = blocks.flat().map((row) => row!.time);
    const swept = sweep({
      batches,
      batch: Uint32Array.from(time, (_, i) => Math.floor(i / 3)),
      eventTime: Float64Array.from(time),
      probability: new Float64Array(time.length),
      label: new Int8Array(time.length),
    }, { window: windowSpec("1 minute"), threshold: 0.5 });
    const { rows } = drawn(swept, []);
    most = Math.max(most, rows.length);
    rows.slice(1).forEach((row, i) => {
      ok(row.n_txn <= rows[i]!.n_txn, `topic ${topic} at ${row.delay_s} s: ${row.n_txn}`);
      ok(row.wait_s >= rows[i]!.wait_s, `topic ${topic} at ${row.delay_s} s: ${row.wait_s}`);
    });
  }
  ok(most > 60, `${most} delays are drawn at most`);
});

Deno.test("a chart for which no window is final says so", async () => {
  const source = sourceOf(blocks.slice(0, 30));
  const rows = await readScoredRows(source, { model, schema: SCHEMA, maxOffsetsPerTrigger: 1 });
  const short = sweep(rows, { window: windowSpec("1 minute"), threshold: THRESHOLD });
  for (const chart of [completeness, errors]) {
    const { text } = shown(chart(short, { delays: ["10 minutes"] }));
    match(text, /^No window is final at a delay of 600 seconds: mark shorter delays/);
  }
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
