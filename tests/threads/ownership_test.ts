import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ChunkPool } from "../../lib/threads/pool.ts";
import type { Messages } from "../../lib/core/types.ts";
import { messages, plan, valueOf, withThreads } from "./scripted_worker.ts";

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
