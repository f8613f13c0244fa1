/** The watermark lab: what every watermark costs, which one to choose, and what is left to repair. */
export * from "./advise.ts";
export * from "./alike.ts";
export * from "./aside.ts";
export * from "./chance.ts";
export * from "./charts.ts";
export * from "./checkpoint.ts";
export * from "./judge.ts";
export { PARAMETERS, report, SECTIONS } from "./parameters.ts";
export * from "./recommend.ts";
export * from "./scored_rows.ts";
export * from "./sweep.ts";
export * from "./what_if.ts";
export { whatIfFigure } from "./what_if_figure.ts";
export { seededRandom } from "./random.ts";
