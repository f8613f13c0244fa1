import { equal, throws } from "node:assert/strict";
import { parseDuration } from "../../lib/core/duration.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

Deno.test("parseDuration() reads what Spark reads as an interval", () => {
  const cases: [string, number][] = [
    ["30 seconds", 30 * SECOND],
    ["2 minutes", 2 * MINUTE],
    ["1 second", SECOND],
    ["0 seconds", 0],
    ["250 milliseconds", 250],
    ["1.5 seconds", 1500],
    [".25 seconds", 250],
    ["0.0019999 seconds", 1],
    ["500 microseconds", 0], // what is below a millisecond is cut off
    ["2 minutes 1500 microseconds", 2 * MINUTE + 1],
    ["1 minute 30 seconds", 90 * SECOND],
    ["interval 1 minute", MINUTE],
    ["2 MINUTES", 2 * MINUTE],
    ["- 10 seconds + 1 minute", 50 * SECOND],
    ["1 hour 30 minutes", HOUR + 30 * MINUTE],
    ["1 week", 7 * DAY],
    ["  INTERVAL\t2  Days ", 2 * DAY],
    ["1 minute -10 seconds", 50 * SECOND],
    ["interval '5' hour", 5 * HOUR],
    ["interval '1 2:3:4' day to second", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND],
    // a month counts 31 days, a year twelve of them
    ["1 month", 31 * DAY],
    ["2 years", 24 * 31 * DAY],
    ["interval '1-2' year to month", 14 * 31 * DAY],
  ];
  for (const [text, ms] of cases) equal(parseDuration(text), ms, text);
});

Deno.test("parseDuration() refuses other text, and says how to write a duration", () => {
  const refused = [
    "",
    "30",
    "seconds",
    "30 s",
    "x seconds",
    "1 foo",
    "30 seconds 5",
    "1e3 seconds",
    "1.5 minutes",
    "0.5 milliseconds",
    "1.0000000001 seconds",
    "1 minutess",
    "1 constructor",
    "1 __proto__",
    "1 toString",
    "interval",
    "30seconds",
    "1 nanosecond",
  ];
  for (const text of refused) {
    throws(
      () => parseDuration(text),
      { name: "SyntaxError", message: /such as "30 seconds"/ },
      text,
    );
  }
});

Deno.test("parseDuration() refuses what no date can hold", () => {
  throws(() => parseDuration("300000 years"), RangeError);
});

Deno.test("parseDuration() refuses what is negative in sum", () => {
  for (const text of ["-10 seconds", "1 month -40 days"]) {
    throws(() => parseDuration(text), { name: "RangeError", message: /should not be negative/ });
  }
});
