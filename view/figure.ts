import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { colorAt } from "./colors.ts";
import { count, type Displayable, displayable, html, many, plain } from "./display.ts";
import { nameOf, type Run } from "./run.ts";
import { FIGURE_SCRIPT } from "./figure_script.ts";
import { FIGURE_STYLE, SHOWN_BY_STYLE } from "./style.ts";
import { greatest } from "./statistics.ts";

/** What a figure says of one run, in the run's colour. */
export interface Answer {
  readonly name: string;
  readonly color: string;
  readonly says: string;
}

/** A figure under the question that it answers. */
export interface Figure {
  readonly answers: readonly Answer[];
  readonly note: string;
  readonly plots: readonly Plot.PlotOptions[];
}

/** An axis of instants in UTC: times of day, or dates where they spread over more than a day. */
export function timeAxis(instants: readonly number[]) {
  const known = instants.filter(Number.isFinite);
  const [first, last] = [known.reduce((a, b) => Math.min(a, b), Infinity), greatest(known)];
  // Ticks a few seconds apart need seconds to differ.
  const [from, length] = last - first > 86_400_000 ? [0, 10] : [11, last - first < 215_000 ? 8 : 5];
  const tickFormat = (time: Date) => time.toISOString().slice(from, from + length);
  return { type: "utc", ticks: 5, tickFormat } as const;
}

/** Says something of each run. */
export function answersOf(
  runs: readonly Run[],
  say: (run: Run, index: number) => string,
): Answer[] {
  return runs.map((run, i) => ({
    name: nameOf(run),
    color: colorAt(run.position),
    says: say(run, i),
  }));
}

/** Most windows that a chart draws, those of all runs together: about 500 bytes each. */
const DRAWN = 240;

/** Which windows a chart has room for, the first ones, and what its note says of that. */
export function room(runs: readonly Run[]) {
  const tables = runs.flatMap(({ kpi, open }) => [kpi, open]);
  const starts = tables.flatMap((table) => table.getColumn("window_start").toArray().map(Number));
  const sorted = Float64Array.from(new Set(starts)).sort();
  const most = Math.max(1, Math.floor(DRAWN / runs.length));
  const isDrawn = ({ start }: { start: number }) => start <= (sorted[most - 1] ?? Infinity);
  const of = `${count(most)} of ${many(sorted.length, "window")}`;
  return { isDrawn, left: sorted.length > most ? ` Drawn are the first ${of}.` : "" };
}

/** What makes a mark invisible, but for its title, which says its values. */
export const HIT = { fill: "transparent", stroke: null } as const;

/** Says something of the points along a line, 120 at most, over the whole height of a chart. */
export function titles<T>(
  points: readonly T[],
  x: (point: T) => number,
  says: (point: T) => string,
) {
  const every = Math.ceil(points.length / 120);
  const some = points.filter((_, i) => i % every === 0);
  return Plot.ruleX(some, { x, stroke: "transparent", strokeWidth: 4, title: says });
}

/**
 * Draws a figure as inline SVG: no request, the page's own text colour, words as text alternative. A small
 * script says the values of its marks; a static figure, one that is drawn anew all the time, has none.
 */
export function figure(
  question: string,
  { answers, note, plots }: Figure,
  { isStatic = false }: { readonly isStatic?: boolean } = {},
): Displayable {
  const { document } = parseHTML("<html></html>") as unknown as Pick<Plot.PlotOptions, "document">;
  const texts = answers.map(({ name, says }) => plain(`${name}: ${says}`));
  const alternative = `${question} ${texts.join("; ")}. ${note}`;
  const style = { background: "transparent", color: "currentColor", fontSize: "11px" };
  const margins = { marginTop: 26, marginLeft: 56, marginRight: 30, marginBottom: 38 };
  const shared = { document, style, width: 760, ...margins, className: "kpi" };
  const drawings = plots.map((plot, i) => {
    const ariaLabel = i > 0 ? `${question} (continued)` : alternative;
    const svg = Plot.plot({ ...shared, ...plot, ariaLabel } as Plot.PlotOptions).outerHTML;
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" role="img" ')
      .replace(/ (?!aria-)[\w-]+="[^"]*"/g, (place) => place.replace(/(\.\d\d)\d+/g, "$1"));
  });
  const lines = answers.map(({ color }, i) =>
    `<div><span aria-hidden="true" style="color:${color}">■</span> ${html(texts[i]!)}</div>`
  );
  const page = `${FIGURE_STYLE}<figure class="kpi-figure"><b>${html(question)}</b>
<div>${lines.join("")}</div><div class="plot" ${SHOWN_BY_STYLE}>${drawings.join("")}</div>
<figcaption>${html(note)}</figcaption></figure>${isStatic ? "" : FIGURE_SCRIPT}`;
  return displayable(page, [question, ...texts, note].join("\n"));
}
