import { parseDuration } from "../core/duration.ts";
import type { Offsets, OutputMode, Schema } from "../core/types.ts";
import { windowSpec } from "../core/window.ts";

/** A KPI query as plain data: what this library and `tools/spark/kpi_job.py`, on Apache Spark, both run. */
export interface KpiSpec {
  readonly source: { readonly kind: "log" | "kafka"; readonly address: string };
  readonly topic: string;
  /** As in `ReadOptions`; offsets by partition. */
  readonly startingOffsets: "earliest" | "latest" | Offsets;
  readonly maxOffsetsPerTrigger?: number;
  readonly failOnDataLoss?: boolean;
  readonly schema: Schema;
  /** An ONNX file and its digest in hex: a query never runs with another model than it names. */
  readonly model: { readonly path: string; readonly sha256: string };
  readonly threshold: number;
  readonly watermark: string;
  readonly maxAhead?: string;
  readonly window: string;
  readonly slide?: string;
  readonly outputMode: OutputMode;
}

type Rule = readonly [rule: string, holds: (value: unknown) => boolean];

const get = (value: unknown, key: string) => (value as Record<string, unknown> | null)?.[key];
const isText = (value: unknown) => typeof value === "string" && value !== "";
const isWhole = (value: unknown) => Number.isInteger(value);
const isOneOf = (choices: string[]) => (value: unknown) => choices.includes(value as string);
const isKind = isOneOf(["log", "kafka"]);
const isType = isOneOf(["timestamp", "double", "integer", "string"]);
const DURATION: Rule = ['a duration such as "30 seconds"', (value) => {
  return isText(value) && parseDuration(value as string) >= 0;
}];

const RULES: Record<keyof KpiSpec, Rule> = {
  source: ['{"kind": "log" or "kafka", "address": text}', (value) => {
    return isKind(get(value, "kind")) && isText(get(value, "address"));
  }],
  topic: ["text", isText],
  startingOffsets: ['"earliest", "latest" or offsets such as {"0": 17}', (value) => {
    if (typeof value !== "object") return isOneOf(["earliest", "latest"])(value);
    return value !== null && Object.values(value).every(isWhole);
  }],
  maxOffsetsPerTrigger: ["a whole number > 0", (value) => isWhole(value) && Number(value) > 0],
  failOnDataLoss: ["true or false", (value) => typeof value === "boolean"],
  schema: ['a list of {"name": text, "type": timestamp, double, integer or string}', (value) => {
    const isField = (field: unknown) => isText(get(field, "name")) && isType(get(field, "type"));
    return Array.isArray(value) && value.length > 0 && value.every(isField);
  }],
  model: ['{"path": text, "sha256": 64 hex digits}', (value) => {
    return isText(get(value, "path")) && /^[0-9a-f]{64}$/.test(String(get(value, "sha256")));
  }],
  threshold: ["a number in [0, 1]", (value) => {
    return typeof value === "number" && value >= 0 && value <= 1;
  }],
  watermark: DURATION,
  maxAhead: DURATION,
  window: DURATION,
  slide: DURATION,
  outputMode: ["append, update or complete", isOneOf(["append", "update", "complete"])],
};
const OPTIONAL = ["maxOffsetsPerTrigger", "failOnDataLoss", "maxAhead", "slide"];

/** Reads a spec from JSON text; throws a `SyntaxError` that names the field that is wrong. */
export function parseKpiSpec(json: string): KpiSpec {
  const given: unknown = JSON.parse(json);
  for (const [name, [rule, holds]] of Object.entries(RULES)) {
    const value = get(given, name);
    if (value === undefined ? OPTIONAL.includes(name) : holds(value)) continue;
    throw new SyntaxError(`KPI spec: ${name} must be ${rule}, got ${JSON.stringify(value)}`);
  }
  const unknown = Object.keys(given as object).find((name) => !(name in RULES));
  if (unknown !== undefined) {
    throw new SyntaxError(`KPI spec: there is no ${unknown}, only ${Object.keys(RULES)}`);
  }
  const spec = given as KpiSpec;
  windowSpec(spec.window, spec.slide === undefined ? {} : { slide: spec.slide });
  return spec;
}
