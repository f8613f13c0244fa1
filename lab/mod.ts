/** The watermark lab: what every watermark costs, which one to choose, and what is left to repair. */
export * from "./aside.ts";
export * from "./chance.ts";
export * from "./charts.ts";
export * from "./checkpoint.ts";
export * from "./judge.ts";
export * from "./recommend.ts";
export * from "./scored_rows.ts";
export * from "./sweep.ts";
export { seededRandom } from "./random.ts";
