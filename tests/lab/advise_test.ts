import { deepEqual, equal, match } from "node:assert/strict";
import { windowSpec } from "lib";
import { jupyterDisplay } from "../../view/display.ts";
import {
  advise,
  alike,
  type Pass,
  readScoredRows,
  recommend,
  sweep,
  whatIfFigure,
} from "../../lab/mod.ts";
import { model, type Row, SCHEMA, THRESHOLD } from "./engine.ts";
import { sourceOf } from "./topics.ts";

/** Six rows a batch that spans half a minute; the last of each is 40 s to 160 s old. */
function topic(batches: number) {
  return Array.from({ length: batches }, (_, k) =>
    Array.from({ length: 6 }, (_, i): Row => ({
      time: 600_000 + k * 30_000 + i * 5000 - (i === 5 ? 40_000 + k % 5 * 30_000 : 0),
      risk: 0,
      label: 0,
    })));
}

const settings = {
  model,
  schema: SCHEMA,
  threshold: THRESHOLD,
  window: windowSpec("1 minute"),
  maxOffsetsPerTrigger: 1,
};

Deno.test("advise() says of each watermark which delays are alike, and recommends as the lab does", async () => {
  const watermarks = ["30 seconds", "12 minutes", "30500 milliseconds"];
  const found = await advise(sourceOf(topic(60)), { ...settings, watermarks, maxLoss: 0.1 });
  const rows = await readScoredRows(sourceOf(topic(60)), settings);
  const { from, to } = alike(sweep(rows, settings), 30_000).table;
  match(found.alike[0]!, new RegExp(`from ${from / 1000} to ${to / 1000} s gives the same table`));
  equal(found.alike.length, watermarks.length);
  const { words } = recommend(sweep(rows, settings), { maxLoss: 0.1 });
  match(found.advice[0]!, new RegExp(`^\\*\\*What to choose\\.\\*\\* ${RegExp.escape(words)} `));
});

Deno.test("advise() recommends nothing from an empty topic or a few windows", async () => {
  for (const [blocks, said] of [[[[]], "0 windows"], [topic(4), "windows"]] as const) {
    const found = await advise(sourceOf(blocks), { ...settings, watermarks: ["30 seconds"] });
    match(found.advice[0]!, new RegExp(`${said}, too few to learn a delay from\\.$`));
  }
  const empty = await advise(sourceOf([[]]), { ...settings, watermarks: ["1 minute"] });
  deepEqual(empty.alike, [""]);
  const said = (pass: Pass, delay = 30_000, threshold = 0.5) =>
    whatIfFigure(pass.whatIf!, { delay, threshold })[jupyterDisplay]()["text/html"];
  match(said(empty), /No row is in a window/);
  const few = await advise(sourceOf(topic(2)), { ...settings, watermarks: ["1 minute"] });
  match(said(few), /Too few batches for a loss.* there are 2: /s);
  match(said(few), /a threshold of <b>0.5<\/b>, the run's own/);
  match(
    said(few, 900_000, 0),
    /<b>600 seconds<\/b>.*<b>0.01<\/b>, the nearest to .* 900 seconds and 0</s,
  );
});
