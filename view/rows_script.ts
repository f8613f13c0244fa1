/// <reference lib="dom" />
import { enlivenTable } from "./table_script.ts";

/** The rows behind the counts of a table, as its page holds them: JSON values, instants as ISO text. */
export interface RowsBehind {
  readonly names: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

// Written into the page by its source, so it uses nothing outside itself.

/**
 * Makes the counts of a table open their rows below it: cells name them in `data-rows`, as indexes into
 * the JSON that the table's box holds. A page without scripts shows the counts as they are.
 */
export function openRows(box: HTMLElement, enliven: (box: HTMLElement) => void): void {
  const json = box.querySelector("script[type='application/json']")!.textContent!;
  const { names, rows } = JSON.parse(json) as RowsBehind;
  const table = box.querySelector("table")!;
  const shown = document.createElement("div");
  shown.className = "behind";
  shown.ariaLive = "polite";
  box.append(shown);

  const element = (name: string, text = "", parent?: Element) => {
    const made = document.createElement(name);
    made.textContent = text;
    parent?.append(made);
    return made;
  };
  const show = (title: string, indexes: readonly number[]) => {
    const inner = element("div", "", shown);
    inner.className = "kpi-table";
    inner.dataset.live = "1";
    const list = element("table", "", inner) as HTMLTableElement;
    element("span", title, element("caption", "", list));
    const isNumber = names.map((_, i) => indexes.some((row) => typeof rows[row]![i] === "number"));
    const line = (values: RowsBehind["rows"][number], of: HTMLTableSectionElement) => {
      const tr = element("tr", "", of);
      values.forEach((value, i) => {
        const cell = element(of === list.tHead || i === 0 ? "th" : "td", String(value ?? "–"), tr);
        (cell as HTMLTableCellElement).scope = of === list.tHead ? "col" : i === 0 ? "row" : "";
        if (isNumber[i]) cell.className = "n";
        if (typeof value !== "number" || Number.isInteger(value)) return;
        cell.dataset.v = String(value);
        cell.textContent = value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
      });
    };
    line(names, list.createTHead());
    const body = list.createTBody();
    for (const row of indexes) line(rows[row]!, body);
    if (indexes.length > 1) enliven(inner);
  };
  for (const cell of table.querySelectorAll<HTMLTableCellElement>("[data-rows]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    const row = (cell.parentElement as HTMLTableRowElement).cells[0]!.textContent;
    const indexes = cell.dataset.rows!.split(" ").map(Number);
    const head = table.tHead!.rows[0]!.cells[cell.cellIndex]!.textContent;
    const title = `${head} ${row}: ${indexes.length} ${indexes.length === 1 ? "row" : "rows"}`;
    button.ariaLabel = title;
    button.ariaExpanded = "false";
    button.addEventListener("click", () => {
      const wasOpen = button.ariaExpanded === "true";
      for (const other of table.querySelectorAll("[aria-expanded]")) other.ariaExpanded = "false";
      shown.replaceChildren();
      if (wasOpen) return;
      button.ariaExpanded = "true";
      show(title, indexes);
    });
  }
}

/** What a table's box holds of the rows behind it. */
export function rowsAsJson(behind: RowsBehind): string {
  const json = JSON.stringify(behind).replaceAll("<", "\\u003c");
  return `<script type="application/json">${json}</script>`;
}

/** The script behind tables whose counts open, which finds those that have none yet. */
export const ROWS_SCRIPT: string = `<script>(()=>{for(const t of ` +
  `document.querySelectorAll(".kpi-table:has(>script[type='application/json']):not([data-opens])"))` +
  `{t.dataset.opens="1";(${openRows})(t,${enlivenTable})}})()</script>`;
