import { existsSync } from "node:fs";
import { join } from "node:path";
import pl, { type DataFrame } from "polars";
import {
  parseDuration,
  readParquetFolder,
  type Source,
  type StreamingQuery,
  type StreamingQueryProgress,
  type WindowSpec,
} from "lib";
import { asideTable } from "../lib/windows/aside.ts";
import { windowsOfGroups } from "./keys.ts";
import { sampleEvents } from "./messages.ts";
import { position, type Run } from "./run.ts";

/** Names a delay in folders and queries, the same for each way to write it: 30s, 2min. */
export function labelOf(watermark: string): string {
  const ms = parseDuration(watermark);
  if (ms > 0 && ms % 60_000 === 0) return `${ms / 60_000}min`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** Where an experiment keeps its files under a folder, named as in the original notebook. */
export class ExperimentFiles {
  readonly label: string;
  readonly consoleCheckpoint: string;
  readonly parquetCheckpoint: string;
  readonly out: string;
  /** Rows that are late or cannot be read. */
  readonly aside: string;
  /** Alerts and frauds. */
  readonly alerts: string;
  /** One line of JSON a batch of the parquet query. */
  readonly #progressFile: string;

  constructor(folder: string, watermark: string) {
    this.label = labelOf(watermark);
    const checkpoint = join(folder, "checkpoints", `kpi_watermark_${this.label}`);
    this.consoleCheckpoint = `${checkpoint}_console`;
    this.parquetCheckpoint = `${checkpoint}_parquet`;
    this.out = join(folder, "data", "kpi_results", `watermark_${this.label}`);
    this.aside = `${this.out}_aside`;
    this.alerts = `${this.out}_alerts`;
    this.#progressFile = `${this.out}_progress.jsonl`;
  }

  /** Clears the files of an earlier run on purpose: a query that finds its checkpoint goes on from it. */
  async clear(): Promise<void> {
    const { consoleCheckpoint, parquetCheckpoint, out, aside, alerts } = this;
    await clear(consoleCheckpoint, parquetCheckpoint, out, aside, alerts, this.#progressFile);
    await Deno.mkdir(join(out, ".."), { recursive: true });
  }

  /**
   * Returns where a resumed experiment goes on: its topic, the next batch of its parquet query, and what
   * was noted of the batches before. Throws if there is nothing to go on from.
   */
  async resume(): Promise<
    { topic: string; nextBatch: number; progress: StreamingQueryProgress[] }
  > {
    const commits = join(this.parquetCheckpoint, "commits");
    const ids = existsSync(commits)
      ? Array.from(Deno.readDirSync(commits), ({ name }) => Number(name)).filter(Number.isInteger)
      : [];
    const nextBatch = Math.max(-1, ...ids) + 1;
    const lines = existsSync(this.#progressFile)
      ? (await Deno.readTextFile(this.#progressFile)).split("\n").slice(0, -1)
      : [];
    const noted = lines.map((line) => JSON.parse(line) as StreamingQueryProgress)
      .filter(({ batchId }) => batchId < nextBatch);
    const progress = [...new Map(noted.map((batch) => [batch.batchId, batch])).values()];
    const [topic] = Object.keys(progress.at(-1)?.sources[0]?.endOffset ?? {});
    if (topic === undefined) {
      throw new Error(
        `There is nothing to go on from in ${this.parquetCheckpoint}: run the experiment without resume`,
      );
    }
    return { topic, nextBatch, progress };
  }

  /** Notes a batch, for a restart. */
  note(batch: StreamingQueryProgress): void {
    Deno.writeTextFileSync(this.#progressFile, `${JSON.stringify(batch)}\n`, { append: true });
  }

  /** Reads what a stopped experiment has made. */
  async read(
    { watermark, window, keys = [], query, progress, source, interrupted }: {
      readonly watermark: string;
      readonly window: WindowSpec;
      /** What the queries count by beside the window. */
      readonly keys?: readonly string[];
      /** The parquet query. */
      readonly query: StreamingQuery;
      readonly progress: readonly StreamingQueryProgress[];
      /** The topic, to sample its rows. */
      readonly source: Source;
      readonly interrupted?: string | undefined;
    },
  ): Promise<Run> {
    const open = query.openWindows;
    const kpi = await readIfAny(this.out) ?? open.head(0);
    const windowsOf = (groups: DataFrame) => windowsOfGroups(groups, keys).sort("window_start");
    const aside = await readIfAny(this.aside) ?? asideTable([], 0);
    const alerts = await readIfAny(this.alerts) ?? pl.DataFrame();
    return {
      watermark,
      position: 0,
      window,
      ...interrupted !== undefined && { interrupted },
      kpi: windowsOf(kpi),
      open: windowsOf(open),
      ...keys.length > 0 && { keyed: { keys, kpi, open } },
      progress,
      late: aside.filter(pl.col("kind").eq(pl.lit("late"))),
      alerts,
      events: await sampleEvents(source, progress),
    };
  }
}

/** Removes files and folders, those that are there. */
export async function clear(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await Deno.remove(path, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** Says how far an interrupted query had come. */
export function interruptedAfter(progress: readonly StreamingQueryProgress[]): string {
  const sources = progress.at(-1)?.sources ?? [];
  const [end, latest] = [position(sources, "endOffset"), position(sources, "latestOffset")];
  const [read, all] = [end, latest].map((n) => n.toLocaleString("en-US"));
  return progress.length === 0 ? "before its first batch" : `after ${read} of ${all} rows`;
}

/** Reads a folder of parquet files; undefined if it has none. */
async function readIfAny(dir: string): Promise<DataFrame | undefined> {
  const hasAny = existsSync(dir) &&
    Array.from(Deno.readDirSync(dir)).some(({ name }) => name.endsWith(".parquet"));
  return hasAny ? await readParquetFolder(dir) : undefined;
}
