import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import pl, { type DataFrame } from "polars";
import { parseDuration, type Source, type SourceProgress, type StreamingQueryProgress } from "lib";
import { timeOf } from "../lib/core/progress.ts";
import type { NumberColumn } from "../lib/core/types.ts";
import { parseMessages } from "../lib/json/from_json.ts";
import { clock, count, type Displayable, displayable, html, plain } from "./display.ts";

/** One run of the KPI query under one watermark: all that the charts read. */
export interface Run {
  /** The delay as the query was given it, such as "30 seconds". */
  readonly watermark: string;
  /** The final windows, in the columns of the KPI table. */
  readonly kpi: DataFrame;
  /** The windows still open when the run ended, in the same columns. */
  readonly open?: DataFrame;
  /** One entry a batch, in the order they ran. */
  readonly progress: readonly StreamingQueryProgress[];
  /** The rows dropped as late: window_start, event_time, batch_id. */
  readonly late: DataFrame;
}

/** A figure under the question that it answers; `say` computes the answer of each run. */
export interface Figure {
  readonly runs: readonly Run[];
  readonly say: (run: Run, index: number) => string;
  readonly note: string;
  readonly plots: readonly Plot.PlotOptions[];
}

/** An axis of instants in UTC. */
export const byTime = { type: "utc", ticks: 5, tickFormat: (time: Date) => clock(time) } as const;
/** For what belongs to no watermark. Like all colours here at least 3:1 on white and on #111. */
export const GREY = "#808080";
const KNOWN = new Map([[30_000, "#d55e00"], [60_000, "#00876a"], [120_000, "#0072b2"]]);
const OTHERS = ["#a35fa8", "#8a7400", "#6b6fd6", "#c2487a"];

/** Returns the colour of a watermark: the same everywhere, and for every way to write its delay. */
export function watermarkColor(watermark: string): string {
  const delay = parseDuration(watermark);
  return KNOWN.get(delay) ?? OTHERS[Math.floor(delay / 1000) % OTHERS.length]!;
}

/** Returns the median (the upper one of two); NaN of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** Says the median and the greatest of some values; NaNs do not count. */
export function summary(values: readonly number[], unit: string): string {
  const known = values.filter((value) => !Number.isNaN(value));
  const most = known.length > 0 ? Math.max(...known) : NaN;
  return `${count(median(known))} ${unit} (median), at most ${count(most)}`;
}

/**
 * Returns whether the window that ends at `end` (epoch ms) became final, and the newest event time then;
 * for a window still open, that at the end of the run.
 */
export function closingOf({ progress }: Run, end: number): { isFinal: boolean; at: number } {
  const closing = progress.findIndex((p) => timeOf(p.eventTime.watermark) >= end);
  const seen = progress.slice(0, closing < 0 ? undefined : closing + 1);
  const at = Math.max(...seen.map(({ eventTime }) => timeOf(eventTime.max) || 0));
  return { isFinal: closing >= 0, at };
}

/** Returns the offsets of all sources and partitions added up: how many rows into the topic they are. */
export function position(
  sources: readonly SourceProgress[],
  name: "startOffset" | "endOffset" | "latestOffset",
): number {
  const offsets = sources.flatMap((source) => Object.values(source[name]));
  return offsets.flatMap(Object.values<number>).reduce((sum, offset) => sum + offset, 0);
}

/** Draws a figure as inline SVG: no script, no request, the page's own text colour, words as text alternative. */
export function figure(question: string, { runs, say, note, plots }: Figure): Displayable {
  const { document } = parseHTML("<html></html>") as unknown as Pick<Plot.PlotOptions, "document">;
  const answers = runs.map((run, i) => plain(`${run.watermark}: ${say(run, i)}`));
  const alternative = `${question} ${answers.join("; ")}. ${note}`;
  const style = { background: "transparent", color: "currentColor", fontSize: "11px" };
  const margins = { marginLeft: 56, marginBottom: 38 };
  const shared = { document, style, width: 760, ...margins, className: "kpi" };
  const drawings = plots.map((plot, i) => {
    const ariaLabel = i > 0 ? `${question} (continued)` : alternative;
    const svg = Plot.plot({ ...shared, ...plot, ariaLabel } as Plot.PlotOptions).outerHTML;
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" role="img" ')
      .replace(/(\.\d\d)\d+/g, "$1");
  });
  const lines = answers.map((answer, i) => {
    const color = watermarkColor(runs[i]!.watermark);
    return `<div><span aria-hidden="true" style="color:${color}">■</span> ${html(answer)}</div>`;
  });
  const page = `<figure style="margin:0 0 1.5em;max-width:760px;color:inherit;break-inside:avoid">
<div style="font-size:16px;font-weight:600;margin-bottom:4px">${html(question)}</div>
<div style="font-size:13px;margin-bottom:8px">${lines.join("")}</div>${drawings.join("")}
<figcaption style="font-size:12px;margin-top:4px">${html(note)}</figcaption></figure>`;
  return displayable(page, [question, ...answers, note].join("\n"));
}

/**
 * Reads the event times of some rows of a topic, one in `every`, with the batch that took them:
 * columns event_time and batch_id. Rows without a readable event time are left out.
 */
export async function sampleEvents(
  source: Source,
  { progress }: Run,
  { every = 60 }: { every?: number } = {},
): Promise<DataFrame> {
  const rows: { event_time: Date; batch_id: number }[] = [];
  for (const { batchId, sources } of progress) {
    const [{ startOffset, endOffset }] = sources as [SourceProgress];
    const [start, end] = [startOffset, endOffset].map((at) => at[source.topic]!);
    for (const { bytes, starts, ends } of await source.getBatch(start!, end!)) {
      const sample = (at: Uint32Array) => at.filter((_, i) => i % every === batchId % every);
      const values = { bytes, starts: sample(starts), ends: sample(ends) };
      const { columns } = parseMessages([values], [{ name: "event_time", type: "timestamp" }]);
      const { values: times, nulls } = columns.event_time as NumberColumn;
      times.forEach((time, i) => {
        if (nulls[i] === 0) rows.push({ event_time: new Date(time), batch_id: batchId });
      });
    }
  }
  return pl.DataFrame(rows);
}
