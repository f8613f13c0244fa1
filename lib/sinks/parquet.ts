import { existsSync } from "node:fs";
import { join } from "node:path";
import pl, { type DataFrame } from "polars";
import { makeFolder, writeFile } from "../files.ts";
import { claim, OWNER } from "./claim.ts";
import type { OutputMode, Sink, SinkStart } from "../core/types.ts";

/**
 * Writes the rows of each batch as one parquet file in a folder, named by the batch id: a batch
 * that runs again replaces its own file and no other. Readers never see half a file, since it is
 * renamed into place.
 *
 * A batch without rows writes no file unless there is none yet: readers find the columns.
 */
export class ParquetSink implements Sink {
  readonly description: string;
  readonly outputModes: readonly OutputMode[] = ["append"];
  #hasFiles = false;

  constructor(readonly dir: string) {
    this.description = `FileSink[${dir}]`;
  }

  /** Makes the folder this query's own, and removes what a crash left of batches not yet planned. */
  async open(queryId: string, { batchId, isNew }: SinkStart): Promise<void> {
    await makeFolder(this.dir);
    const entries = await Array.fromAsync(Deno.readDir(this.dir));
    const found = entries.find(({ name }) => !name.startsWith(".") && name !== OWNER)?.name;
    await claim(this.dir, join(this.dir, OWNER), { queryId, isNew, found });
    for (const { name } of entries) {
      const [, id, isCutOff] = /^\.?part-(\d{9,})\.parquet(\.tmp)?$/.exec(name) ?? [];
      if (isCutOff || Number(id) > batchId) await Deno.remove(join(this.dir, name));
    }
    this.#hasFiles = found !== undefined;
  }

  async addBatch(batchId: number, rows: DataFrame): Promise<void> {
    const path = join(this.dir, `part-${String(batchId).padStart(9, "0")}.parquet`);
    if (rows.height === 0 && this.#hasFiles && !existsSync(path)) return;
    await writeFile(path, rows.writeParquet({ compression: "snappy" }));
    this.#hasFiles = true;
  }
}

/** Reads all rows that a `ParquetSink` wrote; throws if the folder holds none. */
export async function readParquetFolder(dir: string): Promise<DataFrame> {
  const names = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
  if (!names.some((name) => name.endsWith(".parquet"))) {
    throw new Error(`"${dir}" holds no parquet files: has the query run?`);
  }
  const literal = dir.replace(/[[\]?*{}]/g, "[$&]");
  return pl.scanParquet(join(literal, "*.parquet")).collectSync(); // file by file it takes 2 MB each
}
