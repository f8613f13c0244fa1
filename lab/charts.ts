import * as Plot from "@observablehq/plot";
import type { DataFrame } from "polars";
import { count, type Displayable, many, paragraphs, percent } from "../view/display.ts";
import { GREY } from "../view/colors.ts";
import { type Answer, figure, titles } from "../view/figure.ts";
import { type Drawn, drawn, type Mark, marksOf } from "./drawn.ts";
import type { Recommendation } from "./recommend.ts";
import type { Count, Sweep } from "./sweep.ts";

type Row = Readonly<Record<string, number>>;
/** The delays to mark, such as `30 seconds`; each must be in the sweep. */
type Marks = Readonly<{ delays: readonly string[] }>;

const dashes = ["", "7,3", "2,2"] as const;
const stairs = { x: "delay_s", curve: "step-after", strokeWidth: 2 } as const;
const atEnd = { textAnchor: "start", dx: 6, fontWeight: 600 } as const;
const below = { dy: 14, lineAnchor: "top", fontSize: 12 } as const;
const shares = { ticks: 5, tickFormat: percent };
const LOST = [["n_txn", "row"], ["n_alert", "alert"], ["n_fraud_true", "fraud"]] as const;

/**
 * Shows what share of the rows is kept, against how long a reader waits for a final window, at every
 * delay until nothing is lost, or until most windows would still be open; with `maxLoss`, also the share
 * to keep, and with `advice` the recommended delay and whether it passed its check.
 */
export function completeness(
  swept: Sweep,
  { delays, maxLoss, advice }: Marks & {
    maxLoss?: number;
    advice?: Pick<Recommendation, "delay" | "verdict">;
  },
): Displayable {
  const marks = marksOf(swept, delays).map((mark) =>
    mark.delay_s * 1000 !== advice?.delay
      ? mark
      : { ...mark, name: `${mark.name} (recommended; ${advice.verdict})` }
  );
  const { rows, all, words } = drawn(swept, marks);
  if (rows.length === 0) return paragraphs([words]);
  const until = 1.35 * Math.max(...rows.map((row) => row.wait_s));
  const floor = 1 - 1.05 * Math.max(...rows.map((row) => row.n_txn), 0.0001);
  const goal = maxLoss === undefined ? [] : [{ y: 1 - maxLoss, text: `${percent(maxLoss)} lost` }];
  const dots = marks.map((mark) => ({ ...mark, ...at(rows, mark) }));
  const place = { x: (row: Drawn) => row.wait_s, y: (row: Drawn) => 1 - row.n_txn } as const;
  const label = ({ name }: Mark) =>
    name.replace(/ \((.*)\)$/, "\n$1").split(/\n|(?<=[;:]) /).join("\n");
  const x = { label: "seconds a reader waits for a final window →", domain: [0, until] };
  return figure("How long must I wait, and what do I lose if I wait less?", {
    answers: answers(
      marks,
      rows,
      ({ wait_s, wait_max_s, n_txn }) =>
        `a window is final ${count(wait_s)} s after its end (median, at most ${
          count(wait_max_s)
        } s), and ${count(n_txn * all.n_txn)} of ${many(all.n_txn, "row")} (${
          percent(n_txn)
        }) are lost`,
    ),
    note: `${words} The wait is in event time: how far it had gone past a window's end when the ` +
      "window was written.",
    plots: [{
      height: 340,
      marginLeft: 64,
      x,
      y: { ...shares, label: "↑ rows kept", domain: [floor, 1] },
      marks: [
        Plot.ruleY([1], { stroke: GREY }),
        Plot.ruleY(goal, { y: "y", stroke: GREY, strokeDasharray: dashes[1] }),
        Plot.text(goal, { y: "y", text: "text", frameAnchor: "left", ...atEnd, dy: 9 }),
        Plot.ruleX(dots, { ...guide, x: place.x, y1: floor, y2: place.y }),
        Plot.line(rows, { ...place, strokeWidth: 2 }),
        Plot.dot(dots, { ...place, r: 5, fill: "color" }),
        Plot.text(dots, { ...place, ...atEnd, ...below, text: label }),
        titles(
          rows,
          place.x,
          (row) => `${row.delay_s} s: wait ${count(row.wait_s)} s, lose ${percent(row.n_txn)}`,
        ),
      ],
    }],
  });
}

/**
 * Shows what share of the rows, alerts and frauds each delay loses, and what that does to the rates, over
 * the windows that are final at every delay drawn: with a longer one fewer are.
 */
export function errors(swept: Sweep, { delays }: Marks): Displayable {
  const marks = marksOf(swept, delays);
  const { rows: losses, all, words } = drawn(swept, marks);
  if (losses.length === 0) return paragraphs([words]);
  const kept = (row: Drawn, name: Count) => all[name] * (1 - row[name] || 0);
  const rows = losses.map((row) => ({
    ...row,
    precision: kept(row, "tp") / kept(row, "n_alert"),
    recall: kept(row, "tp") / kept(row, "n_fraud_true"),
  }));
  const end = losses.at(-1)!.delay_s;
  const x = { label: "watermark delay, seconds →", domain: [0, end] };
  const truth = { precision: all.tp / all.n_alert, recall: all.tp / all.n_fraud_true };
  const lines = LOST.map(([y], i) =>
    Plot.line(rows, { ...stairs, y, strokeDasharray: dashes[i]! })
  );
  const rates = (["precision", "recall"] as const).map((name) => [
    Plot.line(rows, { ...stairs, y: name }),
    Plot.text(rows.slice(-1), { x: "delay_s", y: name, text: [name], ...atEnd }),
  ]);
  const said = titles(
    rows,
    (row) => row.delay_s,
    (row) => {
      const lost = LOST.map(([name, noun], i) =>
        `${percent(row[name])} of the ${noun}s${i === 0 ? " lost" : ""}`
      );
      return `${row.delay_s} s: ${lost.join(", ")}; precision ${percent(row.precision)}, ` +
        `recall ${percent(row.recall)}`;
    },
  );
  const rules = Plot.ruleX(marks, { ...guide, x: "delay_s" });
  const key = Plot.text(["━ rows   ╍ alerts   ┉ frauds"], { frameAnchor: "top-right", dy: -18 });
  return figure("What does a shorter watermark get wrong?", {
    answers: answers(marks, rows, (row) => {
      const gone = LOST.slice(1).map(([name, noun]) =>
        `${count(all[name] * row[name] || 0)} of ${many(all[name], noun)}`
      );
      const rate = (name: "precision" | "recall") =>
        `${name} ${percent(row[name])}, ${percent(truth[name])} with all rows`;
      return [`${gone.join(" and ")} lost`, rate("precision"), rate("recall")].join("; ");
    }),
    note: words,
    plots: [
      {
        ...panel,
        marginTop: 34,
        x: { ...x, label: null },
        y: { ...shares, label: "↑ lost" },
        marks: [rules, lines, key, said],
      },
      { ...panel, x, y: { ...shares, label: "↑ rate" }, marks: [rules, rates, said] },
    ],
  });
}

/** Shows precision, recall and alerts a minute at every threshold, the one in use marked. */
export function thresholds(curve: DataFrame, { threshold }: { threshold: number }): Displayable {
  const rows = curve.toRecords() as unknown as Row[];
  const used = rows.find((row) => row.threshold === threshold);
  const x = { label: "threshold →", domain: [0, 1] };
  const rule = Plot.ruleX([threshold], { ...guide, stroke: GREY });
  const rates = Object.entries({ precision: "#8a7400", recall: "#6b6fd6" }).map(([y, color]) => {
    const band = { y1: `${y}_low`, y2: `${y}_high`, fill: color, fillOpacity: 0.2 };
    return [
      Plot.areaY(rows, { x: "threshold", ...band }),
      Plot.line(rows, { x: "threshold", y, stroke: color, strokeWidth: 2 }),
      Plot.text(rows.slice(-1), { x: "threshold", y, text: [y], ...atEnd, dy: -6 }),
    ];
  });
  const alerts = Plot.line(rows, { x: "threshold", y: "alerts_a_minute", strokeWidth: 2 });
  const y = { label: "↑ alerts a minute", type: "log", ticks: 3, tickFormat: String } as const;
  const said = (name: string) =>
    `${name} ${percent(used![name]!)} (${percent(used![`${name}_low`]!)} to ` +
    `${percent(used![`${name}_high`]!)})`;
  const values = titles(
    rows,
    (row) => row.threshold!,
    (row) =>
      `threshold ${row.threshold}: precision ${percent(row.precision!)}, ` +
      `recall ${percent(row.recall!)}, ${count(row.alerts_a_minute!, 2)} alerts a minute`,
  );
  return figure("What would another threshold give?", {
    answers: [],
    note: (used === undefined ? "" : `In use (dotted) is ${threshold}: ${said("precision")}, ` +
      `${said("recall")}, ${count(used.alerts_a_minute!, 2)} alerts a minute. `) +
      "Shaded: 95% intervals (Wilson). Drawn on the rows that it is judged on: a threshold chosen here " +
      "looks better than it is. Choose on other rows, such as those the model was validated on.",
    plots: [
      {
        ...panel,
        height: 230,
        x: { ...x, label: null },
        y: { ...shares, domain: [0, 1] },
        marks: [rule, rates, values],
      },
      { ...panel, height: 130, x, y, marks: [rule, alerts, values] },
    ],
  });
}

const panel = { height: 180, marginLeft: 64, marginRight: 84 };
const guide = { stroke: "color", strokeDasharray: dashes[2], strokeWidth: 2 } as const;

/** The row of a mark's delay. */
function at<R extends Drawn>(rows: readonly R[], { delay_s }: Mark): R {
  return rows.find((row) => row.delay_s === delay_s)!;
}

/** One line of words a delay, in its colour. */
function answers<R extends Drawn>(
  marks: readonly Mark[],
  rows: readonly R[],
  say: (row: R) => string,
): Answer[] {
  return marks.map((mark) => ({ ...mark, says: say(at(rows, mark)) }));
}
