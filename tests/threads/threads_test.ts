import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readChunk } from "../../lib/threads/chunk.ts";
import { ChunkPool } from "../../lib/threads/pool.ts";
import { Threads } from "../../lib/threads/threads.ts";
import type { Asked } from "../../lib/threads/thread.ts";
import type { Messages, NumberColumn, Schema } from "../../lib/core/types.ts";
import { messagesOf } from "../json/messages.ts";

const schema: Schema = [{ name: "v", type: "double" }];
const plan = { schema };

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
async function withThreads(
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
function messages(v: number, partition = "0"): Messages {
  return { ...messagesOf(Array<string>(5_000).fill(`{"v":${v}}`)), partition };
}

async function valueOf(chunk: ReturnType<ChunkPool["read"]>): Promise<number> {
  const { values } = (await chunk).parsed.columns["v"] as NumberColumn;
  assert.equal(new Set(values).size, 1);
  return values[0]!;
}

Deno.test("replies are matched by request, in whatever order they come", async () => {
  await withThreads(async (threads, workers) => {
    const [a, b] = [new ChunkPool(threads), new ChunkPool(threads)];
    a.prepare(plan);
    const [first, second] = [a.read([messages(1)], plan), b.read([messages(2)], plan)];
    const [prepared, one, ...others] = workers[0]!.asked;
    assert.deepEqual(others, []); // the second is read here: a thread has two before it
    await workers[0]!.answer(one!);
    await workers[0]!.answer(prepared!);
    assert.deepEqual(await Promise.all([valueOf(first), valueOf(second)]), [1, 2]);
    a.close();
    b.close();
    assert.ok(workers[0]!.isTerminated);
  });
});

Deno.test("a request that cannot be sent is read here, and no other one notices", async () => {
  const said = await withThreads(async (threads, workers) => {
    const [a, b] = [new ChunkPool(threads), new ChunkPool(threads)];
    b.prepare(plan);
    await workers[0]!.answer(workers[0]!.asked.shift()!);
    const innocent = b.read([messages(11)], plan);
    workers[0]!.refuses = true;
    assert.equal(await valueOf(a.read([messages(7)], plan)), 7);
    workers[0]!.refuses = false;
    const next = b.read([messages(22)], plan);
    for (const request of workers[0]!.asked) await workers[0]!.answer(request);
    assert.deepEqual([await valueOf(innocent), await valueOf(next)], [11, 22]);
    a.close();
    b.close();
  });
  assert.deepEqual(said, []);
});

Deno.test("what a thread leaves undone when it dies is done here; it is not replaced, and said once", async () => {
  const said = await withThreads(async (threads, workers) => {
    const pool = new ChunkPool(threads);
    pool.prepare(plan);
    await workers[0]!.answer(workers[0]!.asked.shift()!);
    const open = [1, 2, 3].map((v) => pool.read([messages(v)], plan));
    const count = threads.count({ scan: { file: "f", from: 0, to: 9 }, line: 0, stride: 32 });
    assert.equal(workers[0]!.asked.length, 3);
    workers[0]!.die("out of memory");
    assert.deepEqual(await Promise.all(open.map(valueOf)), [1, 2, 3]);
    assert.equal(await count, undefined); // who asked counts by itself
    assert.equal(await valueOf(pool.read([messages(4)], plan)), 4);
    assert.equal(workers.length, 1);
    pool.close();
  });
  assert.deepEqual(said, [
    "Rows are read without a further thread, which takes longer: out of memory",
  ]);
});

Deno.test("messages that were given away and died with a thread are named as lost", async () => {
  await withThreads(async (threads, workers) => {
    const pool = new ChunkPool(threads);
    pool.prepare(plan);
    await workers[0]!.answer(workers[0]!.asked.shift()!);
    const given = pool.read([{ ...messages(1), isGivenAway: true }], plan);
    const kept = pool.read([messages(2)], plan);
    workers[0]!.die("out of memory");
    await assert.rejects(
      given,
      /lost with a thread that died: out of memory; start the query again/,
    );
    assert.equal(await valueOf(kept), 2);
    pool.close();
  });
});

Deno.test("a thread that cannot start is tried once", async () => {
  let tries = 0;
  const said = await withThreads(async (threads) => {
    for (let query = 0; query < 3; query++) {
      const pool = new ChunkPool(threads);
      pool.prepare(plan);
      assert.equal(await valueOf(pool.read([messages(query)], plan)), query);
      pool.close();
    }
  }, () => {
    tries++;
    throw new Error("no room for a thread");
  });
  assert.equal(tries, 1);
  assert.deepEqual(said, [
    "Rows are read without a further thread, which takes longer: no room for a thread",
  ]);
});

Deno.test("close() ends what its query has asked for, and nothing of another", async () => {
  await withThreads(async (threads, workers) => {
    const [a, b] = [new ChunkPool(threads), new ChunkPool(threads)];
    a.prepare(plan);
    await workers[0]!.answer(workers[0]!.asked.shift()!);
    const open = [a, b].map((pool, v) => pool.read([messages(v)], plan));
    a.close();
    await assert.rejects(open[0]!, /^Error: The query has ended$/);
    await assert.rejects(a.read([messages(1)], plan), /^Error: The query has ended$/);
    a.prepare(plan); // keeps nothing
    for (const request of workers[0]!.asked) await workers[0]!.answer(request);
    assert.equal(await valueOf(open[1]!), 1);
    const last = b.read([messages(2)], plan);
    b.close();
    await assert.rejects(last, /^Error: The query has ended$/);
    assert.ok(workers.every(({ isTerminated }) => isTerminated));
  });
});

Deno.test("a source's memory stays its own, whatever it lies in", async () => {
  await withThreads(async (threads, workers) => {
    const pool = new ChunkPool(threads);
    pool.prepare(plan);
    await workers[0]!.answer(workers[0]!.asked.shift()!);
    const read = async (slices: readonly Messages[]) => {
      const chunk = pool.read(slices, plan);
      await workers[0]!.answer(workers[0]!.asked.shift()!);
      return await chunk;
    };
    const own = messages(7);
    const text = own.bytes.slice();
    const shared = new Uint8Array(new SharedArrayBuffer(text.length));
    shared.set(text);
    const room = Buffer.from(new ArrayBuffer(text.length + 100));
    room.set(text, 50);
    const cases: [string, readonly Messages[]][] = [
      ["a buffer of its own", [own]],
      ["two slices in one buffer", [own, { ...own, partition: "1" }]],
      ["a shared buffer", [{ ...own, bytes: shared }]],
      ["a part of a node Buffer", [{ ...own, bytes: room.subarray(50, 50 + text.length) }]],
      ["given away, but a part", [{
        ...own,
        bytes: room.subarray(50, 50 + text.length),
        isGivenAway: true,
      }]],
    ];
    for (const [name, slices] of cases) {
      for (let again = 0; again < 2; again++) {
        const { parsed, slices: back } = await read(slices);
        assert.equal(parsed.length, 5_000 * slices.length, name);
        assert.deepEqual(Buffer.compare(slices[0]!.bytes, text), 0, name);
        assert.deepEqual(Buffer.compare((back[0] as Messages).bytes, text), 0, name);
      }
    }

    const given = { ...messages(8), isGivenAway: true };
    const twice = await read([given, { ...given, partition: "1" }]);
    assert.equal(twice.parsed.length, 10_000);
    const { slices: [back] } = await read([given]);
    assert.equal(given.bytes.length, 0); // it has moved
    assert.deepEqual((back as Messages).bytes, messages(8).bytes);
    pool.close();
  });
});

Deno.test("a process that may not read the threads' script says so once, in one line", async () => {
  const dir = await Deno.makeTempDir({ prefix: "threads-" });
  const lib = new URL("../../lib/", import.meta.url);
  try {
    const probe = join(dir, "probe.ts");
    await Deno.writeTextFile(
      probe,
      `import { ChunkPool } from "${new URL("threads/pool.ts", lib)}";
      const line = new TextEncoder().encode('{"v":1}');
      const bytes = new Uint8Array(5_000 * line.length);
      const starts = new Uint32Array(5_000).map((_, i) => i * line.length);
      for (const at of starts) bytes.set(line, at);
      const messages = { partition: "0", offsets: new Float64Array(starts), bytes, starts,
        ends: starts.map((at) => at + line.length) };
      const warned = Promise.withResolvers();
      const { warn } = console;
      console.warn = (text) => warned.resolve(warn(text));
      new ChunkPool().prepare({ schema: [{ name: "v", type: "double" }] });
      await warned.promise;
      for (let i = 0; i < 3; i++) {
        const pool = new ChunkPool();
        const chunk = await pool.read([messages], { schema: [{ name: "v", type: "double" }] });
        console.log(chunk.parsed.length);
        pool.close();
      }`,
    );
    const some = `--allow-read=${dir},${fileURLToPath(new URL("threads/worker.ts", lib))}`;
    const reasons = {
      [`--allow-read=${dir}`]: /allow that with --allow-read/,
      [some]: /read access/,
    };
    for (const [flag, reason] of Object.entries(reasons)) {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "--no-check", flag, probe],
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
      }).output();
      const [output, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assert.equal(output, "5000\n5000\n5000\n");
      const lines = errors!.trim().split("\n").filter((line) => line !== "");
      assert.equal(lines.length, 1, errors);
      assert.match(lines[0]!, /^Rows are read without a further thread, which takes longer: /);
      assert.match(lines[0]!, reason);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
