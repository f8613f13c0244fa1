import * as Plot from "@observablehq/plot";
import type { DataFrame } from "polars";
import { parseDuration } from "lib";
import { count, type Displayable, many, percent } from "../view/display.ts";
import { colorAt, GREY } from "../view/colors.ts";
import { type Answer, figure, titles } from "../view/figure.ts";
import type { Recommendation } from "./recommend.ts";
import type { Count, Sweep } from "./sweep.ts";

type Row = Readonly<Record<string, number>>;
type Mark = Readonly<{ row: Row; name: string; color: string }>;
/** The delays to mark, such as `30 seconds`; each must be in the sweep. */
type Marks = Readonly<{ delays: readonly string[] }>;

const dashes = ["", "7,3", "2,2"] as const;
const stairs = { x: "delay_s", curve: "step-after", strokeWidth: 2 } as const;
const atEnd = { textAnchor: "start", dx: 6, fontWeight: 600 } as const;
const below = { dy: 14, lineAnchor: "top", fontSize: 12 } as const;
const shares = { ticks: 5, tickFormat: percent };

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
  const verdict = ({ row }: Mark) =>
    row.delay_s! * 1000 === advice?.delay ? ` (recommended; ${advice.verdict})` : "";
  const marks = marksOf(swept, delays).map((mark) => ({
    ...mark,
    name: mark.name + verdict(mark),
  }));
  const { rows, end } = drawn(swept, marks);
  const until = 1.35 * Math.max(...rows.map((row) => row.wait_s!));
  const floor = 1 - 1.05 * Math.max(...rows.map((row) => row.loss!), 0.0001);
  const goal = maxLoss === undefined ? [] : [{ y: 1 - maxLoss, text: `${percent(maxLoss)} lost` }];
  const place = { x: ({ row }: Mark) => row.wait_s!, y: ({ row }: Mark) => 1 - row.loss! } as const;
  const label = ({ name, row }: Mark) =>
    [
      ...name.replace(/ \((.*)\)$/, "\n$1").split(/\n|(?<=[;:]) /),
      `wait ${count(row.wait_s!)} s, lose ${percent(row.loss!)}`,
    ].join("\n");
  const x = { label: "seconds a reader waits for a final window →", domain: [0, until] };
  return figure("How long must I wait, and what do I lose if I wait less?", {
    answers: answers(marks, ({ wait_s, wait_max_s, rows_lost, loss }) => {
      const lost = `${many(rows_lost!, "row")} of final windows (${percent(loss!)}) are lost`;
      const most = count(wait_max_s!);
      return `a window is final ${
        count(wait_s!)
      } s after its end (median, at most ${most} s), and ${lost}`;
    }),
    note:
      `One line through every delay from 0 s on, from one pass over the rows. ${end} The wait is in ` +
      "event time: how far it had gone past a window's end when the window was written.",
    plots: [{
      height: 340,
      marginLeft: 64,
      x,
      y: { ...shares, label: "↑ rows kept", domain: [floor, 1] },
      marks: [
        Plot.ruleY([1], { stroke: GREY }),
        Plot.ruleY(goal, { y: "y", stroke: GREY, strokeDasharray: dashes[1] }),
        Plot.text(goal, { y: "y", text: "text", frameAnchor: "left", ...atEnd, dy: 9 }),
        Plot.ruleX(marks, { ...guide, x: place.x, y1: floor, y2: place.y }),
        Plot.line(rows, { x: "wait_s", y: (row: Row) => 1 - row.loss!, strokeWidth: 2 }),
        Plot.dot(marks, { ...place, r: 5, fill: "color" }),
        Plot.text(marks, { ...place, ...atEnd, ...below, text: label }),
        titles(
          rows,
          (row) => row.wait_s!,
          (row) => `${row.delay_s} s: wait ${count(row.wait_s!)} s, lose ${percent(row.loss!)}`,
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
  const { rows: drawnRows, end } = drawn(swept, marks);
  const longest = drawnRows.at(-1)!.delay_s! * 1000;
  const { windows: { start, all, lost }, newest } = swept;
  const common = [...start.keys()]
    .filter((w) => start[w]! + swept.window.size + longest <= newest.at(-1)!);
  const sum = (counts: Int32Array, at = (w: number) => w) =>
    common.reduce((total, w) => total + counts[at(w)]!, 0);
  const total = (name: Count) => sum(all[name]);
  const shareLost = (name: Count, d: number) =>
    sum(lost[name], (w) => w * swept.delays.length + d) / total(name);
  const kept = (name: Count, d: number) => total(name) * (1 - shareLost(name, d) || 0);
  const rows = drawnRows.map(({ delay_s }, d) => ({
    delay_s: delay_s!,
    rows: shareLost("n_txn", d),
    alerts: shareLost("n_alert", d),
    frauds: shareLost("n_fraud_true", d),
    precision: kept("tp", d) / kept("n_alert", d),
    recall: kept("tp", d) / kept("n_fraud_true", d),
  }));
  const x = { label: "watermark delay, seconds →", domain: [0, longest / 1000] };
  const truth = {
    delay_s: longest / 1000,
    precision: total("tp") / total("n_alert"),
    recall: total("tp") / total("n_fraud_true"),
  };
  const lines = (["rows", "alerts", "frauds"] as const).map((y, i) =>
    Plot.line(rows, { ...stairs, y, strokeDasharray: dashes[i]! })
  );
  const rates = (["precision", "recall"] as const).map((name) => [
    Plot.line(rows, { ...stairs, y: name }),
    Plot.text(rows.slice(-1), { x: "delay_s", y: name, text: [name], ...atEnd }),
  ]);
  const said = titles(
    rows,
    (row) => row.delay_s,
    (row) =>
      `${row.delay_s} s: ${percent(row.rows)} of the rows lost, ${
        percent(row.alerts)
      } of the alerts, ` +
      `${percent(row.frauds)} of the frauds; precision ${percent(row.precision)}, ` +
      `recall ${percent(row.recall)}`,
  );
  const rules = Plot.ruleX(marks, { ...guide, x: ({ row }) => row.delay_s! });
  const key = Plot.text(["━ rows   ╍ alerts   ┉ frauds"], { frameAnchor: "top-right" });
  return figure("What does a shorter watermark get wrong?", {
    answers: answers(marks, ({ delay_s }) => {
      const at = rows.findIndex((row) => row.delay_s === delay_s);
      const gone = (name: Count, noun: string) =>
        `${count(total(name) * shareLost(name, at) || 0)} of ${many(total(name), noun)}`;
      const rate = (name: "precision" | "recall") =>
        `${name} ${percent(rows[at]![name])}, ${percent(truth[name])} with all rows`;
      const lost = `${gone("n_alert", "alert")} and ${gone("n_fraud_true", "fraud")} lost`;
      return [lost, rate("precision"), rate("recall")].join("; ");
    }),
    note: `Over the ${many(common.length, "window")} that are final at every delay drawn. ${end}`,
    plots: [
      {
        ...panel,
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
      Plot.text(rows.slice(-1), { x: "threshold", y, text: [y], ...atEnd }),
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
      { ...panel, height: 230, x: { ...x, label: null }, y: shares, marks: [rule, rates, values] },
      { ...panel, height: 130, x, y, marks: [rule, alerts, values] },
    ],
  });
}

const panel = { height: 180, marginLeft: 64, marginRight: 70 };
const guide = { stroke: "color", strokeDasharray: dashes[2], strokeWidth: 2 } as const;

/** The rows of the sweep's table as numbers; null is NaN. */
function rowsOf({ table }: Sweep): Row[] {
  const numbers = (row: object) => Object.entries(row).map(([name, v]) => [name, Number(v ?? NaN)]);
  return table.toRecords().map((row) => Object.fromEntries(numbers(row)));
}

/**
 * The delays that a chart draws, from 0 to the first that loses nothing, or to the last at which half of
 * the windows are final, but to the longest mark at least; and a sentence that says which.
 */
function drawn(swept: Sweep, marks: readonly Mark[]): { rows: Row[]; end: string } {
  const rows = rowsOf(swept);
  const none = rows.findIndex(({ rows_lost, windows_final }) =>
    rows_lost === 0 && windows_final! > 0
  );
  const few = rows.findLastIndex((row) => row.windows_final! * 2 >= rows[0]!.windows_final!);
  const marked = rows.findIndex((row) =>
    row.delay_s === Math.max(0, ...marks.map((mark) => mark.row.delay_s!))
  );
  const last = Math.max(marked, none < 0 ? few : Math.min(none, few));
  const end = `It ends at ${count(rows[last]!.delay_s!)} s: ` +
    (last === none
      ? "from there on nothing is lost"
      : last === marked
      ? "the longest delay marked"
      : last === rows.length - 1
      ? "the longest delay tried"
      : "at longer delays more than half of the windows would still be open") +
    ".";
  return { rows: rows.slice(0, last + 1), end };
}

/** The rows of the delays named, with colours by their places. */
function marksOf(swept: Sweep, delays: readonly string[]): Mark[] {
  const rows = rowsOf(swept);
  return delays.map((name, i) => {
    const row = rows.find(({ delay_s }) => delay_s! * 1000 === parseDuration(name));
    if (row) return { row, name, color: colorAt(i) };
    throw new RangeError(`The sweep has no delay of ${name}: give it to sweep(), or mark another`);
  });
}

/** One line of words a delay, in its colour. */
function answers(marks: readonly Mark[], say: (row: Row) => string): Answer[] {
  return marks.map(({ name, color, row }) => ({ name, color, says: say(row) }));
}
