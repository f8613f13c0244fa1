import { deepEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import { type Outcome, playCases } from "./main.ts";

const folder = import.meta.dirname!;

/** Cases that this engine has no counterpart for, by the reason. */
const NOT_RUN: Record<string, string[]> = JSON.parse(
  await Deno.readTextFile(join(folder, "not_run.json")),
);

const outcomes: Outcome[] = await Array.fromAsync(playCases(join(folder, "streaming_cases.json")));
const of = (kind: Outcome["outcome"]) => outcomes.filter(({ outcome }) => outcome === kind);

for (const { id, outcome, why, checks } of outcomes) {
  if (outcome === "not run") continue;
  Deno.test(`case ${id} gives what the suite expects`, () => {
    ok(outcome === "passed" && checks.length > 0, why);
  });
}

Deno.test("every public case either passes or is listed with the reason why it is not run", () => {
  const reasons: Record<string, string[]> = {};
  for (const { id, why } of of("not run")) (reasons[why!] ??= []).push(id);
  deepEqual(reasons, NOT_RUN);
  const count = outcomes.length;
  console.log(`${of("passed").length} of ${count} cases passed, ${of("not run").length} not run`);
});

Deno.test("a case with a wrong expectation fails, and one with an unknown step is not run", async () => {
  const settings = { operator: "windowCount", delay: 10, outputMode: "append", window: 10 };
  const add = { addData: [1, 40] };
  const cases = [
    { ...settings, id: "right", steps: [add, { checkAnswer: [[0, 1]] }] },
    { ...settings, id: "wrong", steps: [add, { checkAnswer: [[0, 2]] }] },
    { ...settings, id: "no error", steps: [{ ...add, expectError: "any" }] },
    { ...settings, id: "unknown", steps: [add, { checkPhaseOfTheMoon: "full" }] },
    { ...settings, id: "no check", steps: [add] },
    { ...settings, id: "unknown setting", moonPhase: 1, steps: [add, { checkAnswer: [[0, 1]] }] },
    { ...settings, id: "unknown sink", sink: "kafka", steps: [add, { checkAnswer: [[0, 1]] }] },
    {
      ...settings,
      id: "unknown trigger",
      steps: [add, { start: { trigger: "continuous" } }, { checkAnswer: [] }],
    },
  ];
  const file = await Deno.makeTempFile({ suffix: ".json" });
  const [length, t, windowIds] = [10, 0, [0]];
  const bytewax_window_assignment = [
    { id: "known", length, t, windowIds },
    { id: "unknown elsewhere", length, t, windowIds, timezone: "CET" },
  ];
  await Deno.writeTextFile(file, JSON.stringify({ cases, bytewax_window_assignment }));
  const played = await Array.fromAsync(playCases(file));
  await Deno.remove(file);
  deepEqual(played.map(({ id, outcome, why }) => [id, outcome, why]), [
    ["right", "passed", undefined],
    ["wrong", "failed", "checkAnswer: got [[0,1]], not [[0,2]]"],
    ["no error", "failed", 'expectError: got "no error", not "any"'],
    ["unknown", "not run", "a step checkPhaseOfTheMoon"],
    ["no check", "not run", "it checks nothing that this engine reports"],
    ["unknown setting", "not run", "the setting moonPhase"],
    ["unknown sink", "not run", "the sink kafka"],
    ["unknown trigger", "not run", "a start with the trigger continuous"],
    ["known", "passed", undefined],
    ["unknown elsewhere", "not run", "the setting timezone"],
  ]);
});
