import type { DataFrame } from "polars";
import { plainRows } from "./plain_rows.ts";
import { isoText } from "../core/time.ts";
import type { Sink } from "../core/types.ts";

/** Longer values are cut, as Spark does unless told otherwise. */
const MAX_WIDTH = 20;
const MIN_WIDTH = 3;

/** Prints the rows of each batch as a table, in the very form of Spark 3.5's console sink. */
export class ConsoleSink implements Sink {
  readonly description = "ConsoleSink";
  readonly #print: (text: string) => void;
  readonly #numRows: number;

  /** `print` gets one table at a time; at most `numRows` rows of a batch are shown. */
  constructor({ print = console.log, numRows = 20 }: {
    print?: (text: string) => void;
    numRows?: number;
  } = {}) {
    this.#print = print;
    this.#numRows = numRows;
  }

  addBatch(batchId: number, rows: DataFrame): Promise<void> {
    const line = "-".repeat(43);
    const isCut = rows.height > this.#numRows;
    this.#print([
      line,
      `Batch: ${batchId}`,
      line,
      ...tableOf(rows.limit(this.#numRows)),
      ...isCut ? [`only showing top ${this.#numRows} ${this.#numRows === 1 ? "row" : "rows"}`] : [],
      "",
    ].join("\n"));
    return Promise.resolve();
  }
}

/** The lines of the table, values at the right of their columns. */
function tableOf(rows: DataFrame): string[] {
  const isDouble = rows.columns.map((name) => /Float/.test(String(rows.getColumn(name).dtype)));
  const cells = plainRows(rows, sparkTime).map((row) =>
    row.map((value, i) => cut(textOf(value, isDouble[i]!)))
  );
  const table = [rows.columns.map(escaped), ...cells];
  const widths = rows.columns.map((_, i) =>
    Math.max(MIN_WIDTH, ...table.map((row) => widthOf(row[i]!)))
  );
  const rule = `+${widths.map((width) => "-".repeat(width)).join("+")}+`;
  const lines = table.map((row) =>
    `|${row.map((cell, i) => " ".repeat(widths[i]! - widthOf(cell)) + cell).join("|")}|`
  );
  return [rule, lines[0]!, rule, ...lines.slice(1), rule];
}

function textOf(value: unknown, isDouble: boolean): string {
  if (value === null || value === undefined) return "NULL";
  return isDouble ? javaDouble(Number(value)) : escaped(String(value));
}

/** Writes a double as Java does: `1.0`, `1.0E7`, `1.0E-4`. */
function javaDouble(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const isPlain = value === 0 || size >= 1e-3 && size < 1e7;
  const [digits, power] = isPlain ? [String(value)] : value.toExponential().split("e");
  const sign = Object.is(value, -0) ? "-" : "";
  const whole = digits!.includes(".") ? digits : `${digits}.0`;
  return `${sign}${whole}${power === undefined ? "" : `E${Number(power)}`}`;
}

/** Writes an instant in UTC as Spark does: `2024-01-01 10:00:00`, with a fraction if there is one. */
function sparkTime(ms: number): string {
  const [, year, date, clock, fraction] = /^([+-]?\d+)(-.{5})T(.{8})\.(\d+)Z$/.exec(isoText(ms))!;
  const y = Number(year);
  const full = y > 9999 ? `+${y}` : `${y < 0 ? "-" : ""}${String(Math.abs(y)).padStart(4, "0")}`;
  const part = fraction!.replace(/0+$/, "");
  return `${full}${date} ${clock}${part === "" ? "" : `.${part}`}`;
}

/** Writes control characters as Spark does, from `\a` to `\r`. */
function escaped(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x07-\r]/g, (char) => `\\${"abtnvfr"[char.charCodeAt(0) - 7]}`);
}

function cut(text: string): string {
  return text.length > MAX_WIDTH ? `${text.slice(0, MAX_WIDTH - 3)}...` : text;
}

/** Characters twice as wide as others, by Spark's list. */
const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE10-\uFE19\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]/g;

function widthOf(text: string): number {
  return text.length + (text.match(WIDE)?.length ?? 0);
}
