import { csvParseRows } from "d3-dsv";
import pl, { type DataFrame, type Series } from "polars";

/** A column of numbers; NaN where the file has no value, NaN or an infinity. */
export interface NumbersOfFile {
  /** Shape [rows]. */
  readonly values: readonly number[];
  readonly isFloat32: boolean;
}

/**
 * Reads the columns `names` of a parquet or CSV file as numbers, at most `limit` rows of them.
 *
 * Nothing is guessed: a value that is no number is refused, as is an integer that a double cannot
 * hold. Text is read as a number if it is one, blanks around it do not matter, a blank line of a CSV
 * file is no row. Throws a `RangeError` that names the file, the column, the row (from 1) and the
 * value, and for a file that lacks a column or holds no row.
 */
export function readNumbers(
  file: string,
  names: readonly string[],
  limit = Infinity,
): readonly NumbersOfFile[] {
  const isCsv = /\.csv$/i.test(file);
  try {
    const columns = isCsv ? fromCsv(file, names, limit) : fromParquet(file, names, limit);
    if (columns[0]!.values.length === 0) throw new RangeError("it holds no rows");
    return columns;
  } catch (error) {
    const { message, constructor } = error as Error;
    const Known = constructor === RangeError ? RangeError : Error;
    throw new Known(`Cannot read the recording ${file}: ${message}`, { cause: error });
  }
}

function fromCsv(file: string, names: readonly string[], limit: number): NumbersOfFile[] {
  const columns = names.map(() => ({ values: [] as number[], isFloat32: false }));
  let header: readonly string[] | undefined;
  let places: number[] = [];
  let rows = 0;
  for (const record of recordsOf(file)) {
    if (rows === limit) break;
    if (record.length === 1 && record[0]!.trim() === "") continue; // a blank line
    if (header === undefined) {
      header = record.map((name) => name.trim());
      checkHeader(header, names);
      places = names.map((name) => header!.indexOf(name));
      continue;
    }
    rows++;
    if (record.length !== header.length || record.every((text) => text.trim() === "")) {
      const n = record.length === header.length ? 0 : record.length;
      throw new RangeError(`row ${rows} has ${n} values and the header ${header.length}`);
    }
    for (const [i, { values }] of columns.entries()) {
      const text = record[places[i]!]!;
      values.push(numberIn(text, names[i]!, rows));
    }
  }
  if (header === undefined) throw new RangeError("it is empty");
  return columns;
}

const BLOCK_BYTES = 4 * 1024 * 1024;
const QUOTE = 34;

/** Yields the records of a CSV file from one block of it after another: it may be larger than a string. */
function* recordsOf(file: string): Generator<readonly string[]> {
  using handle = Deno.openSync(file);
  let rest = new Uint8Array();
  for (let read: number | null = 0; read !== null;) {
    const block = new Uint8Array(rest.length + BLOCK_BYTES);
    block.set(rest);
    read = handle.readSync(block.subarray(rest.length));
    const bytes = block.subarray(0, rest.length + (read ?? 0));
    const end = read === null ? bytes.length : endOfRecords(bytes);
    if (read === null && bytes.filter((byte) => byte === QUOTE).length % 2 === 1) {
      throw new RangeError("its last quote is never closed");
    }
    yield* csvParseRows(new TextDecoder().decode(bytes.subarray(0, end)));
    rest = bytes.slice(end);
  }
}

/** Returns where the last line ends that no quotes hold open. */
function endOfRecords(bytes: Uint8Array): number {
  let isQuoted = false;
  let end = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === QUOTE) isQuoted = !isQuoted;
    else if (bytes[i] === 10 /* \n */ && !isQuoted) end = i + 1;
  }
  return end;
}

function fromParquet(file: string, names: readonly string[], limit: number): NumbersOfFile[] {
  const frame: DataFrame = pl.readParquet(file);
  checkHeader(frame.columns, names);
  const rows = frame.head(Math.min(limit, frame.height));
  return names.map((name) => {
    const column = rows.getColumn(name);
    try {
      return { values: numbersOf(column), isFloat32: column.dtype.equals(pl.Float32) };
    } catch (error) {
      const { message } = error as Error;
      throw error instanceof RangeError ? error : new RangeError(`column ${name}: ${message}`);
    }
  });
}

function numbersOf(column: Series): number[] {
  const { name, dtype } = column;
  const kind = dtype.variant;
  const values = (read: Series) => read.toArray() as unknown[];
  if (/^Float\d+$/.test(kind)) return values(column).map((value) => value as number ?? NaN);
  if (kind === "Bool" && name === "Class") return numbersOf(column.cast(pl.Float64));
  if (
    /^U?Int\d+$/.test(kind) || ["Utf8", "String", "Categorical", "Enum", "Decimal"].includes(kind)
  ) {
    return values(column.cast(pl.Utf8)).map((text, row) =>
      text === null ? NaN : numberIn(text as string, name, row + 1)
    );
  }
  return values(column).map((value, row) =>
    value === null ? NaN : refuse(name, row + 1, value, ` of type ${kind}`)
  );
}

const TOO_LONG = " has too many digits for a double: it";
const INTEGER = /^\s*[+-]?\d+\s*$/;
const NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i;
const NO_NUMBER = /^\s*(?:[+-]?(?:nan|inf|infinity))?\s*$/i;

/** Reads a number, NaN if the text says that there is none; undefined if it is something else. */
function numberOf(text: string): number | undefined {
  if (!NUMBER.test(text)) return NO_NUMBER.test(text) ? NaN : undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

function numberIn(text: string, name: string, row: number): number {
  const number = numberOf(text) ?? refuse(name, row, text);
  if (INTEGER.test(text) && !Number.isSafeInteger(number)) refuse(name, row, text, TOO_LONG);
  return number;
}

function refuse(name: string, row: number, value: unknown, type = ""): never {
  const text = JSON.stringify(value)?.slice(0, 60) ?? String(value);
  throw new RangeError(`column ${name}, row ${row}: ${text}${type} should be a number`);
}

function checkHeader(header: readonly string[], names: readonly string[]): void {
  const missing = names.filter((name) => !header.includes(name));
  const twice = names.filter((name) => header.indexOf(name) !== header.lastIndexOf(name));
  const wrong = missing.length > 0 ? missing : twice;
  if (wrong.length === 0) return;
  throw new RangeError(
    `it should have the columns Time, V1 to V28, Amount and Class, but ${wrong.join(", ")} ` +
      `${wrong.length === 1 ? "is" : "are"} ${wrong === missing ? "missing" : "there twice"}`,
  );
}
