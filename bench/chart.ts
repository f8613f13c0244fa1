import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { median } from "../view/statistics.ts";
import { ours } from "./ours.ts";
import type { Findings } from "./report.ts";
import { thousands } from "./trials.ts";

/** Draws rows per second by program, one part for each trial that has several programs, as SVG. */
export function chart({ results, trials }: Findings): string {
  const { document } = parseHTML("<html></html>") as unknown as Required<
    Pick<Plot.PlotOptions, "document">
  >;
  const bars = trials.filter(({ id, topic, isLive }) =>
    !isLive && (results.get(id)?.size ?? 0) > 1 && topic.rows > 1e4
  )
    .flatMap(({ id, title, topic: { rows } }) =>
      [...results.get(id)!].map(([program, runs]) => {
        const rates = runs.map(({ querySeconds }) => rows / querySeconds);
        return {
          title,
          program,
          rate: median(rates),
          low: Math.min(...rates),
          high: Math.max(...rates),
        };
      })
    );
  const parts = [...new Set(bars.map(({ title }) => title))];
  const svgs = parts.map((part, i) => {
    const data = bars.filter(({ title }) => title === part);
    const isLast = i === parts.length - 1;
    const height = 60 + 26 * data.length + (isLast ? 16 : 0);
    const svg = Plot.plot({
      document,
      style: { background: "white", fontSize: "12px" },
      width: 760,
      height,
      marginLeft: 240,
      marginTop: 28,
      marginBottom: isLast ? 46 : 30,
      x: {
        label: isLast ? "rows per second" : null,
        labelOffset: 38,
        domain: [0, Math.max(...bars.map(({ high }) => high)) * 1.1],
        tickFormat: "~s",
        grid: true,
      },
      y: { label: null, domain: data.map(({ program }) => program) },
      marks: [
        Plot.barX(data, {
          x: "rate",
          y: "program",
          fill: ({ program }) => program === ours.name ? "#d55e00" : "#808080",
        }),
        Plot.ruleY(data, { y: "program", x1: "low", x2: "high", strokeWidth: 2 }),
        Plot.text(data, {
          x: "high",
          y: "program",
          text: ({ rate }) => thousands(Math.round(rate / 1000)) + " k",
          textAnchor: "start",
          dx: 5,
        }),
        Plot.text([part], { frameAnchor: "top-left", dy: -22, dx: -220, fontWeight: 600 }),
      ],
    }).outerHTML;
    return { svg: svg.replace(/(\.\d\d)\d+/g, "$1"), height };
  });
  let y = 0;
  const placed = svgs.map(({ svg, height }) => {
    const text = svg.replace("<svg ", `<svg y="${y}" `);
    y += height;
    return text;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${y}" viewBox="0 0 760 ${y}" ` +
    `role="img" aria-label="Rows per second by program">${placed.join("")}</svg>\n`;
}
