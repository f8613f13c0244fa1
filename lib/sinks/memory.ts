import pl, { type DataFrame } from "polars";
import type { Sink } from "../core/types.ts";

/**
 * Keeps the rows of each batch in memory, for tests and for small tables. It holds one query: another
 * that starts with it puts its rows in place of theirs, and is refused while the first still runs.
 */
export class MemorySink implements Sink {
  readonly description = "MemorySink";
  readonly #batches = new Map<number, DataFrame>();
  #queryId: string | undefined;
  #isOpen = false;

  open(queryId: string): Promise<void> {
    return Promise.try(() => {
      const isOther = this.#queryId !== queryId;
      if (isOther && this.#isOpen) {
        throw new Error("Another query writes to this MemorySink: make a new one");
      }
      if (isOther) this.#batches.clear();
      this.#queryId = queryId;
      this.#isOpen = true;
    });
  }

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

  close(): Promise<void> {
    this.#isOpen = false;
    return Promise.resolve();
  }
}
