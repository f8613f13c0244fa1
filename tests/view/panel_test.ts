import { deepEqual, equal, match, rejects } from "node:assert/strict";
import pl from "polars";
import { clock, type Content } from "../../view/display.ts";
import { Panel } from "../../view/panel.ts";
import type { Run } from "../../view/run.ts";
import { runs } from "./sample_run.ts";

const { progress, kpi } = runs[0] as Run;

/** A panel at a clock that the test moves, and what it has shown. */
function watched(name = "kpi") {
  const shown: { text: string; html: string; isLast: boolean }[] = [];
  const time = { now: 0 };
  const show = (content: Content, { isLast }: { isLast: boolean }) => {
    shown.push({ text: content["text/plain"], html: content["text/html"], isLast });
  };
  return { panel: new Panel(name, { show, now: () => time.now }), shown, time };
}

Deno.test("Panel shows the state of a query in a line", async () => {
  const { panel, shown } = watched();
  const at = progress.find(({ batchId }) => batchId === 40)!;
  for (const batch of progress.slice(0, 41)) panel.update(batch);
  await panel.close();
  const { late, rejected } = at.rows.total;
  const read = progress.slice(0, 41).reduce((sum, { numInputRows }) => sum + numInputRows, 0);
  const endedAt = Date.parse(at.timestamp) + at.durationMs.triggerExecution!;
  const rate = read / (endedAt - Date.parse(progress[0]!.timestamp)) * 1000;
  equal(
    shown.at(-1)!.text,
    "kpi · batch 40 · 49,200 of 60,000 rows · 10,800 behind · " +
      `${Math.round(rate).toLocaleString("en-US")} rows/s · watermark ` +
      `${at.eventTime.watermark!.slice(11, 19)} · ` +
      `open windows ${
        at.stateOperators[0]!.numRowsTotal
      } · ${late} late · ${rejected} rejected · ` +
      `ended, last batch at ${clock(endedAt, 8)} UTC`,
  );
  match(shown.at(-1)!.html, /<progress aria-label="offset" max="60000" value="49200"/);
});

Deno.test("Panel takes its place before its first batch, and keeps saying that there was none", async () => {
  const { panel, shown } = watched("<kpi>");
  panel.open();
  await panel.close();
  deepEqual(shown.map(({ text }) => text), ["<kpi> · no batch has run yet"]);
  match(shown[0]!.html, /<b>&#60;kpi&#62;<\/b> no batch/);
});

Deno.test("Panel shows no watermark before there is one", async () => {
  const { panel, shown } = watched();
  panel.update(progress[0]!);
  await panel.close();
  match(shown[0]!.text, /watermark – ·/);
});

Deno.test("Panel shows four states a second at most, and always the last one", async () => {
  const { panel, shown, time } = watched();
  for (const batch of progress) {
    panel.update(batch);
    time.now += 20; // 51 batches in 1,020 ms: shown at 0, 260, 520, 780
  }
  await panel.close();
  deepEqual(shown.map(({ text }) => Number(/batch (\d+)/.exec(text)![1])), [0, 13, 26, 39, 50]);
  deepEqual(shown.map(({ isLast }) => isLast), [false, false, false, false, true]);
});

Deno.test("Panel replaces the windows of a batch and marks them until it is shown again", async () => {
  const { panel, shown, time } = watched();
  panel.update(progress[0]!, kpi.head(3));
  time.now = 300;
  // The third window again with another count, and a fourth.
  const later = kpi.slice(2, 2).withColumn(pl.lit(7).cast(pl.Int64).alias("n_txn"));
  panel.update(progress[1]!, later);
  time.now = 600;
  panel.update(progress[2]!);
  await panel.close();
  const marked = shown.map(({ html }) =>
    [...html.matchAll(/<tr( class="m")?><th scope="row">([\d:]+)</g)]
      .map(([, mark, start]) => start + (mark ? "*" : "")).join(" ")
  );
  match(shown[1]!.text, /\n10:02 .* 7 .*\n10:03 .* 7 /);
  deepEqual(marked.slice(0, 3), [
    "10:00* 10:01* 10:02*",
    "10:00 10:01 10:02* 10:03*",
    "10:00 10:01 10:02 10:03",
  ]);
  deepEqual(shown.map(({ text }) => /, just changed ones marked/.test(text)), [
    true,
    true,
    false,
    false,
  ]);
  deepEqual(shown.map(({ text }) => /· (running|ended), last batch at/.exec(text)![1]), [
    "running",
    "running",
    "running",
    "ended",
  ]);
});

Deno.test("Panel keeps to the newest windows", async () => {
  const { panel, shown } = watched();
  panel.update(progress[0]!, kpi);
  await panel.close();
  match(shown[0]!.text, new RegExp(`The newest 12 of ${kpi.height} windows`));
  equal(shown[0]!.html.match(/<th scope="row"/g)?.length, 12);
});

Deno.test("Panel escapes the query's name", async () => {
  const { panel, shown } = watched("<b>\x1b[2J");
  panel.update(progress[0]!);
  await panel.close();
  match(shown[0]!.html, /<b>&#60;b&#62;�\[2J<\/b>/);
  match(shown[0]!.text, /^<b>�\[2J · /);
});

Deno.test("Panel says in close() that it could not be shown", async () => {
  const panel = new Panel("kpi", {
    show: () => Promise.reject(new Error("no display")),
    now: () => 0,
  });
  panel.update(progress[0]!);
  panel.update(progress[1]!);
  await rejects(panel.close(), /no display/);
});

Deno.test("Panel without a terminal writes one line in all", async () => {
  const module = new URL("../../view/panel.ts", import.meta.url).href;
  const code = `import { Panel } from ${JSON.stringify(module)};
    const panel = new Panel("kpi");
    for (const batch of JSON.parse(Deno.args[0])) panel.update(batch);
    await panel.close();`;
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code, JSON.stringify(progress.slice(0, 5))],
    cwd: new URL("../../", import.meta.url),
  }).output();
  const stderr = new TextDecoder().decode(output.stderr);
  match(stderr, /^kpi · batch 4 · [^\n]*\n$/);
  equal(output.stdout.length, 0);
});
