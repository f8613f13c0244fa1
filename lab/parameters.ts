import { parseDuration } from "lib";
import * as v from "valibot";
import {
  delays,
  file,
  type ParameterRules,
  share,
  span,
  text,
  topic,
  wholeNumber,
} from "../view/parameters.ts";
import { Report, type Sections } from "../view/report.ts";

/** The parameters of the watermark lab. */
export interface Parameters {
  readonly recording: string;
  readonly topic: string;
  readonly window: string;
  readonly offsetsPerTrigger: number;
  readonly delays: readonly string[];
  readonly checkedAt: readonly string[];
  readonly maxLoss: number;
  readonly folder: string;
}

const LONGEST = 600_000;
const sweptDelays = v.pipe(
  delays,
  v.check(
    (texts) => texts.map(parseDuration).every((ms) => ms % 1000 === 0 && ms <= LONGEST),
    "a list of delays that the pass knows: whole seconds, at most 10 minutes",
  ),
);

/** What the parameters of the lab may be, and the variable that overrides them. */
export const PARAMETERS: ParameterRules<Parameters> = {
  variable: "WATERMARK_LAB_PARAMETERS",
  rules: {
    recording: file(/\.(parquet|csv)$/i, "a .parquet or .csv file that exists"),
    topic,
    window: span,
    offsetsPerTrigger: wholeNumber,
    delays: sweptDelays,
    checkedAt: sweptDelays,
    maxLoss: share,
    folder: text,
  },
};

/** The parts of the lab's page, with their sections. */
export const SECTIONS: Sections = {
  "The recording": "1. Every watermark in one pass",
  "The pass": "1. Every watermark in one pass",
  "The advice": "1. Every watermark in one pass",
  "The comparison of batch sizes": "5. Batches are part of the answer",
  runAt: "6. Is it true? The engine itself at these delays",
  "The comparison with the engine": "6. Is it true? The engine itself at these delays",
  "The repair": "6. Is it true? The engine itself at these delays",
  "The checkpoint": "8. The checkpoint as a table",
};

/** What the lab's page is made of; it has no answer at its top. */
export const report: Report = new Report({ show: () => Promise.resolve() });
