import type { LineCount } from "../json/lines.ts";
import type { FileRange } from "../core/types.ts";
import type { Scorer } from "../model/scorer.ts";
import type { Chunk, ChunkPlan, Slice } from "./chunk.ts";

/** Slices to read, without what only the main thread needs. */
export interface ReadRequest extends Omit<ChunkPlan, "model"> {
  readonly slices: readonly Slice[];
  readonly model?: Pick<Required<Scorer>, "path" | "sha256" | "bytes">;
}

/** Lines of a file to count; see `countLinesOf`. */
export interface CountRequest {
  readonly scan: Pick<FileRange, "file" | "from" | "to">;
  readonly line: number;
  readonly stride: number;
}

/** What a thread answers to a request to read: bytes that were given away come back. */
export interface ReadAnswer extends Omit<Chunk, "slices"> {
  readonly given: readonly (Uint8Array | null)[];
}

/** What a thread is sent; the first message is its `ThreadState`. */
export type Asked = { readonly id: number } & (ReadRequest | CountRequest);

/** What comes back: the answer, or why there is none; `id` is null if nothing can be asked at all. */
export type Reply =
  | { readonly id: number; readonly answer: ReadAnswer | LineCount }
  | { readonly id: number | null; readonly failure: Failure };

interface Failure {
  readonly name: string;
  readonly message: string;
}

/**
 * What both threads see at once, where a message waits until the main thread has nothing else to do:
 * `[1 once the thread runs, requests that it has not answered]`.
 */
export type ThreadState = Int32Array<SharedArrayBuffer>;

/** Raised for a request that was not answered, because the thread died or could not be asked. */
export class NotAnswered extends Error {}

/** Requests that a thread has before it. */
const MAX_WAITING = 2;

/** A thread that reads, scores and counts. Each request is settled once, whatever becomes of the thread. */
export class Thread {
  readonly #worker: Worker;
  readonly #state: ThreadState = new Int32Array(new SharedArrayBuffer(8));
  readonly #open = new Map<number, PromiseWithResolvers<ReadAnswer | LineCount>>();
  #asked = 0;

  /** Takes over a worker that runs worker.ts; `onDeath` is told once why it is gone, if it dies by itself. */
  constructor(worker: Worker, onDeath: (thread: Thread, reason: string) => void) {
    this.#worker = worker;
    const die = (reason: string) => {
      this.end(new NotAnswered(reason));
      onDeath(this, reason);
    };
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      if ("failure" in data && data.id === null) die(data.failure.message);
      else this.#settle(data);
    };
    worker.onmessageerror = () => die("an answer could not be read");
    worker.onerror = (event) => { // it could not start, or ran out of memory
      event.preventDefault();
      die(event.message);
    };
    worker.postMessage(this.#state);
  }

  /** Whether it runs and has not enough to do. */
  get hasRoom(): boolean {
    return Atomics.load(this.#state, 0) === 1 && Atomics.load(this.#state, 1) < MAX_WAITING;
  }

  /** Reads and scores; what is in `moved` is gone from here. Throws what reading throws, or `NotAnswered`. */
  read(request: ReadRequest, moved: Transferable[]): Promise<ReadAnswer> {
    return this.#ask(request, moved) as Promise<ReadAnswer>;
  }

  /** Counts lines. Throws what counting throws, or `NotAnswered`. */
  count(request: CountRequest): Promise<LineCount> {
    return this.#ask(request, []) as Promise<LineCount>;
  }

  /** Ends the thread; requests that are open fail with `reason`. */
  end(reason: Error): void {
    this.#worker.onmessage = this.#worker.onmessageerror = null;
    this.#worker.onerror = (event) => event.preventDefault();
    this.#worker.terminate();
    for (const { reject } of this.#open.values()) reject(reason);
    this.#open.clear();
  }

  #ask(request: ReadRequest | CountRequest, moved: Transferable[]) {
    const id = this.#asked++;
    const answer = Promise.withResolvers<ReadAnswer | LineCount>();
    this.#open.set(id, answer);
    Atomics.add(this.#state, 1, 1);
    try {
      this.#worker.postMessage({ ...request, id } satisfies Asked, moved);
    } catch (error) { // this request alone cannot be sent
      Atomics.sub(this.#state, 1, 1);
      this.#open.delete(id);
      answer.reject(new NotAnswered(`${error}`));
    }
    return answer.promise;
  }

  #settle(reply: Reply): void {
    const { resolve, reject } = this.#open.get(reply.id!)!;
    this.#open.delete(reply.id!);
    if ("answer" in reply) return resolve(reply.answer);
    const { name, message } = reply.failure;
    reject(name === "RangeError" ? new RangeError(message) : new Error(message));
  }
}
