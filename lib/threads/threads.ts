import type { LineCount } from "../json/lines.ts";
import { type Chunk, type ChunkPlan, readChunk, type Slice } from "./chunk.ts";
import { type CountRequest, NotAnswered, type ReadRequest, Thread } from "./thread.ts";

/** The main thread takes a core too, and each thread takes 70 MiB. */
const MAX_THREADS: number = Math.max(1, Math.min(3, navigator.hardwareConcurrency - 1));

/** Chunks in flight: two before a thread, one that is read here, two that wait for a place. */
export const CHUNKS_AHEAD: number = 5 * MAX_THREADS;
/** Chunks that are kept for other queries: one may be that far behind another. */
const MAX_SHARED = 4 * CHUNKS_AHEAD;

/** A chunk that is asked for. */
interface Job {
  readonly slices: readonly Slice[];
  readonly plan: ChunkPlan;
  readonly chunk: PromiseWithResolvers<Chunk>;
  /** Whether a thread has left it undone. */
  readonly isForHere?: boolean;
}

/**
 * Threads that read chunks for all queries of the process, while there is one. What a thread leaves
 * undone is done here. One that dies, or cannot start, is not replaced: that is said once.
 */
export class Threads {
  readonly #newWorker: () => Worker;
  readonly #users = new Set<object>();
  readonly #queue: Job[] = [];
  /** The last chunks of files, by what was asked, while several queries may ask for the same ones. */
  readonly #shared = new Map<string, Promise<Chunk>>();
  #threads: Thread[] = [];
  #mayStart = true;
  /** Whether the main thread reads a chunk of the queue. */
  #isReading = false;

  constructor(newWorker: () => Worker) {
    this.#newWorker = newWorker;
  }

  /** Keeps the threads for `user` until it leaves. */
  join(user: object): void {
    this.#users.add(user);
  }

  /** Ends the threads with their last user. */
  leave(user: object): void {
    this.#users.delete(user);
    if (this.#users.size < 2) this.#shared.clear();
    if (this.#users.size > 0) return;
    const reason = new Error("The query has ended");
    for (const { chunk } of this.#queue.splice(0)) chunk.reject(reason);
    for (const thread of this.#threads.splice(0)) thread.end(reason);
  }

  /** Starts a thread, and has it load what `plan` needs, for chunks that are about to come. */
  prepare(plan: ChunkPlan): void {
    if (this.#threads.length > 0) return;
    this.#start()?.read(requestOf([], plan), []).catch(() => {}); // who asks for rows will see
  }

  /**
   * Reads a chunk in a thread, or here while the threads have enough to do; one of files that another
   * query has asked for is the same. Throws what `readChunk` throws.
   */
  read(slices: readonly Slice[], plan: ChunkPlan): Promise<Chunk> {
    const isInFiles = slices.every((slice) => "file" in slice);
    if (this.#users.size < 2 || !isInFiles) return this.#enqueue({ slices, plan });
    const { schema, columns, model } = plan;
    const key = JSON.stringify([slices, schema, columns, model?.sha256]);
    const known = this.#shared.get(key);
    if (known) return known;
    const chunk = this.#enqueue({ slices, plan });
    this.#shared.set(key, chunk);
    if (this.#shared.size > MAX_SHARED) this.#shared.delete(this.#shared.keys().next().value!);
    chunk.catch(() => this.#shared.delete(key)); // a file may be mended
    return chunk;
  }

  /** Counts lines in a thread; `undefined` if there is none, or if it cannot. */
  async count(request: CountRequest): Promise<LineCount | undefined> {
    return await this.#threads[0]?.count(request).catch(() => undefined);
  }

  #enqueue(request: Pick<Job, "slices" | "plan">): Promise<Chunk> {
    const chunk = Promise.withResolvers<Chunk>();
    this.#queue.push({ ...request, chunk });
    this.#dispatch();
    return chunk.promise;
  }

  /** Hands the chunks in the queue to threads that have room, and one to this thread if none has. */
  #dispatch(): void {
    while (this.#queue.length > 0) {
      const free = this.#threads.find(({ hasRoom }) => hasRoom);
      if (!free && this.#threads.length < MAX_THREADS) this.#start();
      const thread = this.#queue[0]!.isForHere ? undefined : free;
      if (!thread && this.#isReading) return;
      const job = this.#queue.shift()!;
      if (thread) this.#readIn(thread, job);
      else this.#readHere(job);
    }
  }

  async #readIn(thread: Thread, { slices, plan, chunk }: Job): Promise<void> {
    try {
      const own = movable(slices);
      const moved = own.flatMap((slice) => "file" in slice ? [] : [slice.bytes.buffer]);
      const { given, ...read } = await thread.read(requestOf(own, plan), moved as ArrayBuffer[]);
      const back = slices.map((slice, i) =>
        given[i] ? { ...slice, bytes: given[i] } : { ...slice }
      );
      chunk.resolve({ ...read, slices: back });
    } catch (error) {
      if (!(error instanceof NotAnswered)) return chunk.reject(error);
      if (slices.some(isGone)) return chunk.reject(lostWith(error));
      this.#queue.unshift({ slices, plan, chunk, isForHere: true });
      this.#dispatch();
    }
  }

  async #readHere({ slices, plan, chunk }: Job): Promise<void> {
    this.#isReading = true;
    await readChunk(slices, plan).then(chunk.resolve, chunk.reject);
    this.#isReading = false;
    this.#dispatch();
  }

  #start(): Thread | undefined {
    if (!this.#mayStart) return undefined;
    try {
      const thread = new Thread(this.#newWorker(), (thread, reason) => this.#lose(reason, thread));
      this.#threads.push(thread);
      return thread;
    } catch (error) {
      this.#lose((error as Error).message);
      return undefined;
    }
  }

  #lose(reason: string, thread?: Thread): void {
    this.#threads = this.#threads.filter((other) => other !== thread);
    if (this.#mayStart) {
      console.warn(`Rows are read without a further thread, which takes longer: ${reason}`);
    }
    this.#mayStart = false;
  }
}

/** The threads of this process. */
export const threads: Threads = new Threads(() => {
  const script = new URL("./worker.ts", import.meta.url);
  // Asked first: a worker that may not read its script prints an error that nobody can catch.
  if (Deno.permissions.querySync({ name: "read", path: script }).state !== "granted") {
    throw new Error(`it may not read the folder of ${script}; allow that with --allow-read`);
  }
  return new Worker(script, { type: "module" });
});

function requestOf(slices: readonly Slice[], { model, ...plan }: ChunkPlan): ReadRequest {
  if (!model?.bytes) return { ...plan, slices };
  return {
    ...plan,
    slices,
    model: { path: model.path!, sha256: model.sha256, bytes: model.bytes },
  };
}

/** Returns slices whose bytes can move to a thread: those that were given away, or else copies. */
function movable(slices: readonly Slice[]): Slice[] {
  const buffers = slices.map((slice) => "bytes" in slice ? slice.bytes.buffer : null);
  return slices.map((slice) => {
    if ("file" in slice) return slice;
    const { partition, offsets, bytes, starts, ends, tombstones } = slice;
    const { buffer } = bytes;
    const isGivenAway = slice.isGivenAway === true && buffer instanceof ArrayBuffer &&
      buffer.byteLength === bytes.byteLength &&
      buffers.indexOf(buffer) === buffers.lastIndexOf(buffer);
    const own = isGivenAway ? bytes : new Uint8Array(bytes); // a node Buffer's slice() is no copy
    const others = { partition, offsets, starts, ends, ...tombstones && { tombstones } };
    return { ...others, bytes: own, isGivenAway };
  });
}

/** Whether the bytes of a slice have moved away. */
function isGone(slice: Slice): boolean {
  if ("file" in slice) return false;
  const { buffer } = slice.bytes;
  return buffer instanceof ArrayBuffer && buffer.detached;
}

function lostWith({ message }: NotAnswered): Error {
  return new Error(
    `Messages were lost with a thread that died: ${message}; start the query again, it goes on ` +
      "from its checkpoint",
  );
}
