/**
 * Tables, charts, texts and the live panel of the notebooks. A notebook that imports it also keeps the
 * outputs of its cells, see {@linkcode keepOutputs}, and its kernel when it is interrupted.
 */
import { keepKernel } from "./keep_kernel.ts";
import { keepOutputs } from "./keep_outputs.ts";

keepOutputs();
keepKernel();

export { keepOutputs };
export { arrival, byBatch } from "./batch_charts.ts";
export * from "./checkpoint_analysis.ts";
export * from "./checks.ts";
export * from "./deliverables.ts";
export { heading, paragraphs, stack } from "./display.ts";
export { clear, ExperimentFiles, interruptedAfter, labelOf } from "./experiment.ts";
export { interruptible } from "./keep_kernel.ts";
export { keyChart, keyTables } from "./keys.ts";
export * from "./kpi_tables.ts";
export { LivePublisher } from "./live.ts";
export { LiveArrival } from "./live_arrival.ts";
export { Panel } from "./panel.ts";
export { readParameters } from "./parameters.ts";
export { publishOnce } from "./published.ts";
export * from "./restart.ts";
export { restartTimeline } from "./restart_timeline.ts";
export type { Run } from "./run.ts";
export { money, rowsByWindow } from "./row_tables.ts";
export * from "./run_experiments.ts";
export * from "./run_queries.ts";
export { table, type TableOptions } from "./table.ts";
export * from "./task_d.ts";
export * from "./watermark_analysis.ts";
export * from "./window_charts.ts";
