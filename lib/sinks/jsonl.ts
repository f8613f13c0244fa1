import type { DataFrame } from "polars";
import { claim, readFile, writeBytes } from "../files.ts";
import type { Sink, SinkStart } from "../core/types.ts";

const APPEND = { append: true, create: true };

/**
 * Appends the rows of each batch to one file as JSON lines that begin with their `batchId`. A start
 * cuts off what a crash left of the batch to come, so that each row is there once.
 */
export class JsonlSink implements Sink {
  readonly path: string;
  readonly description: string;

  constructor(path: string) {
    this.path = path;
    this.description = `JsonlSink[${path}]`;
  }

  /** Makes the file this query's own, and cuts off what is torn or of batch `batchId` or later. */
  async open(queryId: string, { batchId, isNew }: SinkStart): Promise<void> {
    const text = await readFile(this.path);
    // Before the owner, whose folder is synced: then the name of this file is durable too.
    if (isNew) await writeBytes(this.path, new Uint8Array(), APPEND);
    const found = isNew ? text?.slice(0, 60) || undefined : text;
    await claim(this.path, `${this.path}.query.json`, { queryId, isNew, found });
    let length = 0;
    for (const line of text?.split(/(?<=\n)/) ?? []) {
      if (!line.endsWith("\n")) break;
      const [, id] = /^\{"batchId":(\d+)[,}]/.exec(line) ?? [];
      if (id === undefined) throw new SyntaxError(this.#foreign(line));
      if (Number(id) >= batchId) break;
      length += new TextEncoder().encode(line).length;
    }
    await Deno.truncate(this.path, length);
  }

  async addBatch(batchId: number, rows: DataFrame): Promise<void> {
    const lines = rows.toRecords().map((row) => `${JSON.stringify({ batchId, ...row }, number)}\n`);
    await writeBytes(this.path, new TextEncoder().encode(lines.join("")), APPEND);
  }

  #foreign(line: string): string {
    return `Cannot go on writing to "${this.path}": it was changed, a line there is ` +
      `${JSON.stringify(line.slice(0, 60))}. Restore it, or start over with a new checkpoint`;
  }
}

/** JSON has no int64: the counts fit a number. */
function number(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}
