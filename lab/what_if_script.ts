/// <reference lib="dom" />
import type { enlivenTable } from "../view/table_script.ts";
import type { WhatIfData } from "./what_if.ts";
import type { drawWhatIf, Tools } from "./what_if_page.ts";

// Written into the page by its source, so it uses nothing outside itself.

/** Makes the figure answer: two sliders, and rows behind the counts. */
export function runWhatIf(
  root: HTMLElement,
  data: WhatIfData,
  tools: Tools & { readonly draw: typeof drawWhatIf; readonly enliven: typeof enlivenTable },
): void {
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); // JupyterLab moves between cells by them
  });
  const find = <E extends HTMLElement>(name: string) =>
    root.querySelector<E>(`[data-part="${name}"]`)!;
  const [delay, threshold] = ["delay", "threshold"].map((name) => find<HTMLInputElement>(name));
  const setting = () => ({
    delay: 1000 * Number(delay!.value),
    threshold: Number(threshold!.value),
  });
  const first = tools.draw(data, setting(), tools, true);
  find("table").innerHTML = first.table;
  tools.enliven(find("table"));
  const table = find("table").querySelector("table")!;
  const windows = [...table.tBodies[0]!.rows];
  let drawn = first.cells;
  const show = () => {
    const { delay: ms, threshold: least } = setting();
    const texts = [`${ms / 1000} seconds`, least.toFixed(2)];
    [delay!, threshold!].forEach((input, i) => {
      input.setAttribute("aria-valuetext", texts[i]!);
      input.nextElementSibling!.textContent = texts[i]!;
    });
    const parts = tools.draw(data, setting(), tools, true);
    for (const name of ["facts", "loss", "rates"] as const) find(name).innerHTML = parts[name];
    parts.cells.forEach((row, w) =>
      row.forEach(([text, value, opens = false], column) => {
        const [oldText, oldValue, opened = false] = drawn[w]![column]!;
        const cell = windows[w]!.cells[column + 1]!;
        if (value !== oldValue) cell.dataset.v = value;
        if (opens && !opened) cell.innerHTML = `<button type="button">${text}</button>`;
        else if (opens !== opened) cell.textContent = text;
        else if (text !== oldText) (opens ? cell.firstChild! : cell).firstChild!.nodeValue = text;
      })
    );
    table.tFoot!.rows[0]!.innerHTML = parts.foot;
    table.querySelector("[aria-sort]")?.removeAttribute("aria-sort"); // it may hold no more
    drawn = parts.cells;
    find("rows").innerHTML = "";
  };
  table.addEventListener("click", ({ target }) => {
    const cell = (target as Element).closest("td");
    if (!cell || !(target as Element).closest("button")) return;
    const w = windows.indexOf(cell.parentElement as HTMLTableRowElement);
    const kind = table.tHead!.rows[0]!.cells[cell.cellIndex]!.textContent as "tp" | "fp" | "fn";
    const { rowsOf } = tools.whatIf(data, setting());
    const { after, partition, offset, amount, probability } = data.rows;
    const number = (value: number, digits: number) =>
      `<td data-v="${value}">${value.toFixed(digits)}</td>`;
    const rows = rowsOf(w, kind).map((row) => {
      const time = new Date(data.starts[w]! + after[row]!).toISOString();
      return `<tr><th scope="row" data-v="${time}">${time.slice(11, 23)}</th>` +
        `<td>${partition[row]}</td><td>${offset[row]}</td>` +
        (amount[row] == null ? "<td>–</td>" : number(amount[row]!, 2)) +
        (probability[row]! < 0 ? "<td>NaN</td>" : number(probability[row]!, 4)) + "</tr>";
    });
    const heads = ["event_time", "partition", "offset", "Amount", "fraud_prob"];
    find("rows").innerHTML =
      `<table tabindex="-1"><caption><span>${cell.textContent} ${kind} of ${
        windows[w]!.cells[0]!.textContent
      }</span></caption>` +
      `<thead><tr>${
        heads.map((name) => `<th scope="col">${name}</th>`).join("")
      }</tr></thead><tbody>${rows.join("")}</tbody></table>`;
    tools.enliven(find("rows"));
    find("rows").querySelector("table")!.focus();
  });
  for (const input of [delay!, threshold!]) input.addEventListener("input", show);
  find("controls").hidden = false;
  show();
}
