import assert from "node:assert/strict";
import { ChunkPool } from "../../lib/threads/pool.ts";
import { messages, plan, valueOf, withThreads } from "./scripted_worker.ts";

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
