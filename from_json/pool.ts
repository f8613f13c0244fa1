import { parseMessages } from "./from_json.ts";
import type { Messages, ParsedBatch, Schema } from "../lib/core/types.ts";

export interface ParseRequest {
  readonly messages: readonly Messages[];
  readonly schema: Schema;
}

/** Messages come back with what was read from them: their bytes are moved there and back. */
export interface ParseReply {
  readonly parsed: ParsedBatch;
  readonly messages: readonly Messages[];
}

/** Rows from which a thread is worth the trip. */
const MIN_ROWS = 4_000;
const MAX_THREADS = Math.min(4, navigator.hardwareConcurrency);

interface Thread {
  readonly worker: Worker;
  readonly waiting: PromiseWithResolvers<ParseReply>[];
}

const threads: Thread[] = [];
let users = 0;

/** Reads messages as `parseMessages` does, large chunks in threads that all queries share. */
export class ParsePool {
  /** Counted from the first large chunk on: a query that never starts keeps no thread. */
  #isUser = false;

  /** The messages given are used up: use those of the reply. */
  parse(messages: readonly Messages[], schema: Schema): Promise<ParseReply> {
    const rows = messages.reduce((sum, { offsets }) => sum + offsets.length, 0);
    if (rows < MIN_ROWS) {
      return Promise.resolve({ parsed: parseMessages(messages, schema), messages });
    }
    if (!this.#isUser) users++;
    this.#isUser = true;
    const own = messages.map((slice) => ({ ...slice, bytes: ownBytes(slice.bytes) }));
    const { worker, waiting } = idlestThread();
    const reply = Promise.withResolvers<ParseReply>();
    waiting.push(reply);
    worker.postMessage({ messages: own, schema }, own.map(({ bytes }) => bytes.buffer));
    return reply.promise;
  }

  /** Ends the threads if no other query uses them. */
  close(): void {
    if (!this.#isUser || --users > 0) return;
    for (const { worker } of threads.splice(0)) worker.terminate();
  }
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
  worker.onmessage = ({ data }) => thread.waiting.shift()!.resolve(data);
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
