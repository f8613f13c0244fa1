import type { DataFrame } from "polars";
import type { Sink } from "../core/types.ts";

/** Prints the rows of each batch as a table, as Spark's console sink does. */
export class ConsoleSink implements Sink {
  readonly description = "ConsoleSink";
  readonly #print: (text: string) => void;
  readonly #numRows: number;

  /** `print` gets one table at a time; at most `numRows` rows of a batch are shown. */
  constructor({ print = console.log, numRows = 20 }: {
    print?: (text: string) => void;
    numRows?: number;
  } = {}) {
    this.#print = print;
    this.#numRows = numRows;
  }

  addBatch(batchId: number, rows: DataFrame): Promise<void> {
    const line = "-".repeat(43);
    const more = rows.height - this.#numRows;
    this.#print([
      line,
      `Batch: ${batchId}`,
      line,
      rows.limit(this.#numRows).toString(),
      ...more > 0 ? [`${more} more rows`] : [],
    ].join("\n"));
    return Promise.resolve();
  }
}
