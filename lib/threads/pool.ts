import {
  byteLengthOf,
  type Chunk,
  type ChunkPlan,
  lengthOf,
  readChunk,
  type Slice,
} from "./chunk.ts";
import { type Threads, threads } from "./threads.ts";

/** Rows or bytes from which a thread is worth the trip. */
const MIN_ROWS = 4_000;
const MIN_BYTES = 4 * 1024 * 1024;

/** Reads and scores for one query as `readChunk` does, large chunks in threads that all queries share. */
export class ChunkPool {
  readonly #threads: Threads;
  /** What was asked for and has not come. */
  readonly #open = new Set<PromiseWithResolvers<Chunk>>();
  #isClosed = false;

  constructor(shared: Threads = threads) {
    this.#threads = shared;
  }

  /**
   * Slices that were given away are used up: use those of the reply. Throws what `readChunk` throws,
   * and once the query has ended.
   */
  read(slices: readonly Slice[], plan: ChunkPlan): Promise<Chunk> {
    const open = Promise.withResolvers<Chunk>();
    if (this.#isClosed) open.reject(ended());
    else {
      this.#open.add(open);
      this.#read(slices, plan).then(open.resolve, open.reject)
        .finally(() => this.#open.delete(open));
    }
    return open.promise;
  }

  /** Starts a thread, and has it load what `plan` needs, for large chunks that are about to come. */
  prepare(plan: ChunkPlan): void {
    if (this.#isClosed) return;
    this.#threads.join(this);
    this.#threads.prepare(plan);
  }

  /** Ends what is still read, and the threads if no other query uses them. */
  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#open) reject(ended());
    this.#threads.leave(this);
  }

  async #read(slices: readonly Slice[], plan: ChunkPlan): Promise<Chunk> {
    const rows = sum(slices.map(lengthOf));
    if (rows < MIN_ROWS && sum(slices.map(byteLengthOf)) < MIN_BYTES) {
      return await readChunk(slices, plan);
    }
    this.#threads.join(this); // not before: a query of small chunks keeps no thread
    const { schema, model } = plan;
    if (!model || model.bytes) return await this.#threads.read(slices, plan);
    const chunk = await this.#threads.read(slices, { schema }); // only this thread can score
    const scores = await model.score(chunk.parsed.columns, chunk.parsed.length);
    return { ...chunk, scores };
  }
}

function ended(): Error {
  return new Error("The query has ended");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
