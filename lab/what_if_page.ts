import type { wilson } from "../view/statistics.ts";
import type { Counts, Setting, whatIf, WhatIfData } from "./what_if.ts";

// Written into the page by its source, so it uses nothing outside itself.

/** The functions that the page has besides. */
export interface Tools {
  readonly whatIf: typeof whatIf;
  readonly wilson: typeof wilson;
}

/** A cell of the table: its text, what it sorts by and gives as CSV, and whether it opens its rows. */
export type Cell = readonly [text: string, value: string, opens?: boolean];

/** What the page shows at one setting, as HTML by the part that it fills; `cells` are the table's, [w][column]. */
export type Parts =
  & Readonly<Record<"facts" | "loss" | "rates" | "table" | "foot", string>>
  & { readonly cells: readonly (readonly Cell[])[] };

/** Draws the figure at one setting. With `isLive` the counts are buttons, to open their rows. */
export function drawWhatIf(
  data: WhatIfData,
  setting: Setting,
  { whatIf, wilson }: Tools,
  isLive = false,
): Parts {
  const { windows, final, byThreshold } = whatIf(data, setting);
  const formats = [0, 1, 2].map((digits) =>
    new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
  );
  const number = (value: number, digits = 0) => formats[digits]!.format(value);
  const share = (part: number, whole: number) => {
    const value = 100 * part / whole;
    return whole === 0 ? "–" : `${number(value, value > 0 && value < 1 ? 2 : 1)}%`;
  };
  const interval = (part: number, whole: number) => {
    const ends = wilson(part, whole);
    if (!ends) return "nothing to judge";
    return `${number(part)} of ${number(whole)}; 95%: ${share(ends.low, 1)} to ${
      share(ends.high, 1)
    }`;
  };
  const isOneDay = new Set(data.starts.map((time) => Math.floor(time / 86_400_000))).size < 2;
  const length = [...data.starts, data.size].some((time) => time % 60_000) ? 19 : 16;
  const clock = (time: number) =>
    new Date(time).toISOString().slice(isOneDay ? 11 : 0, length).replace("T", " ");
  const waits = windows.flatMap(({ wait }) => wait ?? []).sort((a, b) => a - b);
  const middle = waits.length >> 1;
  const median = waits.length % 2 ? waits[middle]! : (waits[middle - 1]! + waits[middle]!) / 2;
  const read = final.n_txn + final.lost;
  const without = final.no_amount > 0
    ? `; ${number(final.no_amount)} without an amount left out`
    : "";
  const facts: [name: string, value: string, more: string][] = [
    [
      "rows lost",
      number(final.lost),
      read ? `${share(final.lost, read)} of the rows of final windows` : "no window is final",
    ],
    ["alerts lost", number(final.alerts_lost), `frauds lost: ${final.frauds_lost}`],
    [
      "readers wait",
      waits.length ? `${number(median / 1000, 1)} s` : "–",
      waits.length
        ? waits.length === 1
          ? "the one final window"
          : `median of ${waits.length} final windows; at most ${number(waits.at(-1)! / 1000, 1)} s`
        : "no window is final",
    ],
    ["precision", share(final.tp, final.n_alert), interval(final.tp, final.n_alert)],
    ["recall", share(final.tp, final.n_fraud_true), interval(final.tp, final.n_fraud_true)],
    [
      "amounts",
      `${number(final.caught, 2)} caught`,
      `${number(final.missed, 2)} missed, ${number(final.stopped, 2)} falsely stopped${without}`,
    ],
  ];

  /** A chart of lines over a range, with a mark at the setting; [0, 1] by [0, 1] inside. */
  const chart = (
    { name, x, lines, at, dots, top, says }: {
      name: string;
      x: readonly string[];
      lines: readonly { points: readonly (readonly [number, number])[]; dash?: string }[];
      at: number;
      dots: readonly (number | null)[];
      top: string;
      /** What the chart says at some places, in words. */
      says: readonly (readonly [x: number, text: string])[];
    },
  ) => {
    const px = (value: number) => (44 + 300 * value).toFixed(1);
    const py = (value: number) => (150 - 120 * value).toFixed(1);
    const paths = lines.map(({ points, dash = "" }) => {
      const d = points.map(([a, b], i) => `${i ? "L" : "M"}${px(a)} ${py(b)}`).join("");
      return `<path d="${d}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="${dash}"/>`;
    });
    const ticks = x.map((text, i) => {
      const place = px(i / (x.length - 1));
      return `<text x="${place}" y="165" text-anchor="middle">${text}</text>`;
    });
    const marks = dots.flatMap((y) =>
      y === null ? [] : [`<circle cx="${px(at)}" cy="${py(y)}" r="5" fill="#0072b2"/>`]
    );
    const hits = says.map(([a, text]) =>
      `<path d="M${px(a)} 30V150"><title>${text}</title></path>`
    );
    const here = says.find(([a]) => Math.abs(a - at) < 1e-9)?.[1];
    return `<svg viewBox="0 0 364 172" role="img" aria-label="${name}${
      here === undefined ? "" : `; ${here}`
    }" font-size="11" fill="currentColor">` +
      `<text x="4" y="14">${name}</text>` +
      `<path d="M44 30V150H344" fill="none" stroke="#808080"/>` +
      `<text x="40" y="34" text-anchor="end">${top}</text><text x="40" y="153" text-anchor="end">0%</text>` +
      `<path d="M${px(at)} 30V150" stroke="#0072b2" stroke-dasharray="2 3"/>` +
      `${paths.join("")}${marks.join("")}${ticks.join("")}` +
      `<g stroke="transparent" stroke-width="5">${hits.join("")}</g></svg>`;
  };
  const most = Math.max(...data.losses, 1e-9);
  const second = setting.delay / 1000;
  const loss = chart({
    name: "rows lost of the windows final at a delay",
    x: ["0", "2", "4", "6", "8", "10 min"],
    lines: [{
      points: data.losses.flatMap((value, i, all) =>
        value === all[i - 1] && value === all[i + 1] ? [] : [[i / 600, value / most] as const]
      ),
    }],
    at: second / 600,
    dots: [read > 0 ? final.lost / read / most : 0],
    top: share(most, 1),
    says: data.losses.flatMap((value, i) =>
      i % 20 === 0 || i === second ? [[i / 600, `${i} s: ${share(value, 1)}`] as const] : []
    ),
  });
  const { n_alert, tp } = byThreshold;
  const [precision, recall] = [n_alert, tp.map(() => final.n_fraud_true)].map((of) =>
    of.flatMap((n, i) => {
      const threshold = (i + 1) / 100;
      return n > 0 && threshold >= data.least ? [[threshold, tp[i]! / n] as const] : [];
    })
  ) as [(readonly [number, number])[], (readonly [number, number])[]];
  const rate = (of: "n_alert" | "n_fraud_true") => final[of] > 0 ? final.tp / final[of] : null;
  const rates = chart({
    name: "precision (line) and recall (dashes), by the threshold",
    x: ["0", "0.2", "0.4", "0.6", "0.8", "1"],
    lines: [{ points: precision }, { points: recall, dash: "5 3" }],
    at: setting.threshold,
    dots: [rate("n_alert"), rate("n_fraud_true")],
    top: "100%",
    says: tp.flatMap((hits, i) => {
      const at = (i + 1) / 100;
      if (at < data.least || (i % 2 === 0 && at !== setting.threshold)) return [];
      const words = `precision ${share(hits, n_alert[i]!)}, recall ${
        share(hits, final.n_fraud_true)
      }`;
      return [[at, `${at.toFixed(2)}: ${words}`] as const];
    }),
  });

  const columns = ["n_txn", "lost", "n_alert", "n_fraud_true", "tp", "fp", "fn"] as const;
  const cellsOf = (counts: Counts, isOpening: boolean): Cell[] => [
    ...columns.map((name): Cell => {
      const opens = isOpening && counts[name] > 0 && name.length === 2; // tp, fp or fn
      return [number(counts[name]), `${counts[name]}`, opens];
    }),
    ...[counts.n_alert, counts.n_fraud_true].map((n): Cell => [
      share(counts.tp, n),
      n > 0 ? `${counts.tp / n}` : "",
    ]),
  ];
  const cells = windows.map((counts): Cell[] => {
    const { wait } = counts;
    const state = counts.n_txn === 0 ? "lost" : "open";
    const last: Cell = wait === null
      ? [state, state]
      : [`${number(wait / 1000, 1)} s`, `${wait / 1000}`];
    return [...cellsOf(counts, isLive), last];
  });
  const line = (cells: readonly Cell[]) =>
    cells.map(([text, value, opens]) =>
      `<td${text === value ? "" : ` data-v="${value}"`}>${
        opens ? `<button type="button">${text}</button>` : text
      }</td>`
    ).join("");
  const rows = cells.map((cells, w) =>
    `<tr><th scope="row" data-v="${new Date(data.starts[w]!).toISOString()}">${
      clock(data.starts[w]!)
    }</th>${line(cells)}</tr>`
  );
  const foot = `<th scope="row">final</th>${line(cellsOf(final, false))}<td></td>`;
  const heads = ["window", ...columns, "precision", "recall", "wait"];
  const table =
    `<table><caption><span>Every window at this setting, UTC; "open" is not final at the end of the topic${
      isLive ? "; tp, fp and fn open their rows" : ""
    }</span></caption><thead><tr>${
      heads.map((name) => `<th scope="col">${name}</th>`).join("")
    }</tr></thead><tbody>${rows.join("")}</tbody>` +
    `<tfoot><tr>${foot}</tr></tfoot></table>`;
  return {
    facts: facts.map(([name, value, more]) =>
      `<div><dt>${name}</dt><dd><b>${value}</b> <span>${more}</span></dd></div>`
    ).join(""),
    loss,
    rates,
    table,
    cells,
    foot,
  };
}
