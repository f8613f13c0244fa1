/**
 * Tables, charts, texts and the live panel of the notebooks. A notebook that imports it also keeps the
 * outputs of its cells, see {@linkcode keepOutputs}.
 */
import { keepOutputs } from "./keep_outputs.ts";

keepOutputs();

export { keepOutputs };
export * from "./batch_charts.ts";
export * from "./checkpoint_analysis.ts";
export { paragraphs } from "./display.ts";
export { Panel } from "./panel.ts";
export { type Run, sampleEvents } from "./run.ts";
export * from "./run_queries.ts";
export { table, type TableOptions } from "./table.ts";
export * from "./watermark_analysis.ts";
export * from "./window_charts.ts";
