import { deepEqual, equal, throws } from "node:assert/strict";
import { join } from "node:path";
import { lastWindowStart, windowSpec, windowsPerRow } from "../../lib/windows/window.ts";
import { playScenario } from "../scenario/main.ts";

Deno.test("windowSpec() reads window, slide and start; tumbling windows slide by their size", () => {
  deepEqual(windowSpec("1 minute"), { size: 60_000, slide: 60_000, offset: 0 });
  deepEqual(windowSpec("1 minute", { slide: "20 seconds", startTime: "5 seconds" }), {
    size: 60_000,
    slide: 20_000,
    offset: 5_000,
  });
});

Deno.test("windowSpec() refuses windows that leave gaps, stand still or start beyond their slide", () => {
  const refused: [string, Parameters<typeof windowSpec>[1]][] = [
    ["0 seconds", {}],
    ["1 minute", { slide: "0 seconds" }],
    ["1 minute", { slide: "2 minutes" }],
    ["1 minute", { startTime: "1 minute" }],
    ["1 minute", { slide: "10 seconds", startTime: "10 seconds" }],
    ["1 minute", { startTime: "-5 seconds" }],
    ["-1 minute", {}],
  ];
  for (const [window, options] of refused) throws(() => windowSpec(window, options), RangeError);
});

Deno.test("lastWindowStart() gives the window that starts last at or before the time", () => {
  //         [time, window, options, start]; all times in ms
  const cases: [number, string, Parameters<typeof windowSpec>[1], number][] = [
    [0, "1 minute", {}, 0],
    [59_999, "1 minute", {}, 0],
    [60_000, "1 minute", {}, 60_000],
    // before 1970 the grid goes on, and a window still contains its start and not its end
    [-1, "1 minute", {}, -60_000],
    [-60_000, "1 minute", {}, -60_000],
    [-60_001, "1 minute", {}, -120_000],
    // the start time shifts the grid
    [4_999, "1 minute", { startTime: "5 seconds" }, -55_000],
    [5_000, "1 minute", { startTime: "5 seconds" }, 5_000],
    [-55_001, "1 minute", { startTime: "5 seconds" }, -115_000],
    // a slide that does not divide the window
    [11_000, "10 seconds", { slide: "3 seconds" }, 9_000],
    [11_000, "10 seconds", { slide: "3 seconds", startTime: "1 second" }, 10_000],
    [-1_500, "10 seconds", { slide: "3 seconds" }, -3_000],
    // a day is 24 hours in UTC, whatever clocks are set forward that day
    [Date.UTC(2024, 2, 31, 23, 59), "1 day", {}, Date.UTC(2024, 2, 31)],
    [Date.UTC(2024, 9, 27, 0, 30), "1 hour", {}, Date.UTC(2024, 9, 27)],
    [Date.UTC(2024, 9, 27, 1, 30), "1 hour", {}, Date.UTC(2024, 9, 27, 1)],
    // weeks are counted from 1970-01-01, a Thursday
    [Date.UTC(2024, 0, 3), "1 week", {}, Date.UTC(2023, 11, 28)],
  ];
  for (const [time, window, options, start] of cases) {
    equal(lastWindowStart(time, windowSpec(window, options)), start, `${time} ${window}`);
  }
});

Deno.test("windowsPerRow() is the most windows that can hold one time", () => {
  const cases: [string, string, number][] = [
    ["1 minute", "1 minute", 1],
    ["1 minute", "30 seconds", 2],
    ["10 seconds", "3 seconds", 4],
    ["10 seconds", "7 seconds", 2],
  ];
  for (const [window, slide, n] of cases) equal(windowsPerRow(windowSpec(window, { slide })), n);
});

Deno.test("windows, watermarks and times without a zone are in UTC on a machine in any zone", async () => {
  const root = join(import.meta.dirname!, "..", "..");
  const scenario = join("tests", "golden", "14_timestamp_formats");
  const expected = await playScenario(join(root, scenario));
  for (const TZ of ["Asia/Kolkata", "America/New_York"]) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "-A", join("tests", "scenario", "main.ts"), scenario],
      cwd: root,
      env: { TZ },
    }).output();
    deepEqual(JSON.parse(new TextDecoder().decode(stdout)), expected, TZ);
  }
});
