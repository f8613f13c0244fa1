import { type Chunk, type ChunkPlan, lengthOf, readChunk, type Slice } from "./chunk.ts";
import type { FileRange, Scorer } from "../core/types.ts";
import type { LineCount } from "../json/lines.ts";

/** What a thread is asked for, one request after the other. */
export interface ThreadRequest extends Omit<ChunkPlan, "model"> {
  readonly slices: readonly Slice[];
  readonly model?: Pick<Required<Scorer>, "path" | "sha256" | "bytes">;
}

/** Lines of a file that a thread is asked to count; see `scanLines`. */
export interface CountRequest {
  readonly scan: Pick<FileRange, "file" | "from" | "to">;
  readonly line: number;
  readonly stride: number;
}

/**
 * What both threads see at once, where a message waits until the main thread has nothing else to do:
 * `[1 once the thread runs, requests that it has not answered]`.
 */
export type ThreadState = Int32Array<SharedArrayBuffer>;

/** What a thread answers if it cannot read or score a chunk. */
export interface Failure {
  readonly name: string;
  readonly message: string;
}

/** Rows from which a thread is worth the trip. */
const MIN_ROWS = 4_000;
/** The main thread takes a core too, and each thread takes 70 MiB. */
const MAX_THREADS = Math.max(1, Math.min(3, navigator.hardwareConcurrency - 1));

/** Chunks that a thread has before it. */
const MAX_WAITING = 2;
/** Chunks in flight: two before a thread, one that is read here, two that wait for a place. */
export const CHUNKS_AHEAD: number = 5 * MAX_THREADS;

interface Thread {
  readonly worker: Worker;
  readonly state: ThreadState;
  readonly waiting: PromiseWithResolvers<Chunk | LineCount>[];
}

/** A chunk that is asked for. */
interface Job {
  readonly slices: readonly Slice[];
  readonly plan: ChunkPlan;
  readonly chunk: PromiseWithResolvers<Chunk>;
}

const threads: Thread[] = [];
const queue: Job[] = [];
/** Whether this thread reads a chunk of the queue. */
let isReading = false;
let users = 0;
/** The last chunks of files, by what was asked, while several queries may ask for the same ones. */
const shared = new Map<string, Promise<Chunk>>();
const MAX_SHARED = 4 * CHUNKS_AHEAD; // one query may be that far behind another

/** Reads and scores as `readChunk` does, large chunks in threads that all queries share. */
export class ChunkPool {
  /** Counted from the first large chunk on: a query that never starts keeps no thread. */
  #isUser = false;
  #isClosed = false;

  /** The slices given are used up: use those of the reply. Throws what `readChunk` throws. */
  async read(slices: readonly Slice[], plan: ChunkPlan): Promise<Chunk> {
    if (this.#isClosed) throw new Error("The query has ended");
    const rows = slices.reduce((sum, slice) => sum + lengthOf(slice), 0);
    if (rows < MIN_ROWS) return await readChunk(slices, plan);
    if (!this.#isUser) users++;
    this.#isUser = true;
    const { schema, model } = plan;
    if (!model || model.bytes) return await readOnce(slices, plan);
    const chunk = await readOnce(slices, { schema }); // only this thread can score
    const scores = await model.score(chunk.parsed.columns, chunk.parsed.length);
    return { ...chunk, scores };
  }

  /** Starts a thread, and has it load what `plan` needs, for large chunks that are about to come. */
  prepare(plan: ChunkPlan): void {
    if (!this.#isUser) users++;
    this.#isUser = true;
    if (threads.length > 0) return;
    threads.push(newThread());
    const chunk = Promise.withResolvers<Chunk>();
    chunk.promise.catch(() => {}); // who asks for rows will see
    const { model, ...others } = plan;
    ask(threads[0]!, { slices: [], plan: model?.bytes ? plan : others, chunk });
  }

  /** Ends the threads if no other query uses them. */
  close(): void {
    this.#isClosed = true;
    if (!this.#isUser) return;
    this.#isUser = false;
    users--;
    if (users < 2) shared.clear();
    if (users > 0) return;
    queue.length = 0;
    for (const { worker } of threads.splice(0)) worker.terminate();
  }
}

/** Reads a chunk, or takes it from another query that has asked for the same. */
function readOnce(slices: readonly Slice[], plan: ChunkPlan): Promise<Chunk> {
  const isInFiles = slices.every((slice) => "file" in slice);
  if (users < 2 || !isInFiles) return readSoon(slices, plan);
  const { schema, columns, model } = plan;
  const key = JSON.stringify([slices, schema, columns, model?.sha256]);
  const known = shared.get(key);
  if (known) return known;
  const chunk = readSoon(slices, plan);
  shared.set(key, chunk);
  if (shared.size > MAX_SHARED) shared.delete(shared.keys().next().value!);
  chunk.catch(() => shared.delete(key)); // a file may be mended
  return chunk;
}

/** Reads a chunk in a thread, or here while the threads have enough to do. */
function readSoon(slices: readonly Slice[], plan: ChunkPlan): Promise<Chunk> {
  const chunk = Promise.withResolvers<Chunk>();
  queue.push({ slices, plan, chunk });
  dispatch();
  return chunk.promise;
}

/** Hands the chunks in the queue to threads that have room, and one to this thread if none has. */
function dispatch(): void {
  while (queue.length > 0) {
    if (threads.length < MAX_THREADS && threads.every(isBusy)) threads.push(newThread());
    const thread = threads.find((thread) => !isBusy(thread));
    if (!thread && isReading) return;
    const job = queue.shift()!;
    if (thread) ask(thread, job);
    else {
      isReading = true;
      readChunk(job.slices, job.plan).then(job.chunk.resolve, job.chunk.reject).finally(() => {
        isReading = false;
        dispatch();
      });
    }
  }
}

function ask({ worker, state, waiting }: Thread, { slices, plan, chunk }: Job): void {
  const { model, ...others } = plan;
  const own = slices.map((slice) =>
    "file" in slice ? slice : { ...slice, bytes: ownBytes(slice.bytes) }
  );
  const request: ThreadRequest = {
    ...others,
    slices: own,
    ...model && { model: { path: model.path!, sha256: model.sha256, bytes: model.bytes! } },
  };
  waiting.push(chunk as PromiseWithResolvers<Chunk | LineCount>);
  Atomics.add(state, 1, 1);
  const moved = own.flatMap((slice) => "file" in slice ? [] : [slice.bytes.buffer]);
  worker.postMessage(request, moved);
}

/** Counts lines in a thread, if there is one. */
export function countInThread(request: CountRequest): Promise<LineCount> | undefined {
  const thread = threads[0];
  if (!thread) return undefined;
  const count = Promise.withResolvers<Chunk | LineCount>();
  thread.waiting.push(count);
  Atomics.add(thread.state, 1, 1);
  thread.worker.postMessage(request);
  return count.promise as Promise<LineCount>;
}

/** Whether a thread has enough to do, or does not run yet. */
function isBusy({ state }: Thread): boolean {
  return Atomics.load(state, 0) === 0 || Atomics.load(state, 1) >= MAX_WAITING;
}

/** A buffer can move only if nothing else lies in it. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength
    ? new Uint8Array(buffer)
    : bytes.slice();
}

function newThread(): Thread {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const state = new Int32Array(new SharedArrayBuffer(8));
  const thread: Thread = { worker, state, waiting: [] };
  worker.postMessage(state);
  worker.onmessage = ({ data }: MessageEvent<Chunk | LineCount | Failure>) => {
    const { resolve, reject } = thread.waiting.shift()!;
    if (!("message" in data)) return resolve(data);
    reject(data.name === "RangeError" ? new RangeError(data.message) : new Error(data.message));
  };
  worker.onerror = (event) => { // it could not start, or ran out of memory: nobody waits for ever
    event.preventDefault();
    if (threads.includes(thread)) threads.splice(threads.indexOf(thread), 1);
    for (const { reject } of thread.waiting) {
      reject(new Error(`A thread that reads messages failed: ${event.message}`));
    }
  };
  return thread;
}
