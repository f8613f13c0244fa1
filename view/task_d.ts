import * as v from "valibot";
import { keyFields, parseDuration } from "lib";
import {
  delays,
  file,
  type ParameterRules,
  positive,
  recording,
  share,
  span,
  text,
  topic,
  wholeNumber,
} from "./parameters.ts";
import { labelOf } from "./experiment.ts";
import type { Displayable } from "./display.ts";
import { Report, type Sections } from "./report.ts";
import type { Restart } from "./restart.ts";
import type { Run } from "./run.ts";
import type { Advice } from "./watermark_analysis.ts";

/** The parameters of the Task D notebook. */
export interface Parameters {
  readonly watermarks: readonly string[];
  readonly window: string;
  readonly slide: string | null;
  readonly keys: readonly string[];
  readonly model: string | null;
  readonly threshold: number | null;
  readonly source: "log" | "kafka";
  readonly bootstrap: string;
  readonly topic: string;
  readonly pace: "recorded" | "live";
  readonly runSeconds: number;
  readonly speed: number;
  readonly offsetsPerTrigger: number;
  readonly recording: string | null;
  readonly folder: string;
}

/** What the parameters of Task D may be, and the variable that overrides them. */
export const PARAMETERS: ParameterRules<Parameters> = {
  variable: "TASK_D_PARAMETERS",
  rules: {
    watermarks: delays,
    window: span,
    slide: v.nullable(span),
    keys: v.array(text, 'a list such as ["merchant:string"]'),
    model: v.nullable(file(/\.onnx$/i, "null or an .onnx file that exists")),
    threshold: v.nullable(share),
    source: v.picklist(["log", "kafka"], 'one of "log", "kafka"'),
    bootstrap: text,
    topic,
    pace: v.picklist(["recorded", "live"], 'one of "recorded", "live"'),
    runSeconds: positive,
    speed: positive,
    offsetsPerTrigger: wholeNumber,
    recording: v.nullable(recording),
    folder: text,
  },
  check: ({ window, slide, keys, recording }) => [
    ...slide === null || parseDuration(slide) <= parseDuration(window) ? [] : [
      `slide should be null or a duration no longer than the window, "${window}", got "${slide}"`,
    ],
    ...wrongKeys(keys),
    ...keys.length === 0 || recording === null ? [] : [
      `keys are fields that no recording has: set recording to null and topic to one of your own`,
    ],
  ],
};

function wrongKeys(keys: readonly string[]): string[] {
  try {
    keyFields(keys);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

/** The parts of the page beside the experiments. */
export const PARTS = {
  model: "The model",
  topic: "The topic",
  advice: "The pass over every delay",
  before: "The query before its stop",
  after: "The restart",
} as const;

/** What section 4 defines, and the experiments are made of. */
export const DEFINITIONS = [
  "createScoredStream",
  "windowKpis",
  "startExperiment",
  "runExperiments",
] as const;

/** Names the part of the page that an experiment is; the same for each way to write its delay. */
export function partOf(watermark: string): string {
  return `Experiment ${labelOf(watermark)}`;
}

/** Returns where each part of the page is made. */
export function sectionsOf({ watermarks, pace }: Parameters): Sections {
  const section = (i: number) =>
    i === 0 || pace === "live" ? "5. Experiment 1" : "6. Experiment 2 and on";
  return {
    [PARTS.model]: "2. Load Model and Configuration",
    [PARTS.topic]: "3. Define Schema and Kafka Connection",
    ...Object.fromEntries(
      DEFINITIONS.map((name) => [name, "4. Create Streaming Pipeline (Common)"]),
    ),
    runTest: "9. Checkpoint Testing",
    ...Object.fromEntries(watermarks.map((watermark, i) => [partOf(watermark), section(i)])),
    [PARTS.advice]: "8. Watermark Analysis",
    [PARTS.before]: "9. Checkpoint Testing",
    [PARTS.after]: "9. Checkpoint Testing",
  };
}

/** What the page is made of. */
export const report: Report = new Report();

/** Returns the experiments that were made with the parameters that hold now, in their order. */
export function runs(): readonly Run[] {
  return experiments().map((name) => report.valueOf(name) as Run)
    .filter((run) => run !== undefined)
    .map((run, position) => ({ ...run, position }));
}

/** Names the parts that are experiments, in their order. */
export function experiments(): string[] {
  return report.names.filter((name) => name.startsWith("Experiment "));
}

/**
 * Shows something of the experiments, all if `of` does not name some by their watermarks; one that was
 * interrupted says so by its name.
 */
export function show(
  draw: (runs: readonly Run[]) => Displayable,
  { of }: { readonly of?: readonly string[] } = {},
): Displayable {
  const names = of?.map(partOf) ?? experiments();
  const shown = () => runs().filter(({ watermark }) => names.includes(partOf(watermark)));
  return report.show(() => draw(shown()), { of: names, mayBeInterrupted: true });
}

/** Says something that holds only if all experiments came to their end. */
export function tell(draw: (runs: readonly Run[]) => Displayable): Displayable {
  return report.show(() => draw(runs()), { of: experiments() });
}

/** Returns what the pass over every delay says; throws as `restart` does. */
export function advice(): Advice {
  report.check();
  return report.valueOf(PARTS.advice) as Advice;
}

/** Returns the restart of section 9; throws if it was not made with the parameters that hold now. */
export function restart(): Restart {
  report.check();
  return report.valueOf(PARTS.after) as Restart;
}

/** Shows something of the restart; the page's own message where it is not whole. */
export function showRestart(draw: (restart: Restart) => Displayable): Displayable {
  return report.show(() => draw(report.valueOf(PARTS.after) as Restart), {
    of: [PARTS.before, PARTS.after],
  });
}
