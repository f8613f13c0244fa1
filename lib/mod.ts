/**
 * Windowed KPIs over a stream of transactions: event-time windows, watermarks and checkpoints that
 * give Spark Structured Streaming's numbers.
 *
 * @module
 */
export {
  type GroupedStream,
  readStream,
  type ResultStream,
  type RowStream,
} from "./verbs/stream.ts";
export type {
  KeptRows,
  QuerySettings,
  ReadOptions,
  Trigger,
  WatermarkOptions,
  WindowOptions,
  WriteOptions,
} from "./options.ts";
export { StreamingQuery, StreamingQueryException, type StreamingQueryStatus } from "./query.ts";
export {
  alertsAndFrauds,
  isAlert,
  kpiAggregates,
  type KpiOptions,
  ratio,
  windowKpis,
} from "./kpi/kpi.ts";
export { keyFields, TRANSACTION_SCHEMA } from "./kpi/schema.ts";
export { avg, count, countIf, max, min, sum } from "./windows/functions.ts";
export type { Aggregate, ColumnOrExpr } from "./windows/functions.ts";
export { parseDuration } from "./core/duration.ts";
export { lastWindowStart, type WindowSpec, windowSpec } from "./windows/window.ts";
export { advanceWatermark } from "./windows/watermark.ts";
export { limitOffsets } from "./core/offsets.ts";
export { isoTime } from "./core/time.ts";
export type {
  QueryStanding,
  RowAccounting,
  SourceProgress,
  StreamingQueryProgress,
} from "./progress.ts";
export type {
  Field,
  FieldType,
  Messages,
  Offsets,
  OutputMode,
  Schema,
  Sink,
  Source,
} from "./core/types.ts";
export type { Scorer, Scores } from "./model/scorer.ts";
export { openSource } from "./sources/open.ts";
export { openKpis } from "./kpi/open.ts";
export { type KpiSpec, parseKpiSpec } from "./kpi/spec.ts";
export { MemorySource } from "./sources/memory.ts";
export { TopicLog } from "./topic_log/topic_log.ts";
export { ConsoleSink } from "./sinks/console.ts";
export { MemorySink } from "./sinks/memory.ts";
export { ParquetSink, readParquetFolder } from "./sinks/parquet.ts";
export { FEATURES } from "./model/features.ts";
export { type ModelSelection, selectModel } from "./model/selection.ts";
export { OnnxModel } from "./model/onnx.ts";
