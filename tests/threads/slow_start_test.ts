// A thread whose code takes long to load, as in a new checkout, where it is compiled first.
import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ChunkPool } from "../../lib/threads/pool.ts";
import { Threads } from "../../lib/threads/threads.ts";
import { messages, plan, valueOf } from "./scripted_worker.ts";

const THREADS = new URL("../../lib/threads/", import.meta.url);

/** Runs `body` with a real thread that is given `code` in place of answer.ts; returns what was said. */
async function withAnswers(code: string, body: (threads: Threads) => Promise<void>) {
  const dir = await Deno.makeTempDir({ prefix: "slow-" });
  const said: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => said.push(text);
  try {
    const worker = await Deno.readTextFile(new URL("worker.ts", THREADS));
    const texts = {
      "worker.ts": worker,
      "thread.ts": "export type Reply = object;",
      "answer.ts": code,
    };
    for (const [name, text] of Object.entries(texts)) {
      await Deno.writeTextFile(join(dir, name), `// @ts-nocheck\n${text}`);
    }
    const script = pathToFileURL(join(dir, "worker.ts"));
    await body(new Threads(() => new Worker(script, { type: "module" })));
    return said;
  } finally {
    console.warn = warn;
    await Deno.remove(dir, { recursive: true });
  }
}

const file = fileURLToPath(import.meta.url);
const { size } = await Deno.stat(file);
const asked = { scan: { file, from: 0, to: size }, line: 0, stride: 32 };

Deno.test("what a thread is sent before its code is loaded is done once it is, in the order asked", async () => {
  const slow = `await new Promise((resolve) => setTimeout(resolve, 300));
    export const { take } = await import(${JSON.stringify(new URL("answer.ts", THREADS))});`;
  const said = await withAnswers(slow, async (threads) => {
    const pool = new ChunkPool(threads);
    pool.prepare(plan); // its state and a first request, at once
    const first = threads.count(asked);
    await new Promise((resolve) => setTimeout(resolve, 100)); // and others while it loads
    const answered: number[] = [];
    const lines = (await Deno.readTextFile(file)).split("\n").length - 1;
    const counts = [first, threads.count(asked), threads.count(asked)].map(async (counted, i) => {
      equal((await counted)?.count, lines);
      answered.push(i);
    });
    await inTime(pool, Promise.all(counts));
    deepEqual(answered, [0, 1, 2]);
  });
  equal(said.join("\n"), "");
});

Deno.test("a thread whose code does not load is said once, and rows are read without it", async () => {
  const said = await withAnswers(`throw new Error("no code");`, async (threads) => {
    const pool = new ChunkPool(threads);
    pool.prepare(plan);
    const counted = inTime(pool, threads.count(asked));
    equal(await counted, undefined); // who asked counts by itself
    equal(await valueOf(new ChunkPool(threads).read([messages(3)], plan)), 3);
  });
  equal(said.length, 1);
  ok(said[0]!.endsWith("takes longer: no code"), said[0]);
});

/** Waits for an answer, and closes the pool after it, or where none comes. */
async function inTime<T>(pool: ChunkPool, answer: Promise<T>): Promise<T> {
  const late = setTimeout(() => pool.close(), 20_000);
  return await answer.finally(() => {
    clearTimeout(late);
    pool.close();
  });
}
