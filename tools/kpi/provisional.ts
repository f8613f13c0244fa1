import { join } from "node:path";
import type { DataFrame } from "polars";
import { ParquetSink, type Sink } from "lib";
import { writeFile } from "../../lib/files.ts";

/**
 * Keeps the windows that are still open when a run ends, as a table beside the final ones: one parquet
 * file, replaced whole by each run. While a run goes on, and after one that failed, there is none, since
 * some of its windows may be final by then.
 */
export class Provisional {
  readonly #folder: ParquetSink;
  readonly #file: string;

  constructor(dir: string) {
    this.#folder = new ParquetSink(dir);
    this.#file = join(dir, "part-000000000.parquet");
  }

  /** Returns the sink of the final windows; to open it makes the folder the query's own as well. */
  beside(sink: Sink): Sink {
    return {
      description: sink.description,
      ...sink.outputModes && { outputModes: sink.outputModes },
      open: async (queryId, start) => {
        await sink.open?.(queryId, start);
        await this.#folder.open(queryId, { batchId: 0, isNew: true });
        await Deno.remove(this.#file).catch((error) => {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        });
      },
      addBatch: (batchId, rows) => sink.addBatch(batchId, rows),
      close: async () => await sink.close?.(),
    };
  }

  async write(open: DataFrame): Promise<void> {
    await writeFile(
      this.#file,
      open.sort("window_start").writeParquet({ compression: "snappy" }),
    );
  }
}
