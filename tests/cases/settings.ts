import { advanceWatermark, type FieldType, MemorySource, parseDuration, readStream } from "lib";
import { type Check, equals, fails, type Json, NotRun } from "./check.ts";

const DAY = 86_400_000;

/** Plays a step that sets something and expects a value or an error. */
export async function playSetting(step: Json): Promise<Check[]> {
  if ("setDelay" in step) return [await playDelay(step)];
  if ("watermarkColumn" in step) {
    const { watermarkColumn: column, columnType, expectError } = step;
    const type: FieldType = columnType === "int" ? "integer" : "double";
    const rows = stream(type);
    return [
      await fails(`watermark on ${column}`, () => {
        rows.withWatermark(column, "10 seconds").groupByWindow(column, "5 seconds");
      }, {
        want: expectError,
        isRight: ({ message }) => message.includes(column) && message.includes(columnType ?? ""),
      }),
    ];
  }
  if ("twoWatermarksOnOneStream" in step) {
    const once = stream("timestamp").withWatermark("value", "10 seconds");
    return [
      await fails("two watermarks", () => once.withWatermark("value", "20 seconds"), {
        want: step.expectError,
        isRight: ({ message }) => message.includes(step.expectError),
      }),
    ];
  }
  if ("setPolicy" in step) throw new NotRun("several inputs with a watermark each");
  if (/session/i.test(Object.keys(step)[0]!)) throw new NotRun("session windows");
  throw new NotRun(`a step ${Object.keys(step)[0]}`);
}

async function playDelay(step: Json): Promise<Check> {
  const { setDelay: text, expectError, expectDelaySeconds } = step;
  const check = JSON.stringify(text);
  if (expectError !== undefined) {
    const isNegative = expectError.includes("negative");
    return await fails(check, () => stream("timestamp").withWatermark("value", text), {
      want: expectError,
      isRight: (error) =>
        isNegative ? error.message.includes(expectError) : error instanceof SyntaxError,
    });
  }
  if (expectDelaySeconds !== undefined) {
    return equals(check, parseDuration(text) / 1000, expectDelaySeconds);
  }
  const months = step.expectMonthDiffBetweenMaxEventTimeAndWatermark;
  if (months === undefined) throw new NotRun("a delay that is only set");
  // Months differ in length, so each day of four years is tried.
  const got = new Set<number>();
  for (let time = Date.UTC(2024, 0); time < Date.UTC(2028, 0); time += DAY) {
    const watermark = advanceWatermark(0, { maxEventTime: time, delay: parseDuration(text) });
    got.add(monthsOf(time) - monthsOf(watermark));
  }
  return { check, got: [...got], want: months, ok: [...got].every((n) => months.includes(n)) };
}

function monthsOf(time: number): number {
  const date = new Date(time);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

function stream(type: FieldType) {
  return readStream(new MemorySource(), [{ name: "value", type }]);
}
