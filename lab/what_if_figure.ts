import { createHash } from "node:crypto";
import { count, type Displayable, displayable, many, paragraphs } from "../view/display.ts";
import { wilson } from "../view/statistics.ts";
import { PAGE, SHOWN_BY_STYLE } from "../view/style.ts";
import { enlivenTable } from "../view/table_script.ts";
import { type Setting, whatIf, type WhatIfData } from "./what_if.ts";
import { drawWhatIf, type Parts } from "./what_if_page.ts";
import { runWhatIf } from "./what_if_script.ts";

const style =
  `<style>.what-if{max-width:760px;margin:0 0 1.5em;color:inherit;container-type:inline-size}
.what-if h4{margin:0 0 .5em}.what-if label{display:grid;grid-template-columns:9em 1fr 7em;gap:0 .75em;align-items:center;margin:.25em 0;font-size:14px}
.what-if input{width:100%;min-height:24px;margin:0;accent-color:#0072b2}
.what-if dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(215px,1fr));gap:.5em 1.5em;margin:.75em 0}
.what-if dl div{border-left:3px solid #0072b2;padding-left:.6em}.what-if :is(dt,dd){float:none;width:auto;margin:0;padding:0}.what-if dt{font-size:12px;font-weight:400}.what-if dd b{font-size:18px}
.what-if dd span{display:block;font-size:12px}.what-if svg{width:100%;max-width:370px;height:auto}
.what-if [data-drawn]{display:flex!important}.what-if .plots{flex-wrap:wrap;gap:1em}.what-if .plots>*{flex:1 1 280px}.what-if .scroll{overflow-x:auto;padding:2px;margin:0 -2px}
.what-if table{border-collapse:collapse;margin:.5em 0;font-size:13px;line-height:1.4;font-variant-numeric:tabular-nums}
.what-if :is(table,tr,th,td,caption){color:inherit;background:none;border:0}
.what-if caption{text-align:left;font-weight:600;padding:0 0 6px}.what-if caption span{position:sticky;left:0;display:block;width:min(720px,100cqw)}
.what-if :is(th,td){padding:4px 9px;text-align:right;white-space:nowrap;vertical-align:baseline}
.what-if tr>th:first-child{text-align:left;font-weight:400;position:sticky;left:0;z-index:1;background:${PAGE}}
.what-if thead th,.what-if tfoot *{font-weight:600!important}
.what-if tbody tr{border-bottom:1px solid #7f7f7f4d}.what-if thead tr{border-bottom:1px solid}.what-if tfoot tr{border-top:1px solid}
.what-if button{all:unset;cursor:pointer;min-height:24px;line-height:24px}
.what-if td button{text-decoration:underline dotted;text-underline-offset:3px;min-width:24px;padding:0 9px;margin:-4px -9px}
.what-if th[aria-sort] button::after{content:" ↑"}.what-if th[aria-sort=descending] button::after{content:" ↓"}
.what-if .csv{position:sticky;left:0;font-size:11px;font-weight:400;text-decoration:underline dotted;padding:0 8px}
.what-if :focus-visible{outline:2px solid #0072b2}
@container (max-width:480px){.what-if label{grid-template-columns:1fr auto}.what-if input{grid-row:2;grid-column:1/-1}.what-if table{font-size:12px}.what-if :is(th,td){padding:4px 6px}}
@media print{.what-if{container-type:normal;break-inside:avoid}.what-if .scroll{overflow:visible}.what-if table{font-size:10px}.what-if :is(th,td){padding:1px 5px}
.what-if tr{break-inside:avoid}.what-if tfoot{display:table-row-group}.what-if thead button{display:contents}.what-if tr>th:first-child{position:static}
.what-if td button{text-decoration:none;min-height:0;line-height:inherit;padding:0;margin:0}.what-if .csv{display:none}.what-if :focus-visible{outline:none}}</style>`;

/** Returns the place of the sliders that is nearest to a setting. */
function nearest({ delay, threshold }: Setting, { least }: WhatIfData): Setting {
  const clamp = (value: number, least: number, most: number) =>
    Math.min(most, Math.max(least, value));
  return {
    delay: 1000 * clamp(Math.round(delay / 1000), 0, 600),
    threshold: clamp(Math.round(threshold * 100), Math.round(least * 100), 99) / 100,
  };
}

/**
 * Shows what any watermark delay from 0 to 10 minutes and any threshold would give, by two sliders, and
 * the rows behind each count. Without scripts it is a table of the run's `own` setting, or of the place
 * of the sliders that is nearest to it.
 */
export function whatIfFigure(data: WhatIfData, own: Setting): Displayable {
  const { starts, windowsLeftOut, least } = data;
  if (starts.length === 0) {
    return paragraphs([
      windowsLeftOut > 0
        ? "**A window has more rows or batches than a page carries**, so there is no figure: shorter windows have one."
        : "**No row is in a window**, so no delay and no threshold changes anything.",
    ]);
  }
  const setting = nearest(own, data);
  const isOwn = setting.delay === own.delay && setting.threshold === own.threshold;
  const place = isOwn
    ? "the run's own"
    : `the nearest to the run's own, ${own.delay / 1000} seconds and ${own.threshold}`;
  const notes = [
    data.newest.length < 3 &&
    "<b>Too few batches for a loss.</b> A row can be late from the third batch on, and there are " +
      `${data.newest.length}: the delay changes only which windows are final.`,
    windowsLeftOut > 0 &&
    `<b>Only the first ${count(starts.length)} of ${
        many(starts.length + windowsLeftOut, "window")
      }:</b> ` +
      "a page carries no more, and all figures here are theirs.",
    least > 0.01 &&
    `<b>Thresholds from ${
      least.toFixed(2)
    } on.</b> Below, more rows are alerts than a page carries.`,
    data.slide < data.size &&
    "<b>Windows overlap:</b> a row counts once in each of its windows, also where it is lost.",
  ].flatMap((note) => note ? [`<p>${note}</p>`] : []).join("");
  const parts: Parts = drawWhatIf(data, setting, { whatIf, wilson });
  const seconds = setting.delay / 1000;
  const slider = (name: string, label: string, range: string, value: number, text: string) =>
    `<label><span>${label}</span><input type="range" data-part="${name}" ${range} value="${value}" ` +
    `aria-valuetext="${text}"><output>${text}</output></label>`;
  const tools = `{whatIf:${whatIf},wilson:${wilson},draw:${drawWhatIf},enliven:${enlivenTable}}`;
  const json = JSON.stringify(data);
  const id = `what-if-${createHash("sha256").update(json).digest("hex").slice(0, 16)}`;
  const page = `${style}<section class="what-if" id="${id}" aria-label="What if">
<h4>What would another delay and another threshold give?</h4>
<div data-part="controls" hidden="hidden">
${slider("delay", "watermark delay", 'min="0" max="600" step="1"', seconds, `${seconds} seconds`)}
${
    slider(
      "threshold",
      "threshold",
      `min="${least}" max="0.99" step="0.01"`,
      setting.threshold,
      setting.threshold.toFixed(2),
    )
  }</div>
<p>At a delay of <b>${seconds} seconds</b> and a threshold of <b>${setting.threshold}</b>, ${place}<span data-part="still">; with scripts, two sliders change both</span>.</p>${notes}
<dl data-part="facts" aria-live="polite">${parts.facts}</dl>
<div class="plots" ${SHOWN_BY_STYLE}><div data-part="loss">${parts.loss}</div><div data-part="rates">${parts.rates}</div></div>
<div class="scroll" data-part="table" tabindex="0" role="region" aria-label="Windows at this setting">${parts.table}</div>
<div class="scroll" data-part="rows"></div>
<script type="application/json">${json}</script>
<script>(()=>{for(const root of document.querySelectorAll("#${id}:not([data-live])")){root.dataset.live="1";root.querySelector("${
    isOwn ? "p" : "[data-part=still]"
  }").remove();
(${runWhatIf})(root,JSON.parse(root.querySelector("script[type='application/json']").textContent),${tools})}})()</script>
</section>`;
  const { final } = whatIf(data, setting);
  const words = Object.entries(final).map(([name, value]) => `${name} ${Number(value.toFixed(2))}`)
    .join(", ");
  return displayable(page, `At ${seconds} seconds and ${setting.threshold}: ${words}`);
}
