/** Tables, charts, texts and the live panel of the notebooks. */
export * from "./analysis.ts";
export * from "./batch_charts.ts";
export * from "./panel.ts";
export * from "./run_queries.ts";
export type { Run } from "./run.ts";
export { table, type TableOptions } from "./table.ts";
export { wilson } from "./intervals.ts";
export * from "./window_charts.ts";
