import type { DataFrame } from "polars";
import { TABLE_STYLE } from "./style.ts";
import { ROWS_SCRIPT, rowsAsJson, type RowsBehind } from "./rows_script.ts";
import { TABLE_SCRIPT } from "./table_script.ts";
import { clock, count, type Displayable, displayable, html, percent, plain } from "./display.ts";

/** How a table is shown; columns go by their names. */
export interface TableOptions {
  readonly caption?: string;
  /** Columns of shares to show as percentages. Default: those named after one, if within [0, 1]. */
  readonly percent?: readonly string[];
  /** Columns of numbers >= 0 with a bar behind the figure: to 100 % or the greatest value shown. */
  readonly bars?: readonly string[];
  /** Values of a last row; the first column says "Total" unless it has one. */
  readonly totals?: Readonly<Record<string, unknown>>;
  /** Columns of amounts: two decimals. */
  readonly amounts?: readonly string[];
  /** Indexes of rows to mark. */
  readonly marked?: ReadonlySet<number>;
  /** Rows shown before "… n more rows". Default 25. */
  readonly maxRows?: number;
  /** Whether it neither sorts nor gives CSV, as one that is drawn anew while a query runs. */
  readonly isStatic?: boolean;
  /** Rows that counts open in the page: `of` gives the indexes of those of a cell; row -1 is the totals. */
  readonly behind?: RowsBehind & {
    readonly of: (row: number, column: string) => readonly number[];
  };
}

/** Characters of a cell; a message in a topic may have any number. */
const LONGEST_TEXT = 300;

/**
 * Shows a DataFrame: numbers to the right, shares as percentages, UTC times without what they share,
 * nulls as "–". A column of one text goes to the caption. Every text is escaped, so a message's `<script>` is seen and never run.
 */
export function table(rows: DataFrame, options: TableOptions = {}): Displayable {
  const { totals, marked, maxRows = 25, behind } = options;
  const isLive = !options.isStatic && rows.height > 1;
  const records: readonly Readonly<Record<string, unknown>>[] = rows.head(maxRows).toRecords();
  const times = records.flatMap((row) => Object.values(row).filter((v) => v instanceof Date));
  const days = new Set(times.map((time) => time.toISOString().slice(0, 10)));
  const constants = constantsOf(rows, options.caption);
  const columns = rows.columns.filter((name) => !constants.has(name)).map((name) => {
    const values = records.map((row) => row[name]);
    return { name, values, ...columnOf(name, { ...options, values, withDate: days.size > 1 }) };
  });
  const caption = [
    options.caption ?? "",
    [...constants].filter(([, value]) => !options.caption?.includes(value))
      .map(([name, value]) => `${name}: ${value}`),
    days.size > 1 ? "UTC" : [...days].map((d) => `${d}, UTC`),
  ].flat().filter((part) => part).map(plain).join(" · ");
  const left = rows.height - records.length;
  const more = left > 0 ? `… ${count(left)} more row${left === 1 ? "" : "s"}` : "";
  const names = columns.map(({ name }) => plain(name));
  const body = records.map((_, i) => columns.map(({ format, values }) => format(values[i])));
  const total = totals &&
    columns.map(({ name, format }, i) =>
      name in totals ? format(totals[name]) : i === 0 ? "Total" : ""
    );

  const cells = (texts: readonly string[], row = -1) =>
    columns.map(({ name, look, values, full }, i) => {
      const width = full > 0 ? (Number(values[row] ?? 0) / full * 100).toFixed(1) : 0;
      const bar = `background:linear-gradient(90deg,#7f7f7f4d ${width}%,transparent 0)`;
      const opens = behind?.of(row, name) ?? [];
      const attributes = look + (Number(width) > 0 ? ` style="${bar}"` : "") +
        (opens.length > 0 ? ` data-rows="${opens.join(" ")}"` : "");
      const [open, close] = i === 0 ? ['th scope="row"', "th"] : ["td", "td"];
      return `<${open}${attributes}${isLive ? exactly(values[row], texts[i]!) : ""}>${
        html(texts[i])
      }</${close}>`;
    }).join("");
  const heads = columns.map(({ look }, i) => `<th scope="col"${look}>${html(names[i])}</th>`);
  const trs = body.map((texts, i) =>
    `<tr${marked?.has(i) ? ' class="m"' : ""}>${cells(texts, i)}</tr>`
  );
  const page = `${TABLE_STYLE}<div class="kpi-table"><table>
${caption && `<caption><span>${html(caption)}</span></caption>`}<thead><tr>${
    heads.join("")
  }</tr></thead><tbody>
${trs.join("\n")}${more && `<tr><td colspan="${columns.length}">${more}</td></tr>`}</tbody>
${total ? `<tfoot><tr>${cells(total)}</tr></tfoot>` : ""}</table>${
    behind ? rowsAsJson({ names: behind.names, rows: behind.rows }) : ""
  }</div>${isLive ? TABLE_SCRIPT : ""}${behind ? ROWS_SCRIPT : ""}`;

  const grid = [names, ...body, ...(total ? [total] : [])];
  const widths = columns.map((_, i) => Math.max(...grid.map((texts) => texts[i]!.length)));
  const line = (texts: readonly string[]) =>
    columns.map(({ isNumber }, i) => texts[i]![isNumber ? "padStart" : "padEnd"](widths[i]!))
      .join("  ").trimEnd();
  const rule = line(widths.map((width) => "─".repeat(width)));
  const foot = total ? [rule, line(total)] : [];
  const text = [caption, line(names), rule, ...body.map(line), more, ...foot];
  return displayable(page, text.filter((line) => line).join("\n"));
}

/** The value of a cell, for sorting and CSV, where its text is another. */
function exactly(value: unknown, text: string): string {
  const exact = value instanceof Date ? value.toISOString() : plain(value ?? "");
  const isPlain = typeof value === "string" || exact === text || text === "–";
  return value === undefined || isPlain ? "" : ` data-v="${html(exact)}"`;
}

/** Finds the columns of text that say the same in every row, of a single row what the caption says too. */
function constantsOf(rows: DataFrame, caption = ""): ReadonlyMap<string, string> {
  const found = rows.columns.slice(1).flatMap((name) => {
    const [value, ...others] = new Set(rows.getColumn(name).toArray());
    const isSaid = rows.height > 1 || caption.includes(`${name} ${value}`);
    return typeof value === "string" && others.length === 0 && isSaid
      ? [[name, value] as const]
      : [];
  });
  return new Map(found);
}

interface Values extends TableOptions {
  readonly values: readonly unknown[];
  readonly withDate: boolean;
}

function columnOf(name: string, { values, withDate, percent: shares, bars, amounts }: Values) {
  const present = values.filter((value) => value !== null && value !== undefined);
  const numbers = present.filter((v) => typeof v === "number" || typeof v === "bigint").map(Number);
  const isNumber = values.length > 0 && numbers.length === present.length; // of nulls only, too
  const finite = numbers.filter(Number.isFinite);
  const most = Math.max(0, ...finite.map(Math.abs));
  const isShare = shares?.includes(name) ??
    (/(^|_)(precision|recall|share|ratio)$/i.test(name) && finite.every((v) => v >= 0 && v <= 1));
  const digits = amounts?.includes(name)
    ? 2
    : finite.every(Number.isInteger)
    ? 0
    : most >= 100
    ? 1
    : most >= 1
    ? 2
    : 4;
  const times = present.filter((value) => value instanceof Date).map(Number);
  const length = times.some((ms) => ms % 1000) ? 12 : times.some((ms) => ms % 60_000) ? 8 : 5;
  const format = (value: unknown): string => {
    if (value === null || value === undefined) return "–";
    if (value instanceof Date) {
      return (withDate ? `${value.toISOString().slice(0, 10)} ` : "") + clock(value, length);
    }
    if (typeof value === "bigint") return count(value);
    if (typeof value === "number" && Number.isFinite(value)) {
      return isShare ? percent(value) : count(value, digits);
    }
    const text = plain(value);
    return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 1)}…` : text;
  };
  const isLong = present.some((value) => typeof value === "string" && value.length > 40);
  const look = isNumber ? ' class="n"' : isLong ? ' class="w"' : ""; // wide text wraps, numbers stand right
  return { isNumber, look, format, full: !bars?.includes(name) ? 0 : isShare ? 1 : most };
}
