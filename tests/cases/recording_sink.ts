import type { DataFrame } from "polars";
import { type OutputMode, type ParquetSink, readParquetFolder, type Sink } from "lib";

const PLANNED = "planned failure";

/** Keeps the rows of each batch, and can fail once. */
export class RecordingSink implements Sink {
  readonly description = "RecordingSink";
  readonly batches = new Map<number, DataFrame>();
  failsOnce = false;
  readonly #files: ParquetSink | undefined;
  readonly #mode: OutputMode;

  constructor(mode: OutputMode, files: ParquetSink | undefined) {
    this.#mode = mode;
    this.#files = files;
  }

  open(...args: Parameters<ParquetSink["open"]>): Promise<void> {
    return this.#files?.open(...args) ?? Promise.resolve();
  }

  async addBatch(batchId: number, rows: DataFrame): Promise<void> {
    if (this.failsOnce) {
      this.failsOnce = false;
      throw new Error(PLANNED);
    }
    await this.#files?.addBatch(batchId, rows);
    this.batches.set(batchId, rows);
  }

  /** All rows: those of the whole folder if there is one, of the last table in complete mode. */
  async all(): Promise<DataFrame[]> {
    if (this.#files) return [await readParquetFolder(this.#files.dir)];
    return [...this.batches.values()].slice(this.#mode === "complete" ? -1 : 0);
  }

  since(batchId: number): DataFrame[] {
    return [...this.batches].filter(([id]) => id > batchId).map(([, rows]) => rows);
  }
}

/** Whether an error is the one that the sink was told to raise. */
export function isPlanned({ message }: Error): boolean {
  return message.includes(PLANNED);
}
