import { convert } from "./convert.ts";
import {
  type Cursor,
  readString,
  readToken,
  skipBlanks,
  skipBytes,
  stringAt,
  textAt,
  type Token,
} from "./tokens.ts";
import { type Reading, readPlainRows, type Values } from "./rows.ts";
import type {
  Field,
  FieldType,
  NumberColumn,
  ParsedBatch,
  Problem,
  Schema,
  StringColumn,
} from "../core/types.ts";

/** A field and the column under construction; of `numbers` and `strings` only one is in use. */
interface Target {
  readonly field: Field;
  /** The name as most writers spell it in JSON, with its quotes. */
  readonly key: Uint8Array;
  readonly numbers: Float64Array;
  readonly strings: (string | null)[];
  readonly nulls: Uint8Array;
  /** What came after this field last time, also from one message to the next: a guess. */
  next: Target | undefined;
}

/** Jackson, the JSON reader inside Spark, refuses deeper nesting. */
const maxDepth = 1_000;

/** Such as a second object: two messages without the newline between them. */
const MORE = "text behind the object is not read";

interface Batch {
  readonly targets: readonly Target[];
  /** Fields of the current row that held something else than the schema says. */
  readonly lost: Set<Target>;
  row: number;
  /** The last field read. */
  last: Target | undefined;
}

const expectations: Readonly<Record<FieldType, string>> = {
  timestamp: "expected a timestamp",
  double: "expected a double",
  integer: "expected an integer",
  string: "expected a string",
};

/**
 * Reads messages as `parseMessages` does, but where the parser leaves the columns: any other reading
 * in this thread overwrites them. `ownColumns` keeps those that are wanted.
 */
export function readMessages(
  messages: Iterable<Values>,
  reading: Reading,
): ParsedBatch {
  const { length, schema, features = [] } = reading;
  const rows = readPlainRows(messages, reading);
  const { matrix, unscored, ...columns } = rows;
  const targets = schema.map((field, i): Target => ({
    field,
    key: new TextEncoder().encode(JSON.stringify(field.name)),
    numbers: columns.numbers[i]!,
    strings: columns.strings[i]!,
    nulls: columns.nulls[i]!,
    next: undefined,
  }));
  const batch: Batch = { targets, lost: new Set(), row: 0, last: targets.at(-1) };
  targets.forEach((target, i) => target.next = targets[(i + 1) % targets.length]);
  const problems: Problem[] = [];
  for (const { row, bytes, isTombstone } of columns.left) {
    batch.row = row;
    for (const { nulls } of targets) nulls[row] = 1;
    const c: Cursor = { bytes, pos: 0, end: bytes.length, start: 0, value: 0, escaped: false };
    const reason = isTombstone ? "no value" : readRecord(c, batch);
    if (reason !== null || batch.lost.size > 0) problems.push(...settleRow(batch, reason));
    if (reason === null && skipBlanks(c) !== -1) problems.push({ row, reason: MORE });
    for (const [j, name] of features.entries()) {
      const { numbers, nulls } = targets.find(({ field }) => field.name === name)!;
      const value = nulls[row] === 1 ? NaN : numbers[row]!;
      if (Number.isNaN(value)) unscored[row] = 1;
      matrix[row * features.length + j] = value;
    }
  }
  return {
    length,
    columns: Object.fromEntries(targets.map((target) => [target.field.name, newColumn(target)])),
    problems,
    ...features.length > 0 && { matrix, unscored },
  };
}

/** Returns a batch with the columns named, all if absent, that nothing overwrites. */
export function ownColumns(parsed: ParsedBatch, names?: readonly string[]): ParsedBatch {
  const wanted = Object.entries(parsed.columns).filter(([name]) => names?.includes(name) ?? true);
  const columns = wanted.map(([name, column]) => [
    name,
    "nulls" in column
      ? { ...column, values: column.values.slice(), nulls: column.nulls.slice() }
      : column,
  ]);
  const { length, problems } = parsed;
  return { length, problems, columns: Object.fromEntries(columns) };
}

/**
 * Reads messages as Spark 3.5's `from_json(CAST(value AS STRING), schema)` does, in the order given.
 * A message that is no JSON object loses all its fields; a field of another type becomes null, or
 * keeps what an earlier field of the same name had. Both are problems; a field that is absent or
 * null is none. Names that the schema lacks are skipped; so is text behind the object, which is a
 * problem without a field, though the fields are read. Timestamps are strings (see `parseTimestamp`)
 * or whole seconds; a field of strings takes other values as the text they have in the message.
 */
export function parseMessages(messages: readonly Values[], schema: Schema): ParsedBatch {
  const length = messages.reduce((sum, { starts }) => sum + starts.length, 0);
  return ownColumns(readMessages(messages, { length, schema }));
}

function newColumn({ field, numbers, strings, nulls }: Target): NumberColumn | StringColumn {
  let nullCount = 0;
  if (nulls.includes(1)) { for (const isNull of nulls) nullCount += isNull; }
  if (field.type !== "string") return { values: numbers, nulls, nullCount };
  return { values: strings.map((text, row) => nulls[row] ? null : text), nullCount };
}

/** Lists the problems of the current row; if there is a `reason`, all its fields become null. */
function settleRow({ targets, lost, row }: Batch, reason: string | null): Problem[] {
  const left = [...lost].filter(({ nulls }) => nulls[row] === 1);
  lost.clear();
  if (reason === null) {
    return left.map(({ field: { name, type } }) => ({
      row,
      field: name,
      reason: expectations[type],
    }));
  }
  for (const { nulls } of targets) nulls[row] = 1;
  return [{ row, reason }];
}

/** Reads the object at the cursor into the current row, or says why it cannot. */
function readRecord(c: Cursor, batch: Batch): string | null {
  if (skipBlanks(c) === -1) return "empty";
  const token = readToken(c);
  if (token !== "object") return skipValue(c, token, 0) ? "not a JSON object" : "not JSON";
  for (let first = true;; first = false) {
    if (skipBlanks(c) === 125 /* } */) {
      c.pos++;
      return null;
    }
    if (!first && !skipSeparator(c, 44 /* , */)) return "not JSON";
    const target = readTarget(c, batch);
    if (target === undefined || !skipSeparator(c, 58 /* : */)) return "not JSON";
    const good = target === null ? skipValue(c, readToken(c), 1) : readField(c, target, batch);
    if (!good) return "not JSON";
  }
}

/** Reads a name and finds its target: null if the schema lacks it, undefined if there is no name. */
function readTarget(c: Cursor, batch: Batch): Target | null | undefined {
  const guess = batch.last?.next;
  if (guess !== undefined && skipBytes(c, guess.key)) return batch.last = guess;
  let target = batch.targets.find(({ key }) => skipBytes(c, key));
  if (target === undefined) {
    if (!readName(c)) return undefined;
    const plain = !c.escaped && c.bytes[c.start] === 34; /* " */
    const name = plain ? undefined : stringAt(c);
    target = batch.targets.find(({ field }) => field.name === name);
    if (target === undefined) return null;
  }
  if (batch.last !== undefined) batch.last.next = target;
  return batch.last = target;
}

/** Reads a field's value into the current row; false if the whole record is not JSON. */
function readField(c: Cursor, target: Target, batch: Batch): boolean {
  const { field: { type }, numbers, strings, nulls } = target;
  const { row, lost } = batch;
  const token = readToken(c);
  const { start } = c;
  if (token === "null") {
    nulls[row] = 1;
    return true;
  }
  // Spark reads on behind the place where the string of a field went wrong.
  if (token !== "bad string" && !skipValue(c, token, 1)) return false;
  if (type === "string" && token !== "bad string") {
    c.start = start;
    strings[row] = token === "string" ? stringAt(c) : textAt(c);
    nulls[row] = 0;
  } else if (convert(c, token, type)) {
    numbers[row] = c.value;
    nulls[row] = 0;
  } else lost.add(target);
  return true;
}

/**
 * Moves to the end of the value that starts with `token`, and says whether it is well formed;
 * `depth` counts the arrays and objects around it.
 */
function skipValue(c: Cursor, token: Token, depth: number): boolean {
  if (token !== "array" && token !== "object") return token !== "bad" && token !== "bad string";
  if (depth >= maxDepth) return false;
  for (let first = true;; first = false) {
    const byte = skipBlanks(c);
    if (byte === (token === "array" ? 93 /* ] */ : 125 /* } */)) {
      c.pos++;
      return true;
    }
    if (!first && !skipSeparator(c, 44 /* , */)) return false;
    if (token === "object" && !(readName(c) && skipSeparator(c, 58 /* : */))) return false;
    if (!skipValue(c, readToken(c), depth + 1)) return false;
  }
}

/** Moves over `separator` and the blanks around it, and says whether it was there. */
function skipSeparator(c: Cursor, separator: number): boolean {
  if (skipBlanks(c) !== separator) return false;
  c.pos++;
  skipBlanks(c);
  return true;
}

/** Reads the name of a field, and says whether there is one. */
function readName(c: Cursor): boolean {
  const byte = c.bytes[c.pos];
  return (byte === 34 /* " */ || byte === 39 /* ' */) && readString(c);
}
