import * as v from "valibot";
import type { Offsets, OutputMode, Schema } from "../core/types.ts";
import { windowSpec } from "../windows/window.ts";
import { SHARED } from "../verbs/check_options.ts";
import { checkRecord } from "../verbs/check_record.ts";
import { checkKeys } from "./schema.ts";

/** A KPI query as plain data: what this library and `tools/spark/kpi_job.py`, on Apache Spark, both run. */
export interface KpiSpec {
  readonly source: { readonly kind: "log" | "kafka"; readonly address: string };
  readonly topic: string;
  /** As in `ReadOptions`; offsets by partition. */
  readonly startingOffsets: "earliest" | "latest" | Offsets;
  readonly maxOffsetsPerTrigger?: number | undefined;
  readonly failOnDataLoss?: boolean | undefined;
  readonly schema: Schema;
  /** An ONNX file and its digest in hex: a query never runs with another model than it names. */
  readonly model: { readonly path: string; readonly sha256: string };
  readonly threshold: number;
  readonly watermark: string;
  readonly maxAhead?: string | undefined;
  readonly window: string;
  readonly slide?: string | undefined;
  /** Fields to count by beside the window. */
  readonly keys?: readonly string[] | undefined;
  readonly outputMode: OutputMode;
}

const SOURCE = '{"kind": "log" or "kafka", "address": text}';
const MODEL = '{"path": text, "sha256": 64 hex digits}';
const THRESHOLD = "a number in [0, 1]";

const SPEC = v.strictObject({
  source: v.object({
    kind: v.picklist(["log", "kafka"], SOURCE),
    address: v.pipe(v.string(SOURCE), v.nonEmpty(SOURCE)),
  }, SOURCE),
  topic: SHARED.text,
  startingOffsets: SHARED.startingOffsets,
  maxOffsetsPerTrigger: v.optional(SHARED.maxOffsetsPerTrigger),
  failOnDataLoss: v.optional(SHARED.failOnDataLoss),
  schema: SHARED.schema,
  model: v.object({
    path: v.pipe(v.string(MODEL), v.nonEmpty(MODEL)),
    sha256: v.pipe(v.string(MODEL), v.regex(/^[0-9a-f]{64}$/, MODEL)),
  }, MODEL),
  threshold: v.pipe(v.number(THRESHOLD), v.minValue(0, THRESHOLD), v.maxValue(1, THRESHOLD)),
  watermark: SHARED.watermark,
  maxAhead: v.optional(SHARED.maxAhead),
  window: SHARED.window,
  slide: v.optional(SHARED.slide),
  keys: v.optional(v.array(SHARED.text, "a list of names")),
  outputMode: SHARED.outputMode,
});

/** Reads a spec from JSON text; throws a `SyntaxError` that names the field that is wrong. */
export function parseKpiSpec(json: string): KpiSpec {
  try {
    const spec = checkRecord("KPI spec", SPEC, JSON.parse(json));
    windowSpec(spec.window, spec);
    checkSpecKeys(spec);
    return spec;
  } catch (error) {
    throw new SyntaxError((error as Error).message, { cause: error });
  }
}

function checkSpecKeys({ schema, keys = [] }: KpiSpec): void {
  try {
    checkKeys(schema, keys);
  } catch (error) {
    throw new TypeError(`KPI spec: ${(error as Error).message}`, { cause: error });
  }
}
