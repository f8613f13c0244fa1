/// <reference lib="dom" />
import type { wilson } from "../view/statistics.ts";
import type { Counts, Setting, whatIf, WhatIfData } from "./what_if.ts";

// Both functions are written into the page by their source, so they use nothing outside themselves.

/** The functions that the page has besides. */
export interface Tools {
  readonly whatIf: typeof whatIf;
  readonly wilson: typeof wilson;
}

/** What the page shows at one setting, as HTML by the part that it fills. */
export type Parts = Record<"facts" | "loss" | "rates" | "table", string>;

/** Draws the figure at one setting. With `isLive` the counts are buttons that open their rows. */
export function drawWhatIf(
  data: WhatIfData,
  setting: Setting,
  { whatIf, wilson }: Tools,
  isLive = false,
): Parts {
  const { windows, final } = whatIf(data, setting);
  const number = (value: number, digits = 0) =>
    value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const share = (part: number, whole: number) => {
    const value = 100 * part / whole;
    return whole === 0 ? "–" : `${number(value, value > 0 && value < 1 ? 2 : 1)}%`;
  };
  const interval = (part: number, whole: number) => {
    const ends = wilson(part, whole);
    if (!ends) return "nothing to judge";
    return `${part} of ${whole}; 95%: ${share(ends.low, 1)} to ${share(ends.high, 1)}`;
  };
  const isOneDay = new Set(data.starts.map((time) => Math.floor(time / 86_400_000))).size < 2;
  const clock = (time: number) =>
    new Date(time).toISOString().slice(isOneDay ? 11 : 0, data.size % 60_000 ? 19 : 16)
      .replace("T", " ");
  const waits = windows.flatMap(({ wait }) => wait ?? []).sort((a, b) => a - b);
  const middle = waits.length >> 1;
  const median = waits.length % 2 ? waits[middle]! : (waits[middle - 1]! + waits[middle]!) / 2;
  const read = final.n_txn + final.lost;
  const facts: [name: string, value: string, more: string][] = [
    ["rows lost", number(final.lost), `${share(final.lost, read)} of the rows of final windows`],
    ["alerts lost", number(final.alerts_lost), `frauds lost: ${final.frauds_lost}`],
    [
      "readers wait",
      waits.length ? `${number(median / 1000, 1)} s` : "–",
      waits.length
        ? `median of ${waits.length} final windows; at most ${number(waits.at(-1)! / 1000, 1)} s`
        : "no window is final",
    ],
    ["precision", share(final.tp, final.n_alert), interval(final.tp, final.n_alert)],
    ["recall", share(final.tp, final.n_fraud_true), interval(final.tp, final.n_fraud_true)],
    [
      "amounts",
      `${number(final.caught, 2)} caught`,
      `${number(final.missed, 2)} missed, ${number(final.stopped, 2)} falsely stopped`,
    ],
  ];

  /** A chart of lines over a range, with a mark at the setting; [0, 1] by [0, 1] inside. */
  const chart = (
    { name, x, lines, at, dots, top }: {
      name: string;
      x: readonly string[];
      lines: readonly { points: readonly (readonly [number, number])[]; dash?: string }[];
      at: number;
      dots: readonly (number | null)[];
      top: string;
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
    return `<svg viewBox="0 0 364 172" role="img" aria-label="${name}" font-size="11" fill="currentColor">` +
      `<text x="4" y="14">${name}</text>` +
      `<path d="M44 30V150H344" fill="none" stroke="#808080"/>` +
      `<text x="40" y="34" text-anchor="end">${top}</text><text x="40" y="153" text-anchor="end">0%</text>` +
      `<path d="M${px(at)} 30V150" stroke="#0072b2" stroke-dasharray="2 3"/>` +
      `${paths.join("")}${marks.join("")}${ticks.join("")}</svg>`;
  };
  const most = Math.max(...data.losses, 1e-9);
  const loss = chart({
    name: "rows lost of the windows final at a delay",
    x: ["0 s", "2 min", "4 min", "6 min", "8 min", "10 min"],
    lines: [{ points: data.losses.map((value, i) => [i / 600, value / most]) }],
    at: setting.delay / 600_000,
    dots: [read > 0 ? final.lost / read / most : 0],
    top: share(most, 1),
  });
  const thresholds = Array.from({ length: 99 }, (_, i) => (i + 1) / 100);
  const finals = thresholds.map((threshold) => whatIf(data, { ...setting, threshold }).final);
  const rate = (of: "n_alert" | "n_fraud_true", counts: Counts) =>
    counts[of] > 0 ? counts.tp / counts[of] : null;
  const line = (of: "n_alert" | "n_fraud_true") =>
    finals.flatMap((counts, i) => {
      const value = rate(of, counts);
      return value === null ? [] : [[(i + 1) / 100, value] as const];
    });
  const rates = chart({
    name: "precision (line) and recall (dashes), by the threshold",
    x: ["0", "0.2", "0.4", "0.6", "0.8", "1"],
    lines: [{ points: line("n_alert") }, { points: line("n_fraud_true"), dash: "5 3" }],
    at: setting.threshold,
    dots: [rate("n_alert", final), rate("n_fraud_true", final)],
    top: "100%",
  });

  const columns = ["n_txn", "lost", "n_alert", "n_fraud_true", "tp", "fp", "fn"] as const;
  const cells = (counts: Counts, w: number) =>
    columns.map((name) => {
      const value = number(counts[name]);
      const opens = isLive && w >= 0 && counts[name] > 0 && /^(tp|fp|fn)$/.test(name);
      const label = `${value} ${name} of ${w >= 0 ? clock(data.starts[w]!) : ""}: show the rows`;
      return `<td>${
        opens
          ? `<button type="button" data-window="${w}" data-kind="${name}" aria-label="${label}">${value}</button>`
          : value
      }</td>`;
    }).join("") +
    `<td>${share(counts.tp, counts.n_alert)}</td><td>${share(counts.tp, counts.n_fraud_true)}</td>`;
  const rows = windows.map((counts, w) => {
    const state = counts.wait !== null
      ? `${number(counts.wait / 1000, 1)} s`
      : counts.n_txn === 0
      ? "lost"
      : "open";
    return `<tr><th scope="row">${clock(data.starts[w]!)}</th>${
      cells(counts, w)
    }<td>${state}</td></tr>`;
  });
  const heads = ["window", ...columns, "precision", "recall", "wait"];
  const table =
    `<table><caption><span>Every window at this setting, UTC; "open" is not final at the end of the topic${
      data.windowsLeftOut
        ? `; ${data.windowsLeftOut} later windows are left out of this figure`
        : ""
    }</span></caption><thead><tr>${
      heads.map((name) => `<th scope="col">${name}</th>`).join("")
    }</tr></thead>` +
    `<tbody>${rows.join("")}</tbody><tfoot><tr><th scope="row">final</th>${
      cells(final, -1)
    }<td></td></tr></tfoot></table>`;
  return {
    facts: facts.map(([name, value, more]) =>
      `<div><dt>${name}</dt><dd><b>${value}</b> <span>${more}</span></dd></div>`
    ).join(""),
    loss,
    rates,
    table,
  };
}

/** Makes the figure answer: two sliders, and rows behind the counts. */
export function runWhatIf(
  root: HTMLElement,
  data: WhatIfData,
  tools: Tools & { readonly draw: typeof drawWhatIf },
): void {
  const find = <E extends HTMLElement>(name: string) =>
    root.querySelector<E>(`[data-part="${name}"]`)!;
  const [delay, threshold] = ["delay", "threshold"].map((name) => find<HTMLInputElement>(name));
  const setting = () => ({
    delay: 1000 * Number(delay!.value),
    threshold: Number(threshold!.value),
  });
  const show = () => {
    const { delay: ms, threshold: least } = setting();
    const texts = [`${ms / 1000} seconds`, least.toFixed(2)];
    [delay!, threshold!].forEach((input, i) => {
      input.setAttribute("aria-valuetext", texts[i]!);
      input.nextElementSibling!.textContent = texts[i]!;
    });
    const parts = tools.draw(data, setting(), tools, true);
    for (const [name, page] of Object.entries(parts)) find(name).innerHTML = page;
    find("rows").innerHTML = "";
  };
  root.addEventListener("click", ({ target }) => {
    const button = (target as Element).closest("button");
    if (!button) return;
    const { window: w, kind } = button.dataset;
    const { rowsOf } = tools.whatIf(data, setting());
    const { time, partition, offset, amount, probability } = data.rows;
    const rows = rowsOf(Number(w), kind as "tp" | "fp" | "fn").map((row) =>
      `<tr><th scope="row">${new Date(time[row]!).toISOString().slice(11, 23)}</th>` +
      `<td>${partition[row]}</td><td>${offset[row]}</td><td>${
        (amount[row] ?? NaN).toFixed(2)
      }</td>` +
      `<td>${probability[row]! < 0 ? "NaN" : probability[row]!.toFixed(4)}</td></tr>`
    );
    const heads = ["event_time", "partition", "offset", "Amount", "fraud_prob"];
    find("rows").innerHTML =
      `<table tabindex="-1"><caption><span>${
        button.getAttribute("aria-label")!.split(":").slice(0, -1).join(":")
      }</span></caption>` +
      `<thead><tr>${
        heads.map((name) => `<th scope="col">${name}</th>`).join("")
      }</tr></thead><tbody>${rows.join("")}</tbody></table>`;
    find("rows").querySelector("table")!.focus();
  });
  for (const input of [delay!, threshold!]) input.addEventListener("input", show);
  find("controls").hidden = false;
  show();
}
