import { deepEqual, equal, match, throws } from "node:assert/strict";
import { join } from "node:path";
import { PARAMETERS, type Parameters } from "../../view/task_d.ts";
import { PARAMETERS as LAB } from "../../lab/parameters.ts";
import { readParameters } from "../../view/parameters.ts";
import { safeParse } from "valibot";

const DEFAULTS: Parameters = {
  watermarks: ["30 seconds", "2 minutes"],
  window: "1 minute",
  slide: null,
  keys: [],
  model: null,
  threshold: null,
  source: "log",
  bootstrap: "127.0.0.1:9092",
  topic: "transactions",
  pace: "recorded",
  runSeconds: 60,
  speed: 20,
  offsetsPerTrigger: 1500,
  recording: null,
  folder: ".",
};

const RECORDING = join(import.meta.dirname!, "..", "..", "data", "transactions_60k.parquet");

/** Reads the parameters with this text in the environment. */
function read(text: string): Parameters {
  Deno.env.set(PARAMETERS.variable, text);
  try {
    return readParameters(DEFAULTS, PARAMETERS);
  } finally {
    Deno.env.delete(PARAMETERS.variable);
  }
}

Deno.test("readParameters() merges what the environment overrides", () => {
  deepEqual(readParameters(DEFAULTS, PARAMETERS), DEFAULTS);
  const others = {
    watermarks: ["1 hour", "0 seconds", "1500 milliseconds"],
    window: "45 seconds",
    slide: "15 seconds",
    threshold: 0,
    pace: "live",
    speed: 0.5,
    recording: RECORDING,
  };
  deepEqual(read(JSON.stringify(others)), { ...DEFAULTS, ...others });
  deepEqual(read(" "), DEFAULTS);
});

Deno.test("readParameters() says which parameter is wrong, what is allowed and what it is", () => {
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ treshold: 1 }, /treshold is no parameter \(did you mean threshold\? There are watermarks, /],
    [{ Pace: "live" }, /did you mean pace\?/],
    [{ toString: 1 }, /toString is no parameter/],
    [{ watermarks: [] }, /watermarks should be a list of at least one duration, got \[\]/],
    [{ watermarks: "30 seconds" }, /a list of durations such as .*, got "30 seconds"/],
    [{ watermarks: ["30 seconds", "a"] }, /watermarks\[1\] should be a duration .*, got "a"/],
    [{ watermarks: ["1 minute", "60 seconds"] }, /a list of durations that differ/],
    [{ keys: "merchant:string" }, /keys should be a list such as \["merchant:string"\], got "me/],
    [{ keys: ["merchant"] }, /keys should be NAME:TYPE, .* got "merchant"/],
    [{ keys: ["tp:integer"] }, /keys cannot name "tp": the query has a column/],
    [{ keys: ["a:string"], recording: RECORDING }, /keys are fields that no recording has/],
    [{ window: "0 seconds" }, /window should be a duration above 0/],
    [{ window: null }, /window should be a duration above 0 .*, got null/],
    [{ slide: "2 minutes" }, /slide should be .* no longer than the window, "1 minute"/],
    [{ pace: "Live" }, /pace should be one of "recorded", "live", got "Live"/],
    [{ source: "Kafka" }, /source should be one of "log", "kafka"/],
    [{ threshold: 5 }, /threshold should be a number from 0 to 1, got 5/],
    [{ threshold: "0.5" }, /threshold should be a number from 0 to 1, got "0\.5"/],
    [{ model: "none.onnx" }, /model should be null or an \.onnx file that exists/],
    [{ recording: "none.parquet" }, /recording should be a \.parquet or \.csv file that exists/],
    [{ recording: "README.md" }, /recording should be a \.parquet or \.csv file/],
    [{ speed: 0 }, /speed should be a number above 0, got 0/],
    [{ runSeconds: "60" }, /runSeconds should be a number above 0, got "60"/],
    [{ offsetsPerTrigger: 1.5 }, /offsetsPerTrigger should be a whole number from 1 on, got 1\.5/],
    [{ topic: "../x" }, /topic should be the name of a topic/],
  ];
  for (const [parameters, problem] of wrong) {
    throws(() => read(JSON.stringify(parameters)), problem);
  }
});

Deno.test("readParameters() tells all that is wrong in one message", () => {
  let message = "";
  try {
    read('{"speed": -1, "watermark": "1 minute", "pace": "fast"}');
  } catch (error) {
    message = (error as Error).message;
  }
  for (const name of ["speed should", "watermark is no parameter", "pace should"]) {
    match(message, new RegExp(name));
  }
  equal(message.split("; ").length, 3);
});

Deno.test("the lab takes delays that its pass knows, and a loss that is a number", () => {
  const { delays, maxLoss } = LAB.rules;
  for (
    const [rule, right, wrong] of [
      [delays, ["30 seconds", "10 minutes"], ["1 hour"]],
      [delays, ["0 seconds"], ["1500 milliseconds"]],
      [maxLoss, 0.001, "0.1%"],
    ] as const
  ) {
    equal(safeParse(rule, right).success, true);
    equal(safeParse(rule, wrong).success, false);
  }
});

Deno.test("readParameters() names the variable whose text is no JSON object", () => {
  for (const text of ["{a", "[1]", "3", "null"]) {
    throws(() => read(text), /^RangeError: TASK_D_PARAMETERS should be a JSON object/);
  }
});
