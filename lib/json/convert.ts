import { type Cursor, namedDoubles, stringAt, textAt, type Token } from "./tokens.ts";
import { parseTimestamp, readUtcTimestamp } from "./timestamp.ts";
import type { FieldType } from "../core/types.ts";

/** Turns the token at the cursor into the value of a field of numbers, and says whether that can be done. */
export function convert(c: Cursor, token: Token, type: FieldType): boolean {
  if (type === "integer") return token === "integer" && (c.value | 0) === c.value;
  if (type === "double" && token !== "string") return token === "float" || token === "integer";
  if (token === "integer") return secondsToMillis(c);
  if (token !== "string") return false;
  const value = type === "double" ? namedDoubles.get(stringAt(c)) : readTimestamp(c);
  if (value === undefined || value === null) return false;
  c.value = value;
  return true;
}

function readTimestamp(c: Cursor): number | null {
  const millis = readUtcTimestamp(c.bytes, c.start + 1, c.pos - 1);
  return Number.isNaN(millis) ? parseTimestamp(stringAt(c)) : millis;
}

/** Turns seconds into milliseconds by way of Spark's int64 microseconds, which may wrap around. */
function secondsToMillis(c: Cursor): boolean {
  if (Math.abs(c.value) < 9e12) {
    c.value *= 1_000;
    return true;
  }
  const seconds = BigInt(textAt(c));
  const micros = BigInt.asIntN(64, seconds * 1_000_000n);
  c.value = Number(micros / 1_000n - (micros % 1_000n < 0n ? 1n : 0n)); // floored
  return BigInt.asIntN(64, seconds) === seconds;
}
