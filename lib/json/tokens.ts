/** A place in a buffer of JSON text, and what the last call read there. */
export interface Cursor {
  readonly bytes: Uint8Array;
  pos: number;
  /** Where the text ends, exclusive. */
  end: number;
  /** Where the last token starts. */
  start: number;
  /** The value of the last number. */
  value: number;
  /** Whether the last string holds a backslash. */
  escaped: boolean;
}

/**
 * What `readToken` found. Of an array or object it reads the opening bracket only; after a "bad
 * string" the cursor stands behind the first wrong character.
 */
export type Token =
  | "bad"
  | "bad string"
  | "array"
  | "object"
  | "string"
  | "integer"
  | "float"
  | "boolean"
  | "null";

/** The numbers without digits that Jackson reads, bare or (for a field of doubles) as a string. */
export const namedDoubles: ReadonlyMap<string, number> = new Map([
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["+Infinity", Infinity],
  ["+INF", Infinity],
  ["-Infinity", -Infinity],
  ["-INF", -Infinity],
]);

const encoder = new TextEncoder();
// A byte order mark at the start of a string belongs to the string.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const words: readonly (readonly [Uint8Array, Token, number])[] = [
  [encoder.encode("null"), "null", 0],
  [encoder.encode("true"), "boolean", 1],
  [encoder.encode("false"), "boolean", 0],
  ...Array.from(namedDoubles, ([word, value]) => [encoder.encode(word), "float", value] as const),
];
const escapable = new Set(encoder.encode(`"'/\\bfnrtu`));

/** Jackson, the JSON reader inside Spark, refuses longer numbers. */
const maxDigits = 1_000;

/** Moves over blanks and returns the byte there, -1 at the end. */
export function skipBlanks(c: Cursor): number {
  const { bytes, end } = c;
  let pos = c.pos;
  while (pos < end) {
    const byte = bytes[pos]!;
    if (byte > 32 || byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) {
      c.pos = pos;
      return byte;
    }
    pos++;
  }
  c.pos = pos;
  return -1;
}

/** Moves over `expected` if it comes next, and says whether it did. */
export function skipBytes(c: Cursor, expected: Uint8Array): boolean {
  const { bytes, pos } = c;
  if (pos + expected.length > c.end) return false;
  for (let i = 0; i < expected.length; i++) {
    if (bytes[pos + i] !== expected[i]) return false;
  }
  c.pos = pos + expected.length;
  return true;
}

/**
 * Reads the scalar at the cursor, or the bracket that opens an array or object. At the end of the
 * text it sees the next message's first byte: the token is bad, or a bracket with nothing behind it.
 */
export function readToken(c: Cursor): Token {
  const byte = c.bytes[c.pos]!;
  c.start = c.pos;
  if (byte === 34 /* " */) return readString(c) ? "string" : "bad string";
  if (byte - 48 >>> 0 <= 9 || byte === 45 /* - */ && c.bytes[c.pos + 1] !== 73 /* I */) {
    return readNumber(c);
  }
  // Jackson reads a string in single quotes at once, so that an error in it is the whole record's.
  if (byte === 39 /* ' */) return readString(c) ? "string" : "bad";
  if (byte === 91 /* [ */ || byte === 123 /* { */) {
    c.pos++;
    return byte === 91 ? "array" : "object";
  }
  for (const [word, token, value] of words) {
    if (skipBytes(c, word)) {
      c.value = value;
      return token;
    }
  }
  return "bad";
}

/** Moves over the string whose quote is next, and says whether it is well formed. */
export function readString(c: Cursor): boolean {
  const { bytes, end } = c;
  const quote = bytes[c.pos]!;
  let pos = c.pos + 1;
  let good = true;
  c.start = c.pos;
  c.escaped = false;
  while (good && pos < end) {
    const byte = bytes[pos++]!;
    if (byte === quote) {
      c.pos = pos;
      return true;
    }
    if (byte === 92 /* \ */) {
      c.escaped = true;
      const escape = bytes[pos++]!;
      good = escapable.has(escape);
      for (let i = 0; good && i < 4 && escape === 117 /* u */; i++) {
        good = pos < end && isHex(bytes[pos++]!);
      }
    } else if (byte < 32) good = false;
  }
  // What is wrong may be a character of several bytes.
  while (pos < end && bytes[pos - 1]! >= 0x80 && (bytes[pos]! & 0xc0) === 0x80) pos++;
  c.pos = pos;
  return false;
}

function isHex(byte: number): boolean {
  return byte >= 48 && byte <= 57 || (byte | 32) >= 97 && (byte | 32) <= 102;
}

/** Returns the last string; what is not UTF-8 becomes U+FFFD. */
export function stringAt(c: Cursor): string {
  const text = decoder.decode(c.bytes.subarray(c.start + 1, c.pos - 1));
  return c.escaped ? text.replace(/\\(?:u(....)|(.))/gs, unescape) : text;
}

function unescape(_: string, hex: string | undefined, letter: string): string {
  if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
  const i = "bfnrt".indexOf(letter);
  return i < 0 ? letter : "\b\f\n\r\t".charAt(i);
}

/** Returns the text of the last token as it stands. */
export function textAt(c: Cursor): string {
  return decoder.decode(c.bytes.subarray(c.start, c.pos));
}

/**
 * Reads a number of JSON's grammar, as correctly rounded as `Number` would: up to 9 digits go to one
 * integer, 9 more to another, and what does not fit is left to `Number`.
 */
function readNumber(c: Cursor): Token {
  const { bytes, end } = c;
  const negative = bytes[c.pos] === 45; /* - */
  const first = negative ? c.pos + 1 : c.pos;
  let pos = first;
  let digit = 0;
  let high = 0;
  for (; pos < end && (digit = bytes[pos]! - 48) >>> 0 <= 9; pos++) {
    high = Math.imul(high, 10) + digit;
  }
  const whole = pos - first;
  if (whole === 0 || whole > 1 && bytes[first] === 48) return "bad";
  let fits = whole <= 9;
  let low = 0;
  let lowDigits = 0;
  const point = pos;
  if (pos < end && bytes[pos] === 46 /* . */) {
    pos++;
    // Leading zeros are no digits of the integer.
    while (high === 0 && pos < end && bytes[pos] === 48) pos++;
    let limit = Math.min(end, pos + 9 - (high === 0 ? 0 : whole));
    for (; pos < limit && (digit = bytes[pos]! - 48) >>> 0 <= 9; pos++) {
      high = Math.imul(high, 10) + digit;
    }
    const lowStart = pos;
    limit = Math.min(end, pos + 9);
    for (; pos < limit && (digit = bytes[pos]! - 48) >>> 0 <= 9; pos++) {
      low = Math.imul(low, 10) + digit;
    }
    lowDigits = pos - lowStart;
    for (; pos < end && bytes[pos]! - 48 >>> 0 <= 9; pos++) fits = false;
    if (pos === point + 1) return "bad";
  }
  let scale = Math.max(0, pos - point - 1);
  let digits = whole + scale;
  if (pos < end && (bytes[pos]! | 32) === 101 /* e */) {
    const sign = bytes[++pos];
    if (sign === 43 /* + */ || sign === 45 /* - */) pos++;
    const start = pos;
    let exponent = 0;
    for (; pos < end && (digit = bytes[pos]! - 48) >>> 0 <= 9; pos++) {
      exponent = exponent * 10 + digit;
    }
    if (pos === start) return "bad";
    scale += sign === 45 ? exponent : -exponent;
    digits += pos - start;
  }
  if (digits > maxDigits) return "bad";
  c.pos = pos;
  const value = fits ? scaleDown(high, low, lowDigits, scale) : NaN;
  if (Number.isNaN(value)) c.value = Number(textAt(c));
  else c.value = !negative ? value : pos > point ? -value : 0 - value; // an integer has no -0
  return pos > point ? "float" : "integer";
}

/** 10^0 … 10^22, all exact in a double, their inverses, and their halves. */
const powers = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const inverses = powers.map((power) => 1 / power);
const upperHalves = powers.map(upperHalf);

/** Cuts a double to its upper 26 bits, so that products of halves are exact (Veltkamp). */
function upperHalf(x: number): number {
  const scaled = x * 134_217_729;
  return scaled - (scaled - x);
}

/** Computes the double nearest to (high * 10^lowDigits + low) / 10^scale; NaN if it is not sure. */
function scaleDown(high: number, low: number, lowDigits: number, scale: number): number {
  const power = powers[scale];
  if (power === undefined) return NaN;
  if (lowDigits === 0) return high / power;
  const upper = high * powers[lowDigits]!; // exact: at most 30 and 21 bits, beside powers of 2
  const sum = upper + low;
  const rest = low - (sum - upper); // exact: what the addition rounded away
  const quotient = sum / power;
  if (rest === 0) return quotient;
  // The remainder of the division is exact (Dekker's product), so `more` is what the quotient lacks
  // up to 2^-51 of itself. Where that can change the rounding, the two sums differ.
  const a = upperHalf(quotient);
  const b = quotient - a;
  const x = upperHalves[scale]!;
  const y = power - x;
  const product = quotient * power;
  const error = ((a * x - product) + a * y + b * x) + b * y;
  const more = ((sum - product - error) + rest) * inverses[scale]!;
  const value = quotient + more * (1 - 2 ** -50);
  return value === quotient + more * (1 + 2 ** -50) ? value : NaN;
}
