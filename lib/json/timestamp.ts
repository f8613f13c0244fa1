/** Java's short zone names, which Spark accepts: `ZoneId.SHORT_IDS`. */
const shortZones = new Map(
  ("ACT Australia/Darwin AET Australia/Sydney AGT America/Argentina/Buenos_Aires ART Africa/Cairo " +
    "AST America/Anchorage BET America/Sao_Paulo BST Asia/Dhaka CAT Africa/Harare " +
    "CNT America/St_Johns CST America/Chicago CTT Asia/Shanghai EAT Africa/Addis_Ababa " +
    "ECT Europe/Paris IET America/Indiana/Indianapolis IST Asia/Kolkata JST Asia/Tokyo " +
    "MIT Pacific/Apia NET Asia/Yerevan NST Pacific/Auckland PLT Asia/Karachi PNT America/Phoenix " +
    "PRT America/Puerto_Rico PST America/Los_Angeles SST Pacific/Guadalcanal " +
    "VST Asia/Ho_Chi_Minh EST -05:00 MST -07:00 HST -10:00 UT +00 Z +00")
    .matchAll(/(\S+) (\S+)/g).map(([, name, zone]) => [name, zone] as const),
);

const form =
  /^([+-]?\d{4,6})(?:-(\d\d?)(?:-(\d\d?)(?:[ T](\d\d?)(?::(\d\d?)(?::(\d\d?)(?:\.(\d*))?(\D.*)?)?)?)?)?)?$/s;
const offsetForm = /^(?:UTC|GMT|UT)?([+-](?:\d|\d\d(?:(?:\d\d){0,2}|(?::\d\d){1,2})))$/;

/**
 * Reads a timestamp as Spark 3.5's `from_json` does in a session in UTC: epoch milliseconds, floored
 * from microseconds, or null if the text is not one or lies outside Spark's range (int64
 * microseconds). The date may stop after the year, the month or the day, the time after the hour or
 * the minute; a zone may follow the seconds, as `Z`, an offset or a name. A time of day alone, which
 * Spark puts on the current date, is null here, because it would not read the same tomorrow.
 */
export function parseTimestamp(text: string): number | null {
  // Spark takes out "GMT" and tries again, for timestamps written by its first versions.
  return parse(text) ?? (text.includes("GMT") ? parse(text.replaceAll("GMT", "")) : null);
}

function parse(text: string): number | null {
  const match = form.exec(trim(text));
  if (!match) return null;
  // What is left out is left out at the end.
  const [year = 1, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1, 7)
    .filter((digits) => digits !== undefined).map(Number);
  if (!isDate(year, month, day) || hour > 23 || minute > 59 || second > 59) return null;
  const local = epochDay(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
  const seconds = match[8] === undefined ? local : toUtc(local, match[8]);
  if (seconds === null) return null;
  const micros = Number((match[7] ?? "").slice(0, 6).padEnd(6, "0"));
  // Int64 microseconds end within these two seconds.
  if (seconds > 9_223_372_036_854 || seconds === 9_223_372_036_854 && micros > 775_807) return null;
  if (seconds < -9_223_372_036_855 || seconds === -9_223_372_036_855 && micros < 224_192) {
    return null;
  }
  return seconds * 1_000 + Math.floor(micros / 1_000);
}

/** Drops blanks and control characters on both sides; a pattern would take quadratic time. */
function trim(text: string): string {
  const isBlank = (i: number) => text.charCodeAt(i) <= 32 || text.charCodeAt(i) === 127;
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(start)) start++;
  while (start < end && isBlank(end - 1)) end--;
  return text.slice(start, end);
}

/** Moves seconds of local time to UTC by the rules of Java's `ZoneId.of`, or null without such a zone. */
function toUtc(local: number, text: string): number | null {
  const padded = text.replace(/^[\0- ]+/, "")
    .replace(/([+-])(\d):/, "$10$2:")
    .replace(/([+-]\d\d):(\d)$/, "$1:0$2");
  const zone = shortZones.get(padded) ?? padded;
  const offset = offsetForm.exec(zone)?.[1];
  if (offset !== undefined) {
    const [hours = 0, minutes = 0, seconds = 0] = offset.match(/\d\d?/g)!.map(Number);
    const size = hours * 3_600 + minutes * 60 + seconds;
    if (minutes > 59 || seconds > 59 || size > 18 * 3_600) return null;
    return offset.startsWith("-") ? local + size : local - size;
  }
  try {
    const at = new Date(local * 1_000).toISOString().slice(0, -1);
    const zoned = Temporal.PlainDateTime.from(at).toZonedDateTime(zone);
    // Java's names are case-sensitive, Temporal's are not.
    return zoned.timeZoneId === zone ? zoned.epochMilliseconds / 1_000 : null;
  } catch (error) {
    if (error instanceof RangeError) return null; // no such zone, or a year beyond Temporal's
    throw error;
  }
}

function isDate(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false;
  if (month !== 2) return day <= 30 + ((month + (month >> 3)) & 1);
  return day <= (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28);
}

/** Counts the days from 1970-01-01 in the Gregorian calendar, for any year. */
function epochDay(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1; // a year that ends with February
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear -
    719_468;
}

/**
 * Reads the common form `YYYY-MM-DDTHH:MM:SS[.f]Z` from the bytes `[start, end)` without making a
 * string: epoch milliseconds, floored. NaN is not yet an answer: `parseTimestamp` takes other forms.
 */
export function readUtcTimestamp(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (
    length < 20 || bytes[start + 4] !== 45 || bytes[start + 7] !== 45 || bytes[start + 10] !== 84 ||
    bytes[start + 13] !== 58 || bytes[start + 16] !== 58 || bytes[end - 1] !== 90 ||
    length > 20 && (length < 22 || bytes[start + 19] !== 46)
  ) return NaN;
  const year = twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2);
  const month = twoDigits(bytes, start + 5);
  const day = twoDigits(bytes, start + 8);
  const hour = twoDigits(bytes, start + 11);
  const minute = twoDigits(bytes, start + 14);
  const second = twoDigits(bytes, start + 17);
  if (!isDate(year, month, day) || hour > 23 || minute > 59 || second > 59) return NaN;
  let millis = 0;
  for (let i = start + 20, unit = 100; i < end - 1; i++, unit = Math.trunc(unit / 10)) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) return NaN;
    millis += digit * unit;
  }
  return epochDay(year, month, day) * 86_400_000 +
    (hour * 3_600 + minute * 60 + second) * 1_000 + millis;
}

/** Reads the two digits at `i`; NaN if they are not digits. */
function twoDigits(bytes: Uint8Array, i: number): number {
  const tens = bytes[i]! - 48;
  const ones = bytes[i + 1]! - 48;
  return tens >>> 0 <= 9 && ones >>> 0 <= 9 ? tens * 10 + ones : NaN;
}
