// The fast path of from_json.ts, in AssemblyScript; `deno task wasm` makes rows.wasm of it.
// It reads rows as most writers write them, and leaves every other row to from_json.ts: one with an
// error, an escape, a value of another type, a nested value under a name that the schema lacks, or a
// number that it cannot round for sure. So it never decides what a row that is not plain means.
//
// Functions that read take the place of the next byte and return the one behind what they read, or 0 if
// it is not plain: a place in a global variable would be written and read back at each step.

import { DOUBLE, FEATURE, Field, findField, INTEGER, skipKey, skipWholeKey, TIMESTAMP } from "./fields";
import { isFloat, readFeature, readNumber, value } from "./numbers";
import { readTimestamp } from "./timestamps";

export { countLines, splitLines } from "./lines";
export { powers } from "./numbers";

/** The fields that the row read last has a value for, a bit each. */
let seen: u64 = 0;

/** Where the memory is free. */
export function heap(): usize {
  return __heap_base;
}

/**
 * Reads `length` rows into the columns of `fields`, from row `first` on, and marks in `done` which
 * rows it has read; the columns of the others hold nothing meant. Returns how many it left.
 */
export function parseRows(
  text: usize,
  starts: usize,
  ends: usize,
  length: i32,
  fields: usize,
  width: i32,
  first: i32,
  done: usize,
  stride: i32,
  unscored: usize,
): i32 {
  const all: u64 = width === 64 ? ~0 : ((<u64> 1) << width) - 1;
  const last = fields + <usize> (width - 1) * offsetof<Field>();
  let left = 0;
  for (let i = 0; i < length; i++) {
    const row = first + i;
    const end = text + load<u32>(ends + (i << 2));
    const behind = readRow(text + load<u32>(starts + (i << 2)), end, text, fields, last, row, row * stride);
    if (behind === 0 || behind !== end && (behind > end || skipBlanks(behind, end) !== end)) {
      left++;
      continue;
    }
    store<u8>(done + row, 1);
    for (let missing = all & ~seen; missing !== 0; missing &= missing - 1) {
      const field = changetype<Field>(fields + <usize> ctz(missing) * offsetof<Field>());
      store<u8>(field.nulls + row, 1);
      if (field.feature !== 0) {
        store<f32>(field.feature + row * stride, NaN);
        store<u8>(unscored + row, 1);
      }
    }
  }
  return left;
}

/** Reads one object; what it returns may lie behind `end` if the object is cut off. */
function readRow(
  start: usize,
  end: usize,
  text: usize,
  fields: usize,
  last: usize,
  row: i32,
  cell: usize,
): usize {
  let bits: u64 = 0;
  let field = changetype<Field>(last);
  let at = skipBlanks(start, end);
  if (load<u8>(at) !== 123 /* { */) return 0;
  at = skipBlanks(at + 1, end);
  if (load<u8>(at) === 44 /* , */) return 0;
  let isFirst = true;
  /** Where the feature read last begins, if something else than a number of its form may stand there. */
  let number: usize = 0;
  while (true) {
    // What came next last time, most likely without a blank before it and within it.
    let known: Field | null = field.next;
    let behind = skipWholeKey(at, field.next);
    if (behind !== 0) {
      if (field.next.type === FEATURE) {
        const next = readFeature(behind, field.next.feature + cell);
        if (next !== 0) {
          number = behind;
          at = next;
          field = field.next;
          bits |= field.bit;
          continue;
        }
      }
      at = skipBlanks(behind, end);
    } else {
      at = skipBlanks(at, end);
      const byte = load<u8>(at);
      if (!isFirst) {
        if (byte === 125 /* } */) {
          seen = bits;
          return at + 1;
        }
        if (byte !== 44 /* , */) {
          if (number === 0) return 0;
          at = readField(number, text, field, row, cell); // longer than it seemed, or with an exponent
          if (at === 0) return 0;
          number = 0;
          continue;
        }
        at = skipBlanks(at + 1, end);
      }
      isFirst = false;
      behind = skipKey(at, field.next, 1);
      if (behind === 0) {
        known = findField(at, fields, last);
        behind = known === null ? skipString(at) : skipKey(at, known, 1);
        if (behind === 0) return 0;
        if (known !== null) field.next = known;
      }
      at = skipBlanks(behind, end);
      if (load<u8>(at) !== 58 /* : */) return 0;
      at = skipBlanks(at + 1, end);
    }
    number = 0;
    if (known === null) at = skipScalar(at);
    else {
      field = known;
      if (load<u32>(at) === 0x6c6c756e /* null */) {
        at += 4;
        bits &= ~field.bit;
      } else {
        at = readField(at, text, field, row, cell);
        bits |= field.bit;
      }
    }
    if (at === 0) return 0;
  }
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function skipBlanks(start: usize, end: usize): usize {
  let at = start;
  for (let byte = load<u8>(at); byte <= 32 && at < end; byte = load<u8>(++at)) {
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) break;
  }
  return at;
}

/** Moves over a string without escapes. */
function skipString(start: usize): usize {
  if (load<u8>(start) !== 34 /* " */) return 0;
  let at = start + 1;
  for (let byte = load<u8>(at); byte !== 34 /* " */; byte = load<u8>(++at)) {
    if (byte < 32 || byte === 92 /* \ */) return 0;
  }
  return at + 1;
}

/** Moves over a value that no field takes. */
function skipScalar(at: usize): usize {
  const word = load<u32>(at);
  if (load<u8>(at) === 34 /* " */) return skipString(at);
  if (word === 0x6c6c756e /* null */ || word === 0x65757274 /* true */) return at + 4;
  if (word === 0x736c6166 /* fals */ && load<u8>(at, 4) === 101 /* e */) return at + 5;
  return readNumber(at);
}

/** Reads a value into its column; a string as its place in the text. */
function readField(at: usize, text: usize, field: Field, row: i32, cell: usize): usize {
  const type = field.type;
  const target = field.values + (row << 3);
  if (type === DOUBLE || type === INTEGER || type === FEATURE) {
    const end = readNumber(at);
    if (type !== FEATURE) store<f64>(target, value);
    if (field.feature !== 0) store<f32>(field.feature + cell, <f32> value);
    return type === INTEGER && (isFloat || value !== <f64> (<i32> value)) ? 0 : end;
  }
  if (type === TIMESTAMP) return readTimestamp(at, target);
  const end = skipString(at);
  store<u32>(target, <u32> (at + 1 - text));
  store<u32>(target, <u32> (end - 1 - text), 4);
  return end;
}
