/** What docs/scale.md shows: what was measured, and what follows for some rates. */
import type { ClusterFigures } from "./cluster.ts";
import type { LongFigures } from "./long.ts";
import type { Pace } from "./pace.ts";
import type { RowFigures } from "./rows.ts";
import { type Engine, ENGINES } from "./trial.ts";

/** Rates of which the page tells, rows a second. */
export const RATES = [100, 1000, 10_000, 50_000, 200_000];
/** What is measured, in this order. */
export const PARTS = ["rows", "pace", "cluster", "long"] as const;

/** What was measured; a part that never was is absent. */
export interface Figures {
  readonly machine: string;
  /** Processes that wanted to run when a part ended, those that were measured among them. */
  readonly load: Readonly<Partial<Record<typeof PARTS[number], number>>>;
  readonly rows: RowFigures;
  readonly pace?: Readonly<Record<Engine, Pace>>;
  readonly cluster?: readonly ClusterFigures[];
  readonly long?: LongFigures;
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
  /** The share of what was measured that the peak may take. */
  readonly headroom: number;
}

export interface Plan {
  /** The peak as a share of the rate that one process kept up with. */
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

/** Works out what a topic needs. */
export function planFor(needs: Needs, figures: Figures): Plan {
  const { rate, headroom, outage, retention, window, slide, watermark } = needs;
  const one = figures.pace?.process.kept ?? figures.rows.process.rowsPerCpuSecond;
  const cluster = figures.cluster?.at(-1);
  const ofCore = cluster
    ? cluster.rowsPerSecond / cluster.executors
    : figures.rows.spark.rowsPerCpuSecond;
  const cores = (rate: number) => Math.ceil(rate / (ofCore * headroom));
  // Those that a row in time can still fall in, and the one that the watermark is in.
  const openWindows = Math.ceil((window + watermark) / slide) + 1;
  return {
    load: rate / one,
    catchUp: rate < one ? outage * rate / (one - rate) : Infinity,
    topicBytes: rate * retention / 1000 * figures.rows.bytesPerMessage,
    openWindows,
    stateBytes: openWindows * figures.rows.bytesPerWindow,
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
    ...["rows/s at the peak", "run it in", "of its pace", "catches up in", "topic"],
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

/** The text between the markers of docs/scale.md: what was measured, and what follows for some rates. */
export function pageTable(figures: Figures, needs: Omit<Needs, "rate">): string {
  const { machine, load, rows, pace, cluster, long } = figures;
  const line = (what: string, value: (engine: Engine) => number | undefined) => [
    what,
    ...ENGINES.map(value).map((found) => found === undefined ? "–" : text(found)),
  ];
  const missing = PARTS.filter((part) => figures[part] === undefined);
  const loads = PARTS.flatMap((part) => load[part] ? [`${text(load[part])} (${part})`] : []);
  return [
    `On ${machine}:`,
    "",
    markdownTable(["measured", "one process", "Spark, `local[*]`"], [
      line("rows in a CPU second", (engine) => rows[engine].rowsPerCpuSecond),
      line("CPU seconds of a start", (engine) => rows[engine].startCpuSeconds),
      ...pace
        ? [
          line("rows/s that it kept up with", (engine) => pace[engine].kept),
          line("rows/s at which it fell behind", (engine) => pace[engine].lost),
          ...ENGINES.some((engine) => pace[engine].backlog !== undefined)
            ? [line("rows/s of a backlog, nothing sent", (engine) => pace[engine].backlog)]
            : [],
        ]
        : [],
      ...long
        ? [
          line(`seconds for ${text(long.rows)} rows`, (engine) => long[engine].wallSeconds),
          line("CPU seconds for them", (engine) => long[engine].cpuSeconds),
          line("MiB of memory at most, all processes", (engine) => long[engine].peakMiB),
        ]
        : [],
    ]),
    "",
    ...cluster
      ? [
        markdownTable(
          ["Spark's executors, a core each", "rows/s", "seconds of a batch of next to nothing"],
          cluster.map((it) => [it.executors, it.rowsPerSecond, it.batchSeconds].map(text)),
        ),
        "",
      ]
      : [],
    ...long
      ? [
        `The ${text(long.rows)} rows are ${text(long.bytes / 1e9)} GB; both wrote the same ` +
        `${long.windows} windows.`,
      ]
      : [],
    `A message has ${text(rows.bytesPerMessage)} bytes, an open window ` +
    `${text(rows.bytesPerWindow)} bytes of state.`,
    ...loads.length > 0
      ? [
        "Processes that wanted to run on these cores meanwhile, those that were measured among " +
        `them: ${loads.join(", ")}.`,
      ]
      : [],
    ...missing.length > 0 ? [`Not measured yet: ${missing.join(", ")}.`] : [],
    "",
    scaleTable(RATES, { needs, figures }),
  ].join("\n");
}

function text(value: number): string {
  return short(value).toLocaleString("en-US");
}
