import { Buffer } from "node:buffer";
import type { DataFrame } from "polars";
import { plainRows } from "../../lib/sinks/plain_rows.ts";
import { isoText } from "../../lib/core/time.ts";
import { readFile, writeBytes } from "../../lib/files.ts";
import { claim } from "../../lib/sinks/claim.ts";
import type { Sink, SinkStart } from "../../lib/core/types.ts";

/** Rows that become text at once. */
const ROWS = 10_000;
const BLOCK_BYTES = 64 * 1024;

/**
 * Appends the rows of each batch to one file as JSON lines that begin with their `batchId`. A start
 * cuts off what a crash left of the batch to come, so that each row is there once; it looks at the
 * end of the file only, since batch ids never fall.
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
    // Before the owner, whose folder is synced: then the name of this file is durable too.
    if (isNew) (await Deno.open(this.path, { append: true, create: true })).close();
    const found = await readFile(this.path, 60);
    const rows = isNew ? found || undefined : found;
    await claim(this.path, `${this.path}.query.json`, { queryId, isNew, found: rows });
    const { end, isOpen } = await this.#endOfBatchesBefore(batchId);
    await Deno.truncate(this.path, end);
    if (isOpen) await this.#append("\n");
  }

  async addBatch(batchId: number, rows: DataFrame): Promise<void> {
    if (rows.columns.includes("batchId")) {
      throw new TypeError(`${this.description} writes a batchId of its own: rename that column`);
    }
    const names = rows.columns.map((name) => JSON.stringify(name));
    for (let at = 0; at < rows.height; at += ROWS) {
      const lines = plainRows(rows.slice(at, ROWS), isoText).map((row) => {
        const fields = row.map((value, i) => `,${names[i]}:${jsonOf(value)}`);
        return `{"batchId":${batchId}${fields.join("")}}\n`;
      });
      await this.#append(lines.join(""));
    }
  }

  #append(text: string): Promise<void> {
    return writeBytes(this.path, new TextEncoder().encode(text), { append: true });
  }

  /**
   * Finds where the lines of the batches before `batchId` end, and whether the last of them lacks its
   * newline. What a power cut left of a batch may lack its end, or have zeros in place of a block.
   */
  async #endOfBatchesBefore(batchId: number): Promise<{ end: number; isOpen: boolean }> {
    for await (const { line, start } of linesFromEnd(this.path)) {
      const isWhole = line.at(-1) === 10;
      const head = line.toString("latin1", 0, 40);
      const [, digits] = /^\{"batchId":(\d+)[,}]/.exec(head) ?? [];
      const id = digits === undefined ? undefined : Number(digits);
      const isCutOff = line.includes(0) || !isWhole && `{"batchId":${batchId}`.startsWith(head);
      if (id === undefined ? isCutOff : id >= batchId) continue;
      if (id !== undefined && (isWhole || isJson(line))) {
        return { end: start + line.length, isOpen: !isWhole };
      }
      throw new SyntaxError(
        `Cannot go on writing to "${this.path}": it was changed, a line there is ` +
          `${JSON.stringify(line.toString("utf8", 0, 60))}. Restore it, or start over with a new ` +
          `checkpoint and an output that is empty`,
      );
    }
    return { end: 0, isOpen: false };
  }
}

/** Yields the lines of a file from its last one on, with where they start; holds one line at a time. */
async function* linesFromEnd(path: string): AsyncGenerator<{ line: Buffer; start: number }> {
  using file = await Deno.open(path);
  let rest = Buffer.alloc(0);
  for (let start = (await file.stat()).size; start > 0 || rest.length > 0;) {
    const cut = rest.subarray(0, -1).lastIndexOf(10) + 1;
    if (cut === 0 && start > 0) {
      const block = Buffer.alloc(Math.min(start, Math.max(BLOCK_BYTES, rest.length)));
      start -= block.length;
      await file.seek(start, Deno.SeekMode.Start);
      for (let at = 0; at < block.length;) at += await file.read(block.subarray(at)) ?? Infinity;
      rest = Buffer.concat([block, rest]);
    } else {
      yield { line: rest.subarray(cut), start: start + cut };
      rest = rest.subarray(0, cut);
    }
  }
}

function isJson(line: Buffer): boolean {
  try {
    return typeof JSON.parse(line.toString()) === "object";
  } catch {
    return false;
  }
}

/** Writes a value as Spark does: whole numbers with all their digits, and as text what JSON has no number for. */
function jsonOf(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  if (Object.is(value, -0)) return "-0.0";
  return JSON.stringify(typeof value === "number" && !isFinite(value) ? String(value) : value);
}
