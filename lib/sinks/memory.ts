import pl, { type DataFrame } from "polars";
import type { Sink } from "../core/types.ts";

/** Keeps the rows of each batch in memory, for tests and for small tables. */
export class MemorySink implements Sink {
  readonly description = "MemorySink";
  readonly #batches = new Map<number, DataFrame>();

  addBatch(batchId: number, rows: DataFrame): Promise<void> {
    this.#batches.set(batchId, rows);
    return Promise.resolve();
  }

  /** The rows of one batch; undefined if it has not been written. */
  batch(batchId: number): DataFrame | undefined {
    return this.#batches.get(batchId);
  }

  /** All rows, in order of batches; throws before the first batch. */
  rows(): DataFrame {
    return pl.concat([...this.#batches.values()]);
  }
}
