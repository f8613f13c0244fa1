/// <reference lib="dom" />

// Written into the page by its source, so it uses nothing outside itself.

/**
 * Makes a table sort by its headings and give its rows as CSV. Cells carry their value in `data-v` where
 * the text is rounded. A page without scripts shows the table as it is.
 */
export function enlivenTable(box: HTMLElement): void {
  const table = box.querySelector("table")!;
  const body = table.tBodies[0]!;
  const rows = [...body.rows].filter((row) => row.cells.length > 1); // not "… n more rows"
  const heads = [...table.tHead!.rows[0]!.cells];
  const valueOf = (cell: HTMLTableCellElement) => cell.dataset.v ?? cell.textContent ?? "";
  const compare = (a: string, b: string) => {
    const [x, y] = [a, b].map((text) => text === "" || text === "–" ? NaN : Number(text)) as [
      number,
      number,
    ];
    if (Number.isNaN(x) && Number.isNaN(y)) return a < b ? -1 : Number(a > b);
    return Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : x - y;
  };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isDown = head.ariaSort === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      const sorted = rows.toSorted((a, b) =>
        compare(valueOf(a.cells[i]!), valueOf(b.cells[i]!)) * (isDown ? -1 : 1)
      );
      body.prepend(...sorted);
    });
  });
  const csv = document.createElement("button");
  csv.type = "button";
  csv.className = "csv";
  csv.textContent = "CSV";
  csv.ariaLabel = `Save as CSV: ${table.caption?.textContent ?? "table"}`;
  csv.addEventListener("click", () => {
    const quoted = (text: string) => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    const lines = [
      heads,
      ...[...body.rows].filter((row) => rows.includes(row)).map((row) => [...row.cells]),
    ]
      .map((cells) => cells.map((cell) => quoted(valueOf(cell).replace("–", ""))).join(","));
    const link = document.createElement("a");
    link.download = "table.csv";
    link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(`${lines.join("\r\n")}\r\n`)}`;
    link.click();
  });
  table.after(csv);
}

/** The script behind a table, which finds it as the element before itself. */
export const TABLE_SCRIPT: string =
  `<script>(()=>{const box=document.currentScript?.previousElementSibling;` +
  `for(const t of box?[box]:document.querySelectorAll(".kpi-table:not([data-live])"))` +
  `if(!t.dataset.live){t.dataset.live="1";(${enlivenTable})(t)}})()</script>`;
