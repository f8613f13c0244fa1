import * as Plot from "@observablehq/plot";
import { clock, count, type Displayable, paragraphs, percent } from "./display.ts";
import { wilson } from "./statistics.ts";
import { colorAt, GREY } from "./colors.ts";
import { answersOf, figure, HIT, room, timeAxis } from "./figure.ts";
import {
  closingOf,
  commonStarts,
  finalIn,
  isOverlapping,
  lossOf,
  noneFinal,
  type Run,
  totalsOf,
} from "./run.ts";
import { greatest, summary } from "./statistics.ts";

const lostPanel = { height: 190, marginTop: 36 };
const whole = (n: number) => Number.isInteger(n) ? count(n) : "";
const lostAxis = { label: "rows dropped as late", tickFormat: whole };
const thousands = { tickFormat: (n: number) => count(n), ticks: 5 };

/** Shows how many rows each watermark dropped, window by window. */
export function lostByWindow(runs: readonly Run[]): Displayable {
  const { isDrawn, left } = room(runs);
  const windows = runs.flatMap(windowsOf).filter(isDrawn);
  const isSliding = runs.some(isOverlapping);
  const withText = windows.length > 50 ? [] : windows.filter(({ late }) => late > 0); // room for digits
  const bar = { x1: "x1", x2: "x2", inset: 0.5 };
  const marks = [
    Plot.rectY(windows, { ...bar, y: "late", fill: "color" }),
    Plot.text(withText, { x: "x", y: "late", text: "late", dy: -6 }),
    Plot.ruleY([0]),
    Plot.rect(windows, { ...HIT, ...bar, title: (w) => `${named(w)}: ${count(w.late)} lost` }),
  ];
  const domain = [0, Math.max(1, greatest(windows.map(({ late }) => late)))];
  return figure("How many transactions did each watermark lose, window by window?", {
    answers: answersOf(runs, (run) => `${lossOf(run).words} lost`),
    note: (isSliding
      ? "Windows overlap: a bar has the rows that were too late for all of their windows, at the last of them."
      : "Rows that came after their window was closed. Those of windows still open could not be lost yet.") +
      left,
    plots: [{ ...lostPanel, x: byWindow(windows), y: { ...lostAxis, domain }, marks }],
  });
}

/** Shows precision and recall of each final window with 95 % intervals; a cross is a null. */
export function precisionRecallByWindow(runs: readonly Run[]): Displayable {
  const metrics = [
    { name: "precision", of: "n_alert", label: "precision: alerts that were fraud" },
    { name: "recall", of: "n_fraud_true", label: "recall: frauds that were alerted" },
  ] as const;
  const { isDrawn, left } = room(runs);
  const common = commonStarts(runs);
  const windows = runs.flatMap(windowsOf).filter(({ start, isFinal }) =>
    isFinal && common.has(start)
  );
  if (windows.length === 0) {
    return paragraphs([`${noneFinal(runs)}, so there is no precision and no recall to show.`]);
  }
  return figure("How well are frauds found, and how sure is that in a single window?", {
    answers: answersOf(runs, (run) => {
      const own = windows.filter(({ position }) => position === run.position);
      const sum = (of: "tp" | "n_alert" | "n_fraud_true") =>
        own.reduce((total, w) => total + w[of], 0);
      return metrics.map(({ name, of }) => {
        const [tp, n] = [sum("tp"), sum(of)];
        return `${name} ${percent(tp / n)} (${count(tp)} of ${count(n)})`;
      }).join(", ");
    }),
    note: (runs.length > 1 ? `Counted ${finalIn(runs)}. ` : "") +
      "Lines: 95% intervals (Wilson). A cross: no alert (precision) or no fraud (recall)." + left,
    plots: metrics.map(({ name, of, label }) => {
      const points = windows.filter(isDrawn)
        .map((w) => ({ ...w, ...wilson(w.tp, w[of]), share: w.tp / w[of] }));
      const nulls = points.filter((p) => p[of] === 0);
      const marks = [
        Plot.ruleY([0]),
        Plot.ruleX(points, { x: "x", y1: "low", y2: "high", stroke: "color", filter: of }),
        Plot.dot(points, { x: "x", y: "share", fill: "color", symbol: "symbol", filter: of }),
        Plot.dot(nulls, { x: "x", y: 0, stroke: "color", symbol: "times" }),
        Plot.dot(points, {
          ...HIT,
          x: "x",
          y: (p) => p[of] === 0 ? 0 : p.share,
          r: 6,
          title: (p) =>
            `${named(p)}: ${name} ${percent(p.share)} (${p.tp} of ${p[of]})` +
            (p[of] > 0 ? `, 95%: ${percent(p.low!)} to ${percent(p.high!)}` : ""),
        }),
      ];
      const y = { domain: [0, 1], label, ticks: 4, tickFormat: "%" };
      return { height: 180, x: { ...byWindow(points), inset: 8 }, y, marks };
    }),
  });
}

/** Shows what became of the rows that each run read. */
export function accountingWaterfall(runs: readonly Run[]): Displayable {
  const steps = runs.flatMap((run) => {
    const { read, late, rejected, open, counted } = totalsOf(run);
    const color = colorAt(run.position);
    return [
      { step: "read", x1: 0, x2: read, color: GREY },
      { step: "dropped as late", x1: read - late, x2: read, color: "currentColor" },
      { step: "rejected", x1: read - late - rejected, x2: read - late, color: "currentColor" },
      { step: "still open", x1: counted, x2: counted + open, color },
      { step: "counted", x1: 0, x2: counted, color },
    ].map((s) => ({ ...s, rows: s.x2 - s.x1, share: (s.x2 - s.x1) / read, fy: run.watermark }));
  });
  const bar = { x1: "x1", x2: "x2", y: "step", fy: "fy", insetTop: 1 };
  const label = { frameAnchor: "right", y: "step", fy: "fy", textAnchor: "end" } as const;
  const title = { frameAnchor: "top-left", dy: -14, fontWeight: 600 } as const;
  const marks = [
    Plot.text(runs, { ...title, fy: "watermark", text: "watermark" }),
    Plot.barX(steps, { ...bar, fill: "color", filter: (s) => s.step !== "still open" }),
    Plot.barX(steps, { ...bar, stroke: "color" }),
    Plot.text(steps, { ...label, dx: 58, text: (s) => count(s.rows) }),
    Plot.text(steps, { ...label, dx: 120, text: (s) => percent(s.share) }),
    Plot.barX(steps, {
      ...bar,
      ...HIT,
      x1: 0,
      x2: (s) => s.rows / s.share || 0,
      title: (s) => `${s.fy}, ${s.step}: ${count(s.rows)} (${percent(s.share)})`,
    }),
  ];
  const height = 40 + 130 * runs.length;
  const y = { label: null, domain: steps.slice(0, 5).map((s) => s.step), tickSize: 0 };
  const fy = { axis: null, domain: runs.map((run) => run.watermark), padding: 0.2 };
  const x = { ...thousands, label: "rows" };
  return figure("What became of every row that was read?", {
    answers: answersOf(runs, (run) => {
      const { read, late, rejected, open, counted, messages } = totalsOf(run);
      const lost = `${count(late)} late + ${count(rejected)} rejected + ${count(open)} still open`;
      const sign = counted + late + rejected + open === read ? "=" : "≠";
      const of = isOverlapping(run) ? ` counts of ${count(messages)} rows` : " read";
      return `${count(counted)} counted + ${lost} ${sign} ${count(read)}${of}`;
    }),
    note: "Each bar takes its rows off the bar above; what is left was counted in final windows." +
      (runs.some(isOverlapping) ? " A row counts once in each of its windows, which overlap." : ""),
    plots: [{ height, marginLeft: 132, marginRight: 130, x, y, fy, marks }],
  });
}

/** Shows when each window became final on the clock of the events, and how long after its end. */
export function finality(runs: readonly Run[]): Displayable {
  const waits = runs.map((run, i) =>
    windowsOf(run, i, runs).map((w) => {
      const { isFinal, at } = closingOf(run, w.end);
      return { ...w, isFinal, at, seconds: (at - w.end) / 1000 };
    })
  );
  const { isDrawn, left } = room(runs);
  const drawn = waits.map((own) => own.filter(isDrawn));
  const grey = { x1: "start", x2: "end", y: "start", fill: GREY, insetTop: 2, insetBottom: 2 };
  const ends = waits.map(([first]) => first?.at ?? 0);
  const marks = drawn.map((own, i) => {
    const line = { y: "start", dy: 4 * i - 2 * (runs.length - 1) };
    const textAnchor = i === ends.lastIndexOf(greatest(ends)) ? "start" : "end";
    const name = { x: "at", text: "name", textAnchor } as const;
    return [
      Plot.barX(own, grey),
      Plot.ruleY(own, { ...line, x1: "end", x2: "at", stroke: "color", strokeWidth: 2 }),
      Plot.dot(own, { ...line, x: "at", fill: "color", symbol: "symbol", filter: "isFinal" }),
      // More than two names would stand on one another.
      Plot.text(own.slice(0, runs.length > 2 ? 0 : 1), {
        ...name,
        y: "start",
        dy: -15,
        fontWeight: 600,
      }),
      Plot.dot(own, {
        ...line,
        ...HIT,
        x: "at",
        r: 6,
        title: (w) =>
          `${named(w)}: ${w.isFinal ? "final" : "open, so far"} ${
            count(w.seconds, 1)
          } s after its end`,
      }),
    ];
  });
  // The last name stands beyond the newest event.
  const marginRight = runs.length > 2 ? 40 : 116;
  const shownWindows = new Set(drawn.flat().map(({ start }) => start)).size;
  const height = 76 + (shownWindows > 40 ? 6 : 15) * shownWindows;
  const time = timeAxis(drawn.flat().flatMap(({ start, at }) => [start, at]));
  const x = { ...time, label: "event time (UTC)" };
  const every = Math.ceil(shownWindows / 40);
  const isWhole = waits.flat().every(({ start }) => start % 60_000 === 0);
  const y = {
    type: "band",
    label: "window start",
    labelAnchor: "top",
    tickFormat: (start: number | Date, i: number) =>
      i % every > 0 ? "" : isWhole ? time.tickFormat(new Date(start)) : clock(start, 8),
  } as const;
  return figure("When did each window become final, and how long did a reader wait for it?", {
    answers: answersOf(runs, (_, i) => {
      const seconds = waits[i]!.filter((w) => w.isFinal).map((w) => w.seconds);
      const open = waits[i]!.length - seconds.length;
      return seconds.length === 0
        ? `no window is final; ${open} still open`
        : `final ${summary(seconds, "s after a window's end")} s; ${open} still open`;
    }),
    note:
      "Grey: the window. Line: the wait until it was written (dot), by the newest event's time." +
      left,
    plots: [{ height, marginTop: 32, marginLeft: 84, marginRight, x, y, marks }],
  });
}

/** The windows of a run; its bars, from x1 to x2, stand beside those of the other runs. */
function windowsOf(run: Run, i: number, runs: readonly Run[]) {
  const late = run.late.getColumn("window_start").toArray().map(Number);
  const symbol = ["circle", "diamond", "square", "triangle"][i % 4];
  const look = {
    name: run.watermark,
    position: run.position,
    color: colorAt(run.position),
    symbol,
  };
  return [run.kpi, run.open].flatMap((frame) =>
    frame.toRecords().map((row) => {
      const [start, end] = [Number(row.window_start), Number(row.window_end)];
      const width = run.window.slide * 0.88 / runs.length;
      const x1 = start + i * width;
      const bar = { start, end, x1, x: x1 + width / 2, x2: x1 + width };
      const [rows, tp] = [Number(row.n_txn), Number(row.tp)];
      const trials = { n_alert: Number(row.n_alert), n_fraud_true: Number(row.n_fraud_true) };
      const status = { isFinal: frame === run.kpi };
      const dropped = late.filter((window) => window === start).length;
      return { ...look, ...bar, ...trials, ...status, rows, tp, late: dropped };
    })
  );
}

/** Names a window of a run in a title. */
function named({ name, start }: { readonly name: string; readonly start: number }): string {
  return `${name}, window ${clock(start, start % 60_000 ? 8 : 5)}`;
}

function byWindow(windows: readonly Readonly<{ start: number; x2: number }>[]) {
  const starts = windows.map(({ start }) => start);
  const ends = [-greatest(starts.map((start) => -start)), greatest(windows.map(({ x2 }) => x2))];
  const domain = windows.length > 0 && { domain: ends };
  return { ...timeAxis(starts), ...domain, label: "window start (UTC)" };
}
