import { join } from "node:path";
import pl, { type DataFrame } from "polars";
import { readFile, removeTemporaryFiles, writeFile } from "../files.ts";
import type { OutputMode, Sink } from "../core/types.ts";

const OWNER = "_query.json";

/**
 * Writes the rows of each batch as one parquet file in a folder, named by the batch id: a batch
 * that runs again replaces its own file and no other. Readers never see half a file, since it is
 * renamed into place.
 *
 * A batch without rows writes no file, but the first one does, so that readers find the columns.
 */
export class ParquetSink implements Sink {
  readonly dir: string;
  readonly description: string;
  readonly outputModes: readonly OutputMode[] = ["append"];

  constructor(dir: string) {
    this.dir = dir;
    this.description = `FileSink[${dir}]`;
  }

  /** Makes the folder this query's own; throws if it holds the output of another or other files. */
  async open(queryId: string): Promise<void> {
    await Deno.mkdir(this.dir, { recursive: true });
    await removeTemporaryFiles(this.dir);
    const path = join(this.dir, OWNER);
    const text = await readFile(path);
    const owner = text === undefined ? undefined : ownerOf(text);
    if (owner === queryId) return;
    const names = (await Array.fromAsync(Deno.readDir(this.dir))).filter(({ name }) =>
      name !== OWNER
    );
    if (owner !== undefined || names.length > 0) {
      const holds = owner === undefined
        ? `files such as "${names[0]!.name}"`
        : "another query's output";
      throw new Error(
        `Cannot write to "${this.dir}": it holds ${holds}, and this query's checkpoint does not know ` +
          `of it. Choose an empty folder, or delete it together with its checkpoint to start over`,
      );
    }
    await writeFile(path, JSON.stringify({ queryId }));
  }

  async addBatch(batchId: number, rows: DataFrame): Promise<void> {
    const path = join(this.dir, `part-${String(batchId).padStart(9, "0")}.parquet`);
    if (rows.height > 0 || batchId === 0) {
      await writeFile(path, rows.writeParquet({ compression: "snappy" }));
    } else if (await readFile(path) !== undefined) {
      await Deno.remove(path);
    }
  }
}

/** Reads all rows that a `ParquetSink` wrote; throws if the folder holds none. */
export async function readParquetFolder(dir: string): Promise<DataFrame> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(dir)) if (name.endsWith(".parquet")) names.push(name);
  if (names.length === 0) throw new Error(`"${dir}" holds no parquet files: has the query run?`);
  return pl.concat(names.sort().map((name) => pl.readParquet(join(dir, name))));
}

function ownerOf(text: string): string | undefined {
  try {
    return JSON.parse(text).queryId;
  } catch {
    return "?"; // damaged: certainly not this query's
  }
}
