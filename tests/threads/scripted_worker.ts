import assert from "node:assert/strict";
import { readChunk } from "../../lib/threads/chunk.ts";
import { ChunkPool } from "../../lib/threads/pool.ts";
import { Threads } from "../../lib/threads/threads.ts";
import type { Asked } from "../../lib/threads/thread.ts";
import type { Messages, NumberColumn, Schema } from "../../lib/core/types.ts";
import { messagesOf } from "../json/messages.ts";

export const schema: Schema = [{ name: "v", type: "double" }];

export const plan = { schema };

/** A worker that runs, and does what a test says: it answers, fails, or dies. */
class ScriptedWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onmessageerror: (() => void) | null = null;
  onerror: ((event: { message: string; preventDefault(): void }) => void) | null = null;
  readonly asked: Asked[] = [];
  refuses = false;
  isTerminated = false;
  #state!: Int32Array;

  postMessage(data: Int32Array | Asked, moved: Transferable[] = []): void {
    if (this.refuses) throw new DOMException("it cannot be cloned", "DataCloneError");
    if (data instanceof Int32Array) {
      this.#state = data;
      Atomics.store(data, 0, 1);
    } else this.asked.push(structuredClone(data, { transfer: moved }));
  }

  /** Answers a request as answer.ts does. */
  async answer(request: Asked): Promise<void> {
    if (!("slices" in request)) throw new Error("not asked to read");
    const { id, slices } = request;
    const { parsed } = await readChunk(slices, plan);
    const given = slices.map((slice) => "bytes" in slice && slice.isGivenAway ? slice.bytes : null);
    Atomics.sub(this.#state, 1, 1);
    this.onmessage?.({ data: { id, answer: { parsed, given } } });
  }

  die(message: string): void {
    this.onerror?.({ message, preventDefault() {} });
  }

  terminate(): void {
    this.isTerminated = true;
  }
}

/** Runs `body` with threads whose workers it scripts; returns what was said meanwhile. */
export async function withThreads(
  body: (threads: Threads, workers: ScriptedWorker[]) => Promise<void>,
  newWorker = () => new ScriptedWorker(),
): Promise<string[]> {
  const workers: ScriptedWorker[] = [];
  const said: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => said.push(text);
  try {
    await body(
      new Threads(() => {
        workers.push(newWorker());
        return workers.at(-1) as unknown as Worker;
      }),
      workers,
    );
  } finally {
    console.warn = warn;
  }
  return said;
}

/** 5,000 messages with one value. */
export function messages(v: number, partition = "0"): Messages {
  return { ...messagesOf(Array<string>(5_000).fill(`{"v":${v}}`)), partition };
}

export async function valueOf(chunk: ReturnType<ChunkPool["read"]>): Promise<number> {
  const { values } = (await chunk).parsed.columns["v"] as NumberColumn;
  assert.equal(new Set(values).size, 1);
  return values[0]!;
}
