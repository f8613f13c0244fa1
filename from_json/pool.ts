import { parseMessages } from "./from_json.ts";
import { loadLines } from "./rows.ts";
import type { FileRange, Messages, ParsedBatch, Schema } from "../lib/core/types.ts";

/** Messages of one partition, at hand or in a file. */
export type Slice = Messages | FileRange;

export interface ParseRequest {
  readonly slices: readonly Slice[];
  readonly schema: Schema;
}

/** Slices come back with what was read from them: bytes at hand are moved there and back. */
export interface ParseReply {
  readonly parsed: ParsedBatch;
  readonly slices: readonly Slice[];
}

/** What a thread answers if it cannot read a file. */
export interface Failure {
  readonly name: string;
  readonly message: string;
}

/** Returns how many messages a slice has. */
export function lengthOf(slice: Slice): number {
  return "file" in slice ? slice.stop - slice.start : slice.offsets.length;
}

/** Returns the bytes of a slice, those around its messages included. */
export function byteLengthOf(slice: Slice): number {
  return "file" in slice ? slice.to - slice.from : slice.bytes.length;
}

/** Reads slices as `parseMessages` does, in this thread: all of one source, so all or none in files. */
export function parseSlices({ slices, schema }: ParseRequest): ParseReply {
  const ranges = slices.filter((slice) => "file" in slice);
  const values = slices.filter((slice): slice is Messages => !("file" in slice));
  const messages = ranges.length > 0 ? loadLines(ranges, schema) : values;
  return { parsed: parseMessages(messages, schema), slices };
}

/** Rows from which a thread is worth the trip. */
const MIN_ROWS = 4_000;
/** The main thread takes a core too, and each thread takes 70 MiB. */
const MAX_THREADS = Math.max(1, Math.min(3, navigator.hardwareConcurrency - 1));

/** Chunks that a thread has before it. */
const MAX_WAITING = 3;
/** Chunks in flight with which no thread waits, and one is left for the main thread. */
export const CHUNKS_AHEAD: number = MAX_THREADS * MAX_WAITING + 1;

interface Thread {
  readonly worker: Worker;
  readonly waiting: PromiseWithResolvers<ParseReply>[];
}

const threads: Thread[] = [];
let users = 0;
/** The last chunks of files, by ranges and schema, while several queries may read the same ones. */
const shared = new Map<string, Promise<ParseReply>>();
const MAX_SHARED = 4;

/** Reads messages as `parseMessages` does, large chunks in threads that all queries share. */
export class ParsePool {
  /** Counted from the first large chunk on: a query that never starts keeps no thread. */
  #isUser = false;
  #isClosed = false;

  /** The slices given are used up: use those of the reply. Throws what `loadLines` throws. */
  parse(slices: readonly Slice[], schema: Schema): Promise<ParseReply> {
    if (this.#isClosed) return Promise.reject(new Error("The query has ended"));
    const rows = slices.reduce((sum, slice) => sum + lengthOf(slice), 0);
    if (rows < MIN_ROWS) return Promise.try(() => parseSlices({ slices, schema }));
    if (!this.#isUser) users++;
    this.#isUser = true;
    const isInFiles = slices.every((slice) => "file" in slice);
    if (users < 2 || !isInFiles) return parseSoon({ slices, schema });
    const key = JSON.stringify([slices, schema]);
    const known = shared.get(key);
    if (known) return known;
    const reply = parseSoon({ slices, schema });
    shared.set(key, reply);
    if (shared.size > MAX_SHARED) shared.delete(shared.keys().next().value!);
    reply.catch(() => shared.delete(key)); // a file may be mended
    return reply;
  }

  /** Ends the threads if no other query uses them. */
  close(): void {
    this.#isClosed = true;
    if (!this.#isUser) return;
    this.#isUser = false;
    users--;
    if (users < 2) shared.clear();
    if (users > 0) return;
    for (const { worker } of threads.splice(0)) worker.terminate();
  }
}

/** Reads slices in a thread, or here if the threads have enough to do: nobody is to wait for them. */
function parseSoon({ slices, schema }: ParseRequest): Promise<ParseReply> {
  const isBusy = ({ waiting }: Thread) => waiting.length >= MAX_WAITING;
  if (threads.length === MAX_THREADS && threads.every(isBusy)) {
    return Promise.try(() => parseSlices({ slices, schema }));
  }
  const own = slices.map((slice) =>
    "file" in slice ? slice : { ...slice, bytes: ownBytes(slice.bytes) }
  );
  const { worker, waiting } = idlestThread();
  const reply = Promise.withResolvers<ParseReply>();
  waiting.push(reply);
  const buffers = own.flatMap((slice) => "file" in slice ? [] : [slice.bytes.buffer]);
  worker.postMessage({ slices: own, schema }, buffers);
  return reply.promise;
}

/** A buffer can move only if nothing else lies in it. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength
    ? new Uint8Array(buffer)
    : bytes.slice();
}

function idlestThread(): Thread {
  const idlest = threads.toSorted((a, b) => a.waiting.length - b.waiting.length)[0];
  if (idlest && (idlest.waiting.length === 0 || threads.length === MAX_THREADS)) return idlest;
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const thread: Thread = { worker, waiting: [] };
  worker.onmessage = ({ data }: MessageEvent<ParseReply | Failure>) => {
    const { resolve, reject } = thread.waiting.shift()!;
    if ("parsed" in data) return resolve(data);
    reject(data.name === "RangeError" ? new RangeError(data.message) : new Error(data.message));
  };
  worker.onerror = (event) => { // it could not start, or ran out of memory: nobody waits for ever
    event.preventDefault();
    threads.splice(threads.indexOf(thread), 1);
    for (const { reject } of thread.waiting) {
      reject(new Error(`A thread that parses messages failed: ${event.message}`));
    }
  };
  threads.push(thread);
  return thread;
}
