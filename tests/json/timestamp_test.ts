import fc from "fast-check";
import assert from "node:assert/strict";
import { parseTimestamp, readUtcTimestamp } from "../../lib/json/timestamp.ts";

const ten = Date.UTC(2024, 0, 1, 10); // 2024-01-01T10:00:00Z

Deno.test("parseTimestamp() reads a date and time with or without its last parts", () => {
  const cases: [text: string, millis: number][] = [
    ["2024-01-01T10:00:00Z", ten],
    ["2024-01-01 10:00:00", ten],
    ["2024-1-1T10:0:0", ten],
    ["2024-01-01T10", ten],
    ["2024-01-01T10:00", ten],
    ["2024-01-01", ten - 36_000_000],
    ["2024-01", ten - 36_000_000],
    ["2024", ten - 36_000_000],
    ["+2024", ten - 36_000_000],
    [" \t2024-01-01T10:00:00Z\n\0\x7f", ten],
    ["2024-01-01T10:00:00.", ten],
    ["2024-01-01T10:00:00.5", ten + 500],
    ["2024-01-01T10:00:00.0009999", ten],
    ["2024-01-01T10:00:00.123456789Z", ten + 123],
    ["1969-12-31T23:59:59.9999Z", -1],
    ["1969-12-31T23:59:59.0001Z", -1_000],
    ["2024-02-29", Date.UTC(2024, 1, 29)],
    ["2000-02-29", Date.UTC(2000, 1, 29)],
  ];
  for (const [text, millis] of cases) assert.equal(parseTimestamp(text), millis, text);
});

Deno.test("parseTimestamp() refuses what Spark refuses, and a time without a date", () => {
  const texts = [
    "",
    " ",
    "now",
    "20240101",
    "2024-",
    "2024-01-01T",
    "2024-01-01  10:00:00",
    "2024-01-01t10:00:00Z",
    "2024-01-01T10:00:000",
    "2024-01-01T10:00Z",
    "2024-01-01Z",
    "2024/01/01",
    "123-01-01",
    "1234567-01-01",
    "2024-00-01",
    "2024-13-01",
    "2024-01-00",
    "2024-01-32",
    "2024-04-31",
    "2023-02-29",
    "1900-02-29",
    "2024-01-01T24:00:00",
    "2024-01-01T23:60:00",
    "2024-01-01T23:59:60",
    "２０２４-01-01",
    "10:00:00",
    "T10:00:00",
    `2024-01-01T10:00:00${" ".repeat(300_000)}x`,
  ];
  for (const text of texts) assert.equal(parseTimestamp(text), null, text.slice(0, 40));
});

Deno.test("parseTimestamp() takes zones as Java's ZoneId.of does", () => {
  const hour = 3_600_000;
  const cases: [zone: string, offset: number | null][] = [
    ["Z", 0],
    [" UTC", 0],
    ["GMT", 0],
    ["UT", 0],
    ["+2", 2 * hour],
    ["-02", -2 * hour],
    ["+0230", 2.5 * hour],
    ["+2:3", 2.05 * hour],
    ["+02:30:36", 2.51 * hour],
    ["+023036", 2.51 * hour],
    ["+18:00", 18 * hour],
    [" UTC+01:00", hour],
    ["GMT-1", -hour],
    ["GMT0", 0],
    ["GMT+01:00GMT", hour], // "GMT" taken out, +01:00 remains
    ["Etc/GMT+5", -5 * hour],
    ["America/New_York", -5 * hour],
    ["EST", -5 * hour],
    ["PST", -8 * hour],
    ["IST", 5.5 * hour],
    ["z", null],
    ["+", null],
    ["+013", null],
    ["+02:60", null],
    ["+18:00:01", null],
    ["utc", null],
    ["europe/paris", null],
    ["Nowhere/Town", null],
    ["[Europe/Paris]", null],
    ["..5", null],
  ];
  for (const [zone, offset] of cases) {
    const expected = offset === null ? null : ten - offset;
    assert.equal(parseTimestamp(`2024-01-01T10:00:00${zone}`), expected, zone);
  }
});

Deno.test("parseTimestamp() reads a local time that is missing or doubled by the offset before", () => {
  // 2024-03-31 in Paris: [--+1--)02:00 -> 03:00[--+2--)
  assert.equal(parseTimestamp("2024-03-31T02:30:00 Europe/Paris"), Date.UTC(2024, 2, 31, 1, 30));
  // 2024-10-27 in Paris: [--+2--)03:00 -> 02:00[--+1--)
  assert.equal(parseTimestamp("2024-10-27T02:30:00 Europe/Paris"), Date.UTC(2024, 9, 27, 0, 30));
});

Deno.test("parseTimestamp() ends where int64 microseconds end", () => {
  const last = "294247-01-10T04:00:54.775807";
  const first = "-290308-12-21T19:59:05.224192";
  assert.equal(parseTimestamp(last), 9_223_372_036_854_775);
  assert.equal(parseTimestamp(first), -9_223_372_036_854_776);
  const beyond = [
    "294247-01-10T04:00:54.775808",
    "294247-01-10T04:00:55",
    "-290308-12-21T19:59:05.224191",
    "-290308-12-21T19:59:04.999999",
    "999999-01-01",
    "200000-01-01T00:00:00-99",
  ];
  for (const text of beyond) assert.equal(parseTimestamp(text), null, text);
});

Deno.test("parseTimestamp() reads back what Date writes, in any year", () => {
  const end = new Date(8.64e15);
  fc.assert(
    fc.property(fc.date({ min: new Date(-8.64e15), max: end, noInvalidDate: true }), (date) => {
      assert.equal(parseTimestamp(date.toISOString()), date.getTime());
    }),
    { seed: 1, numRuns: 5_000 },
  );
});

Deno.test("readUtcTimestamp() equals parseTimestamp() or leaves the text to it", () => {
  const read = (text: string) => {
    const bytes = new TextEncoder().encode(`"${text}"`);
    return readUtcTimestamp(bytes, 1, bytes.length - 1);
  };
  assert.equal(read("2024-01-01T10:00:00Z"), ten);
  assert.equal(read("2024-01-01T10:00:00.1239Z"), ten + 123);
  for (const text of ["2024-01-01T10:00:00", "2024-01-01T10:00:00.Z", "2024-02-30T10:00:00Z", ""]) {
    assert.ok(Number.isNaN(read(text)), text);
  }
  const digit = fc.constantFrom(..."000111222345679", "x");
  const text = fc.array(digit, { minLength: 14, maxLength: 24 }).map((digits) => {
    const d = digits.join("");
    const date = `${d.slice(0, 4)}-${d.slice(4, 6)}-${d.slice(6, 8)}`;
    const time = `${d.slice(8, 10)}:${d.slice(10, 12)}:${d.slice(12, 14)}`;
    return `${date}T${time}${d.length > 14 ? "." : ""}${d.slice(14)}Z`;
  });
  let agreed = 0;
  fc.assert(
    fc.property(text, (text) => {
      const millis = read(text);
      if (Number.isNaN(millis)) return;
      assert.equal(millis, parseTimestamp(text));
      agreed++;
    }),
    { seed: 2, numRuns: 20_000 },
  );
  assert.ok(agreed > 100, `${agreed} texts read`);
});
