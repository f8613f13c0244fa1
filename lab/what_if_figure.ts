import { createHash } from "node:crypto";
import { type Displayable, displayable, paragraphs } from "../view/display.ts";
import { wilson } from "../view/statistics.ts";
import { type Setting, whatIf, type WhatIfData } from "./what_if.ts";
import { drawWhatIf, type Parts, runWhatIf } from "./what_if_page.ts";

const style = `<style>.what-if{max-width:760px;margin:0 0 1.5em;color:inherit}
.what-if h4{margin:0 0 .5em}.what-if label{display:grid;grid-template-columns:8.5em 1fr 6em;gap:.75em;align-items:center;margin:.25em 0;font-size:14px}
.what-if input{width:100%;min-height:24px;accent-color:#0072b2}
.what-if dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(215px,1fr));gap:.5em 1.5em;margin:.75em 0}
.what-if dl div{border-left:3px solid #0072b2;padding-left:.6em}.what-if dt{font-size:12px}.what-if dd{margin:0}.what-if dd b{font-size:18px}
.what-if dd span{display:block;font-size:12px}.what-if svg{width:100%;max-width:370px;height:auto}
.what-if .plots{display:flex;flex-wrap:wrap;gap:1em}.what-if .plots>*{flex:1 1 280px}.what-if .scroll{overflow-x:auto}
.what-if table{border-collapse:collapse;margin:.5em 0;font-size:13px;font-variant-numeric:tabular-nums}
.what-if :is(table,tr,th,td,caption){color:inherit;background:none;border:0}
.what-if caption{text-align:left;font-weight:600;padding:0 0 6px}.what-if caption span{position:sticky;left:0;display:block;width:min(720px,88vw)}.what-if :is(th,td){padding:2px 9px;text-align:right;white-space:nowrap}
.what-if th:first-child{text-align:left;font-weight:400}.what-if thead th,.what-if tfoot *{font-weight:600!important}
.what-if tbody tr{border-bottom:1px solid #7f7f7f4d}.what-if tfoot tr{border-top:1px solid}
.what-if :is(th,td){vertical-align:baseline!important}.what-if button{font:inherit;color:inherit;background:none;border:0;text-decoration:underline dotted;text-underline-offset:3px;padding:0 9px;margin:0 -9px;min-width:26px;min-height:24px;text-align:right;cursor:pointer}
.what-if :focus-visible{outline:2px solid #0072b2;outline-offset:1px}
@media print{.what-if .scroll{overflow:visible}.what-if table{font-size:10px}.what-if :is(th,td){padding:2px 5px}}</style>`;

/** Returns the place of the sliders that is nearest to a setting. */
function nearest({ delay, threshold }: Setting): Setting {
  const clamp = (value: number, least: number, most: number) =>
    Math.min(most, Math.max(least, value));
  return {
    delay: 1000 * clamp(Math.round(delay / 1000), 0, 600),
    threshold: clamp(Math.round(threshold * 100), 1, 99) / 100,
  };
}

/**
 * Shows what any watermark delay from 0 to 10 minutes and any threshold would give, by two sliders, and
 * the rows behind each count. Without scripts it is a table of the run's `own` setting, or of the place
 * of the sliders that is nearest to it.
 */
export function whatIfFigure(data: WhatIfData, own: Setting): Displayable {
  if (data.starts.length === 0) {
    return paragraphs([
      "**No row is in a window**, so no delay and no threshold changes anything.",
    ]);
  }
  const setting = nearest(own);
  const isOwn = setting.delay === own.delay && setting.threshold === own.threshold;
  const place = isOwn
    ? "the run's own"
    : `the nearest to the run's own, ${own.delay / 1000} seconds and ${own.threshold}`;
  const note = data.newest.length >= 3
    ? ""
    : "<p><b>Too few batches for a loss.</b> A row can be " +
      `late from the third batch on, and there are ${data.newest.length}: the delay changes only ` +
      "which windows are final.</p>";
  const parts: Parts = drawWhatIf(data, setting, { whatIf, wilson });
  const seconds = setting.delay / 1000;
  const slider = (name: string, label: string, range: string, value: number, text: string) =>
    `<label><span>${label}</span><input type="range" data-part="${name}" ${range} value="${value}" ` +
    `aria-valuetext="${text}"><output>${text}</output></label>`;
  const tools = `{whatIf:${whatIf},wilson:${wilson},draw:${drawWhatIf}}`;
  const json = JSON.stringify(data, (_, value) => value === undefined ? null : value)
    .replaceAll("<", "\\u003c");
  const id = `what-if-${createHash("sha256").update(json).digest("hex").slice(0, 16)}`;
  const page = `${style}<section class="what-if" id="${id}" aria-label="What if">
<h4>What would another delay and another threshold give?</h4>
<div data-part="controls" hidden>
${slider("delay", "watermark delay", 'min="0" max="600" step="1"', seconds, `${seconds} seconds`)}
${
    slider(
      "threshold",
      "threshold",
      'min="0.01" max="0.99" step="0.01"',
      setting.threshold,
      setting.threshold.toFixed(2),
    )
  }</div>
<p>At a delay of <b>${seconds} seconds</b> and a threshold of <b>${setting.threshold}</b>, ${place}<span data-part="still">; with scripts, two sliders change both</span>.</p>${note}
<dl data-part="facts" aria-live="polite">${parts.facts}</dl>
<div class="plots"><div data-part="loss">${parts.loss}</div><div data-part="rates">${parts.rates}</div></div>
<div class="scroll" data-part="table" tabindex="0" role="region" aria-label="Windows at this setting">${parts.table}</div>
<div class="scroll" data-part="rows" aria-live="polite"></div>
<script type="application/json">${json}</script>
<script>(()=>{for(const root of document.querySelectorAll("#${id}:not([data-live])")){root.dataset.live="1";root.querySelector("${
    isOwn ? "p" : "[data-part=still]"
  }").remove();
(${runWhatIf})(root,JSON.parse(root.querySelector("script[type='application/json']").textContent),${tools})}})()</script>
</section>`;
  const { final } = whatIf(data, setting);
  const words = Object.entries(final).map(([name, value]) => `${name} ${value}`).join(", ");
  return displayable(page, `At ${seconds} seconds and ${setting.threshold}: ${words}`);
}
