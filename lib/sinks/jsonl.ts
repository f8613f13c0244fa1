import type { DataFrame } from "polars";
import { readFile, writeFile } from "../files.ts";
import type { Sink } from "../core/types.ts";

/**
 * Appends the rows of each batch to one file as JSON lines that begin with their `batchId`. Before
 * it writes batch N it cuts off what a crash left of batch N, so that each row is there once.
 */
export class JsonlSink implements Sink {
  readonly path: string;
  readonly description: string;
  #checked = false;

  constructor(path: string) {
    this.path = path;
    this.description = `JsonlSink[${path}]`;
  }

  /** Makes the file this query's own; throws if it holds the output of another. */
  async open(queryId: string): Promise<void> {
    const owner = await readFile(`${this.path}.query.json`);
    if (owner === JSON.stringify({ queryId })) return;
    if (owner !== undefined || await readFile(this.path)) {
      throw new Error(
        `Cannot write to "${this.path}": it is not this query's output. Choose another file, or ` +
          `delete it, "${this.path}.query.json" and the checkpoint to start over`,
      );
    }
    await writeFile(`${this.path}.query.json`, JSON.stringify({ queryId }));
  }

  async addBatch(batchId: number, rows: DataFrame): Promise<void> {
    if (!this.#checked) await this.#cut(batchId);
    this.#checked = true;
    const lines = rows.toRecords().map((row) => `${JSON.stringify({ batchId, ...row }, number)}\n`);
    const file = await Deno.open(this.path, { append: true, create: true });
    try {
      const bytes = new TextEncoder().encode(lines.join(""));
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await file.sync();
    } finally {
      file.close();
    }
  }

  /** Cuts the file before the first line that is torn or of batch `batchId` or later. */
  async #cut(batchId: number): Promise<void> {
    const text = await readFile(this.path) ?? "";
    let length = 0;
    for (const line of text.split(/(?<=\n)/)) {
      if (!line.endsWith("\n") || JSON.parse(line).batchId >= batchId) break;
      length += new TextEncoder().encode(line).length;
    }
    if (text !== "") await Deno.truncate(this.path, length);
  }
}

/** JSON has no int64: the counts fit a number. */
function number(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}
