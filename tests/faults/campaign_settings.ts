/** What a query of the campaign is drawn from, as options of the library and as those of `deno task kpi`. */
import { join } from "node:path";
import {
  alertsAndFrauds,
  ConsoleSink,
  keyFields,
  type OutputMode,
  ParquetSink,
  type Sink,
  type Source,
  TRANSACTION_SCHEMA,
  windowKpis,
} from "lib";
import { JsonlSink } from "../../tools/kpi/jsonl_sink.ts";
import { type Settings } from "./in_process.ts";
import { type Place, ROOT, type Topic } from "./program.ts";
import type { Output } from "./tables.ts";

export interface Drawn {
  readonly sink: "parquet" | "jsonl" | "console";
  readonly mode: OutputMode;
  readonly watermark: string;
  readonly window: string;
  readonly slide: string | undefined;
  /** Seven merchants, a number a row. */
  readonly keys: readonly string[];
  readonly retained: number;
  readonly keepsAside: boolean;
  readonly keepsAlerts: boolean;
}

/** Messages a batch, drawn for each start. */
export const LIMITS = [8, 20, 50, 100] as const;
/** Those of the runs that nothing disturbs. */
const LARGE = 100;

export type Pick = <T>(list: readonly T[]) => T;

export function drawSettings(pick: Pick): Drawn {
  const sink = pick(["parquet", "parquet", "jsonl", "jsonl", "jsonl", "console"] as const);
  return {
    sink,
    mode: sink === "parquet" ? "append" : pick(["append", "update", "complete"]),
    watermark: pick(["30 seconds", "3 minutes"]),
    ...pick([
      { window: "1 minute", slide: undefined },
      { window: "2 minutes", slide: "1 minute" },
    ]),
    keys: pick([[], ["merchant:string"], ["number:integer"], [
      "merchant:string",
      "number:integer",
    ]]),
    retained: pick([2, 3, 5, 20]),
    keepsAside: pick([true, true, false]),
    keepsAlerts: pick([true, false]),
  };
}

/** Says how a query is named in the table: what decides which files it writes. */
export function nameOf({ sink, mode, keys }: Drawn): string {
  return `${sink}, ${mode}${keys.length > 0 ? ", by key" : ""}`;
}

export function outputOf({ sink, mode, keys, keepsAside }: Drawn, place: Place): Output {
  const jsonl = { parquet: undefined, jsonl: `${place.sink}.jsonl`, console: null }[sink];
  return { jsonl, mode, keys: namesOf(keys), keepsAside };
}

function namesOf(keys: Drawn["keys"]): string[] {
  return keyFields(keys).map(({ name }) => name);
}

/** The query as the library takes it. */
export function settingsOf(
  drawn: Drawn,
  place: Place,
  { source, limit = LARGE }: { readonly source: Source; readonly limit?: number | undefined },
): Settings {
  const { sink, mode, keepsAside, keepsAlerts, retained } = drawn;
  const keys = namesOf(drawn.keys);
  const sinks: Readonly<Record<Drawn["sink"], () => Sink>> = {
    parquet: () => new ParquetSink(place.sink),
    jsonl: () => new JsonlSink(`${place.sink}.jsonl`),
    console: () => new ConsoleSink({ print: () => {} }),
  };
  return {
    source,
    mode,
    sink: sinks[sink](),
    read: { maxOffsetsPerTrigger: limit },
    schema: [...TRANSACTION_SCHEMA, ...keyFields(drawn.keys)],
    kpis: (rows) => windowKpis(rows, { ...drawn, keys }),
    write: {
      minBatchesToRetain: retained,
      rejected: keepsAside ? new ParquetSink(place.rejected) : undefined,
      ...keepsAlerts && { rows: alertsAndFrauds(new ParquetSink(place.alerts), keys) },
    },
  };
}

/** The query as `deno task kpi` takes it. */
export function argsOf(drawn: Drawn, place: Place, topic: Topic, limit = LARGE): string[] {
  const { sink, mode, watermark, window, slide, keys, retained, keepsAside, keepsAlerts } = drawn;
  const sinks = { parquet: `parquet:${place.sink}`, jsonl: `jsonl:${place.sink}.jsonl` };
  return [
    ...["--source", topic.source, "--topic", topic.name, "--models", join(ROOT, "models")],
    ...["--checkpoint", place.checkpoint, "--progress", place.progress],
    ...["--sink", sink === "console" ? sink : sinks[sink], "--output-mode", mode],
    ...["--watermark", watermark, "--window", window],
    ...slide === undefined ? [] : ["--slide", slide],
    ...keys.length === 0 ? [] : ["--keys", keys.join()],
    ...["--max-offsets-per-trigger", `${limit}`, "--min-batches-to-retain", `${retained}`],
    ...keepsAside ? ["--rejected", place.rejected] : [],
    ...keepsAlerts ? ["--alerts", place.alerts] : [],
  ];
}
