/**
 * `deno task scale`: how far one process goes, and what a topic needs, from figures measured with
 * `deno task scale --measure PART` and kept in docs/scale.json. docs/scale.md explains the table.
 */
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseDuration, windowSpec } from "lib";
import {
  choiceOf,
  numberOf,
  parseCommand,
  runCommand,
  UsageError,
  type Values,
} from "../../tools/command_line.ts";
import { formatted } from "../../tools/dev/formatted.ts";
import { step } from "../../tools/jupyter/env.ts";
import { installSpark, SPARK_LINES } from "../../tools/spark/install.ts";
import { SCALE } from "../../tools/spark/tasks.ts";
import { inScratch } from "../programs.ts";
import { measureCluster } from "./cluster.ts";
import { measureLong } from "./long.ts";
import { measurePace } from "./pace.ts";
import { type Figures, type Needs, pageTable, PARTS, RATES, scaleTable } from "./page.ts";
import { measureRows } from "./rows.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FIGURES = join(ROOT, "docs", "scale.json");
const PAGE = join(ROOT, "docs", "scale.md");
const MORE_THAN_0 = { rule: "a number > 0", holds: (value: number) => value > 0 };

/** Reads the figures measured last. */
export async function readFigures(): Promise<Figures> {
  return JSON.parse(await Deno.readTextFile(FIGURES));
}

/** What the page tells of: the options' defaults. */
export const DEFAULTS = needsOf(parseCommand(SCALE, []).values);

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

/** Measures some parts; each is kept as it ends. */
async function measureAnew(parts: readonly (typeof PARTS[number])[]): Promise<void> {
  if (Deno.build.os !== "linux") throw new Error("CPU time is read from /proc: measure on Linux");
  await installSpark(SPARK_LINES[0]);
  const ways = {
    rows: measureRows,
    pace: async (dir: string) => ({
      process: await measurePace("process", dir),
      spark: await measurePace("spark", dir),
    }),
    cluster: measureCluster,
    long: measureLong,
  };
  for (const part of parts) {
    const found = await step(`Measuring ${part}`, () => inScratch<unknown>(ways[part]));
    const before = await readFigures();
    const machine = `${cpus().length} cores of ${cpus()[0]?.model ?? "a processor without a name"}`;
    const load = { ...before.load, [part]: Deno.loadavg()[0]! };
    const figures = { ...before, machine, load, [part]: found };
    await Deno.writeTextFile(FIGURES, `${JSON.stringify(figures, null, 2)}\n`);
  }
  const figures = await readFigures();
  const marked = /(<!-- figures[^\n]*-->\n)[^]*(<!-- end of figures -->)/;
  const page = await Deno.readTextFile(PAGE);
  const block = await formatted(pageTable(figures, DEFAULTS), "md");
  await Deno.writeTextFile(PAGE, page.replace(marked, `$1\n${block}\n$2`));
  console.log(block);
}

if (import.meta.main) {
  Deno.exit(
    await runCommand(SCALE, Deno.args, async ({ values }) => {
      const parts = values.measure.map((part) => choiceOf("measure", part, [...PARTS, "all"]));
      if (parts.length > 0) {
        return await measureAnew(
          PARTS.filter((part) => parts.some((it) => it === "all" || it === part)),
        );
      }
      const rates = values.rate.map((rate) => numberOf("rate", rate, MORE_THAN_0));
      const needs = needsOf(values);
      const figures = await readFigures();
      console.log(scaleTable(rates.length > 0 ? rates : RATES, { needs, figures }));
    }),
  );
}
