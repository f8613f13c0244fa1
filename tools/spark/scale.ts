/**
 * `deno task scale`: how far one process goes, and what a topic needs, from figures measured with
 * `deno task scale --measure` and kept in docs/scale.json. docs/scale.md explains the table.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseDuration, windowSpec } from "lib";
import { numberOf, parseCommand, runCommand, UsageError, type Values } from "../command_line.ts";
import { SCALE } from "./tasks.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FIGURES = join(ROOT, "docs", "scale.json");
const PAGE = join(ROOT, "docs", "scale.md");
const RATES = [100, 1000, 10_000, 50_000, 200_000];
const MORE_THAN_0 = { rule: "a number > 0", holds: (value: number) => value > 0 };

/** What an engine costs, from two runs of different size. */
export interface EngineFigures {
  /** Rows of the second run that the first does not have, over the CPU seconds they took: one core, busy. */
  readonly rowsPerCpuSecond: number;
  /** What does not grow with the rows: start, compiling, loading the model. */
  readonly startCpuSeconds: number;
}

export interface Figures {
  readonly machine: string;
  readonly process: EngineFigures;
  readonly spark: EngineFigures;
  readonly bytesPerMessage: number;
  /** Bytes of the checkpoint's state for an open window. */
  readonly bytesPerWindow: number;
}

/** What a reader wants to know for; durations in ms. */
export interface Needs {
  /** Rows a second at the peak. */
  readonly rate: number;
  readonly retention: number;
  readonly outage: number;
  readonly window: number;
  readonly slide: number;
  readonly watermark: number;
  /** The share of a core that the peak may take. */
  readonly headroom: number;
}

export interface Plan {
  /** Share of one core that one process needs at the peak. */
  readonly load: number;
  /** How long one process takes to make up for the outage, ms; Infinity if it never does. */
  readonly catchUp: number;
  readonly topicBytes: number;
  readonly openWindows: number;
  readonly stateBytes: number;
  /** Cores that Spark's executors need at the peak. */
  readonly sparkCores: number;
  /** Enough for a task a core on Spark at twice the peak, since a topic's partitions are hard to change. */
  readonly partitions: number;
  readonly where: "one process" | "Spark";
}

/** Works out what a topic needs. A process counts as one core: beside parsing, its steps run one after the other. */
export function planFor(needs: Needs, figures: Figures): Plan {
  const { rate, headroom, outage, retention, window, slide, watermark } = needs;
  const one = figures.process.rowsPerCpuSecond;
  const cores = (rate: number) => Math.ceil(rate / (figures.spark.rowsPerCpuSecond * headroom));
  // Those that a row in time can still fall in, and the one that the watermark is in.
  const openWindows = Math.ceil((window + watermark) / slide) + 1;
  return {
    load: rate / one,
    catchUp: rate < one ? outage * rate / (one - rate) : Infinity,
    topicBytes: rate * retention / 1000 * figures.bytesPerMessage,
    openWindows,
    stateBytes: openWindows * figures.bytesPerWindow,
    sparkCores: cores(rate),
    partitions: cores(2 * rate),
    where: rate <= one * headroom ? "one process" : "Spark",
  };
}

/** Writes the table of docs/scale.md, padded as `deno fmt` wants it. */
export function scaleTable(
  rates: readonly number[],
  { needs, figures }: { needs: Omit<Needs, "rate">; figures: Figures },
): string {
  const rows = rates.map((rate) => {
    const plan = planFor({ ...needs, rate }, figures);
    return [
      `${rate}`,
      plan.where,
      `${short(100 * plan.load)} %`,
      plan.catchUp === Infinity ? "never" : `${short(plan.catchUp / 60_000)} min`,
      `${short(plan.topicBytes / 1e9)} GB`,
      `${plan.openWindows}, ${short(plan.stateBytes)} bytes`,
      `${plan.partitions}`,
      `${plan.sparkCores}`,
    ];
  });
  const head = [
    ...["rows/s at the peak", "run it in", "of a core", "catches up in", "topic"],
    ...["open windows", "partitions", "Spark cores"],
  ];
  return markdownTable(head, rows);
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Rounds to two digits. */
function short(value: number): number {
  return Number(value.toPrecision(2));
}

/** Reads the figures measured last. */
export async function readFigures(): Promise<Figures> {
  return JSON.parse(await Deno.readTextFile(FIGURES));
}

/** The text between the markers of docs/scale.md: what was measured, and what follows for some rates. */
export function pageTable(figures: Figures): string {
  const { machine, process, spark, bytesPerMessage, bytesPerWindow } = figures;
  return [
    markdownTable(["measured", "one process", "Spark"], [
      ["rows in a CPU second", ...[process, spark].map((it) => `${short(it.rowsPerCpuSecond)}`)],
      ["CPU seconds of a start", ...[process, spark].map((it) => `${short(it.startCpuSeconds)}`)],
      ["bytes of a message", `${short(bytesPerMessage)}`, ""],
      ["bytes of state of an open window", `${short(bytesPerWindow)}`, ""],
      ["machine", machine, "the same"],
    ]),
    "",
    scaleTable(RATES, { needs: DEFAULTS, figures }),
  ].join("\n");
}

const DEFAULTS = needsOf(parseCommand(SCALE, []).values);

/** Reads durations and headroom; windows start one after the other unless told otherwise. */
function needsOf(values: Values<typeof SCALE.options>): Omit<Needs, "rate"> {
  const { window, slide = window, headroom, ...others } = values;
  try {
    windowSpec(window, { slide });
    return {
      retention: parseDuration(others.retention),
      outage: parseDuration(others.outage),
      window: parseDuration(window),
      slide: parseDuration(slide),
      watermark: parseDuration(others.watermark),
      headroom: numberOf("headroom", headroom, {
        rule: "a share above 0 and up to 1",
        holds: (share) => share > 0 && share <= 1,
      }),
    };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function measureAnew(): Promise<void> {
  const { measure } = await import("./scale_measure.ts");
  const figures = await measure();
  await Deno.writeTextFile(FIGURES, `${JSON.stringify(figures, null, 2)}\n`);
  const marked = /(<!-- figures[^\n]*-->\n)[^]*(<!-- end of figures -->)/;
  const page = await Deno.readTextFile(PAGE);
  const table = pageTable(figures);
  await Deno.writeTextFile(PAGE, page.replace(marked, `$1\n${table}\n\n$2`));
  console.log(table);
}

if (import.meta.main) {
  Deno.exit(
    await runCommand(SCALE, Deno.args, async ({ values }) => {
      if (values.measure) return await measureAnew();
      const rates = values.rate.map((rate) => numberOf("rate", rate, MORE_THAN_0));
      const needs = needsOf(values);
      const figures = await readFigures();
      console.log(scaleTable(rates.length > 0 ? rates : RATES, { needs, figures }));
    }),
  );
}
