import { parseDuration } from "../../lib/core/duration.ts";
import type { Field, Offsets } from "../../lib/core/types.ts";
import { keyFields, TRANSACTION_SCHEMA } from "../../lib/kpi/schema.ts";
import { type KpiSpec, parseKpiSpec } from "../../lib/kpi/spec.ts";
import { brokerAddresses } from "../../lib/kafka/address.ts";
import { topicFolder } from "../../lib/topic_log/topic_log.ts";
import { choiceOf, countOf, numberOf, UsageError, type Values } from "../command_line.ts";
import type { KPI } from "../tasks.ts";

/** Where the windows go. */
export type SinkPlace =
  | { readonly kind: "parquet" | "jsonl"; readonly path: string }
  | { readonly kind: "console" };

/** What `deno task kpi` is told to do; no file has been read or written to know it. */
export interface KpiPlan {
  /** The query but for its model, whose file has to be read. */
  readonly spec: Omit<KpiSpec, "model" | "threshold">;
  readonly models: string;
  readonly model: { readonly model?: string; readonly threshold?: number };
  readonly sink: SinkPlace;
  readonly checkpoint: string | undefined;
  readonly rejected: string | undefined;
  readonly alerts: string | undefined;
  readonly provisional: string | undefined;
  readonly trigger: string;
  readonly minBatchesToRetain: number;
  readonly progress: string | undefined;
  readonly json: boolean;
  readonly writeSpec: string | undefined;
  readonly fromSpark: string | undefined;
}

/** Turns the options into a plan. Throws a `UsageError` that names the option that is wrong. */
export function kpiPlan(values: Values<typeof KPI.options>): KpiPlan {
  const { checkpoint, "write-spec": writeSpec, threshold, model, trigger, json } = values;
  if (checkpoint === undefined && writeSpec === undefined) {
    throw new UsageError("--checkpoint is missing: --checkpoint DIR");
  }
  const sink = sinkOf(values.sink);
  const { "output-mode": outputMode } = values;
  if (sink.kind === "parquet" && outputMode !== "append") {
    throw new UsageError(
      `--sink parquet:DIR takes --output-mode append only, got "${outputMode}": use jsonl:FILE`,
    );
  }
  if (sink.kind === "console" && json) {
    throw new UsageError("--json and --sink console both print: give another --sink");
  }
  const share = { rule: "a number from 0 to 1", holds: (p: number) => p >= 0 && p <= 1 };
  checkTrigger(trigger);
  return {
    spec: specOf(values),
    models: values.models,
    model: {
      ...model !== undefined && { model },
      ...threshold !== undefined && { threshold: numberOf("threshold", threshold, share) },
    },
    sink,
    checkpoint,
    rejected: values.rejected,
    alerts: values.alerts,
    provisional: values.provisional,
    trigger,
    minBatchesToRetain: countOf("min-batches-to-retain", values["min-batches-to-retain"]),
    progress: values.progress,
    json,
    writeSpec,
    fromSpark: values["from-spark-checkpoint"],
  };
}

/** Reads `log:DIR` or `kafka:HOST:PORT,…` and the topic's name. */
export function placeOf(option: string, text: string, topic: string): KpiSpec["source"] {
  const [, kind, address = ""] = /^(log|kafka):(.+)$/.exec(text) ?? [];
  if (kind !== "log" && kind !== "kafka") {
    throw new UsageError(`--${option} should be log:DIR or kafka:HOST:PORT, got "${text}"`);
  }
  if (kind === "kafka") hostsOf(address);
  try {
    topicFolder(".", topic);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  return { kind, address };
}

/** The hosts of a list of brokers. The names of this machine go together: a broker may call itself by another. */
export function hostsOf(addresses: string): string[] {
  try {
    const hosts = brokerAddresses(addresses)
      .map(({ host }) => host.includes(":") ? `[${host}]` : host);
    return [...new Set(hosts.flatMap((host) => LOOPBACK.includes(host) ? LOOPBACK : host))];
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

function specOf(values: Values<typeof KPI.options>): KpiPlan["spec"] {
  const { topic, watermark, window, slide, "max-ahead": maxAhead } = values;
  const max = values["max-offsets-per-trigger"];
  const keys = keysOf(values.keys);
  const spec = {
    source: placeOf("source", values.source, topic),
    topic,
    schema: [...TRANSACTION_SCHEMA, ...keys],
    startingOffsets: startingOffsets(values["starting-offsets"], topic),
    ...max !== undefined && { maxOffsetsPerTrigger: countOf("max-offsets-per-trigger", max) },
    failOnDataLoss:
      choiceOf("fail-on-data-loss", values["fail-on-data-loss"], ["true", "false"]) ===
        "true",
    watermark,
    ...maxAhead !== undefined && { maxAhead },
    window,
    ...slide !== undefined && { slide },
    ...keys.length > 0 && { keys: keys.map(({ name }) => name) },
    outputMode: values["output-mode"],
  };
  try {
    const { model: _model, threshold: _threshold, ...checked } = parseKpiSpec(
      JSON.stringify({ ...spec, ...STAND_INS }),
    );
    return checked;
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/^KPI spec: (\w+)/, (_, name: string) => {
      return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    }));
  }
}

function keysOf(text: string | undefined): Field[] {
  try {
    return keyFields(text?.split(",") ?? []);
  } catch (error) {
    throw new UsageError(`--${(error as Error).message}`);
  }
}

/** Right values for what is not known yet, so that the rest of a spec can be checked. */
const STAND_INS = {
  model: { path: "any", sha256: "0".repeat(64) },
  threshold: 0,
};

/** Takes Spark's `{"topic": {"0": 17}}` and the shorter `{"0": 17}`. */
function startingOffsets(text: string, topic: string): "earliest" | "latest" | Offsets {
  if (text === "earliest" || text === "latest") return text;
  const isOffset = (offset: unknown) => Number.isSafeInteger(offset) && Number(offset) >= -2;
  try {
    const given = JSON.parse(text);
    const isOfTopic = typeof given[topic] === "object" && Object.keys(given).length === 1;
    const offsets = isOfTopic ? given[topic] : given;
    const isNamed = Object.keys(offsets).every((partition) => /^(0|[1-9]\d*)$/.test(partition));
    const isObject = typeof offsets === "object" && !Array.isArray(offsets);
    if (isObject && isNamed && Object.values(offsets).every(isOffset)) {
      return offsets;
    }
  } catch { /* told below */ }
  throw new UsageError(
    `--starting-offsets should be earliest, latest or offsets by partition such as '{"0": 17}', ` +
      `where -1 is latest and -2 earliest, got "${text}"`,
  );
}

function sinkOf(text: string): SinkPlace {
  const [, kind, path = ""] = /^(parquet|jsonl):(.+)$/.exec(text) ?? [];
  if (kind === "parquet" || kind === "jsonl") return { kind, path };
  if (text === "console") return { kind: "console" };
  throw new UsageError(`--sink should be parquet:DIR, jsonl:FILE or console, got "${text}"`);
}

function checkTrigger(trigger: string): void {
  if (trigger === "available-now" || trigger === "once") return;
  try {
    parseDuration(trigger);
  } catch (error) {
    throw new UsageError(
      `--trigger should be available-now or a duration: ${(error as Error).message}`,
    );
  }
}
