import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { FEATURES, OnnxModel, type Scorer, TopicLog, TRANSACTION_SCHEMA } from "lib";
import type { FileRange, NumberColumn, ParsedBatch, Schema } from "../../lib/core/types.ts";
import { joinChunks, lengthOf, readChunk } from "../../lib/threads/chunk.ts";
import { ChunkPool } from "../../lib/threads/pool.ts";
import { CHUNKS_AHEAD } from "../../lib/threads/threads.ts";
import { randoms } from "../faults/program.ts";
import { messagesOf } from "../json/messages.ts";

const MODELS = new URL("../../models/", import.meta.url);
const LR = "fraud_lr_model.onnx";
const RF = "fraud_rf_model.onnx";
const schema: Schema = [{ name: "V1", type: "double" }];
const plan = { schema };
/** More than a thread is worth. */
const rows = 9_000;

async function withLog(check: (log: TopicLog, file: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "pool-" });
  try {
    const file = join(dir, "t", "partition-0.jsonl");
    await Deno.mkdir(join(dir, "t"));
    const lines = Array.from({ length: rows }, (_, i) => i % 1_000 === 7 ? "bad" : `{"V1":${i}.5}`);
    await Deno.writeTextFile(file, lines.join("\n") + "\n");
    await Deno.writeTextFile(join(dir, "t", "partition-1.jsonl"), '{"V1":-1}\n');
    await check(await TopicLog.open(dir, "t"), file);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Waits until there is a thread: the main thread parses until then. */
async function threadOf(pool: ChunkPool, log: TopicLog): Promise<void> {
  const ranges = await log.locate({ "0": 0 }, { "0": rows });
  for (let tries = 0; (await pool.read(ranges, plan)).slices === ranges; tries++) {
    assert.ok(tries < 3_000, "no thread has started");
    await delay(20);
  }
}

/** The values of each column, null where they are not meant to be read. */
function cells({ columns }: ParsedBatch): Record<string, readonly (number | string | null)[]> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [
      name,
      "nulls" in column
        ? Array.from(column.values, (value, row) => column.nulls[row] === 1 ? null : value)
        : column.values,
    ]),
  );
}

Deno.test("ChunkPool reads files in a thread as it reads messages at hand", () =>
  withLog(async (log) => {
    const pool = new ChunkPool();
    try {
      const [start, end] = [{ "0": 300, "1": 0 }, { "0": rows, "1": 1 }];
      await threadOf(pool, log);
      const ranges = await log.locate(start, end);
      const there = await pool.read(ranges, plan);
      assert.notEqual(there.slices, ranges); // a thread answers with a copy
      for (let more = 0; more < 4; more++) { // it is free again each time
        assert.notEqual((await pool.read(ranges, plan)).slices, ranges);
      }
      const here = await pool.read(await log.getBatch(start, end), plan);
      assert.deepEqual(cells(there.parsed), cells(here.parsed));
      assert.deepEqual(there.parsed.problems, here.parsed.problems);
      assert.equal(there.parsed.length, rows - 300 + 1);
      assert.equal(there.parsed.problems.length, 8);
      const { values } = there.parsed.columns["V1"] as NumberColumn;
      assert.deepEqual([values[0], values.at(-2), values.at(-1)], [300.5, 8_999.5, -1]);
    } finally {
      pool.close();
    }
  }));

Deno.test("ChunkPool says which file has lost messages, also out of a thread", () =>
  withLog(async (log, file) => {
    const ranges = await log.locate({ "0": 0 }, { "0": rows });
    const pool = new ChunkPool();
    try {
      await threadOf(pool, log);
      await Deno.truncate(file, 1_000);
      const lost = /^RangeError: Messages are lost: .*partition-0\.jsonl has lost bytes while /;
      await assert.rejects(pool.read(ranges, plan), lost);
      const few: FileRange = { ...ranges[0]!, stop: 200 };
      await assert.rejects(pool.read([few], plan), lost);
      const whole = { ...few, stop: 10, to: 1_000 };
      assert.equal((await pool.read([whole], plan)).parsed.length, 10);
      pool.close();
      await assert.rejects(pool.read([whole], plan), /The query has ended/);
    } finally {
      pool.close();
    }
  }));

Deno.test("two queries that read the same chunk of a file share it, but no failure", () =>
  withLog(async (log, file) => {
    const [first, second] = [new ChunkPool(), new ChunkPool()];
    try {
      const ranges = await log.locate({ "0": 0 }, { "0": rows });
      const alone = await first.read(ranges, plan);
      const shared = await second.read(ranges, plan);
      assert.notEqual(shared, alone); // one query keeps nothing for others
      assert.equal(await first.read(ranges, plan), shared);
      const other = [{ name: "V1", type: "string" }] as const;
      assert.notEqual(await first.read(ranges, { schema: other }), shared);
      for (let start = 0; start < 4 * CHUNKS_AHEAD; start++) {
        await first.read(await log.locate({ "0": start }, { "0": start + 5_000 }), plan);
      }
      assert.notEqual(await second.read(ranges, plan), shared); // only the last chunks are kept

      const text = await Deno.readTextFile(file);
      const tail = [{ ...ranges[0]!, start: 1, skip: 1 }];
      await Deno.truncate(file, 1_000);
      await assert.rejects(first.read(tail, plan), RangeError);
      await Deno.writeTextFile(file, text);
      assert.equal((await second.read(tail, plan)).parsed.length, rows - 1);
    } finally {
      first.close();
      second.close();
    }
  }));

for (const file of [LR, RF]) {
  Deno.test(`a thread scores as the main thread does: ${file}`, () =>
    withLog(async (log) => {
      const pool = new ChunkPool();
      const model = await load(file);
      try {
        await threadOf(pool, log);
        const messages = messagesOf(transactions(9_000));
        const plan = { schema: TRANSACTION_SCHEMA, columns: ["Class"], model };
        const here = await readChunk([messages], plan);
        const there = await pool.read([messages], plan);
        assert.notEqual(there.slices[0], messages); // it has been to a thread
        assert.ok(new Set(here.scores!.probabilities).size > 1_000);
        assert.deepEqual(there.scores, here.scores);
        assert.equal(there.scores!.unscored, 9 + 90);
        assert.deepEqual(cells(there.parsed), cells(here.parsed));
        assert.deepEqual(there.parsed.problems, here.parsed.problems);
        assert.deepEqual(Object.keys(there.parsed.columns), ["Class"]);

        const { sha256, path } = model;
        const rule: Scorer = { path, sha256, score: (...batch) => model.score(...batch) };
        const alone = await pool.read(there.slices, { ...plan, model: rule });
        assert.deepEqual(alone.scores, here.scores); // read in the thread, scored here
      } finally {
        pool.close();
        await model.close();
      }
    }));
}

Deno.test("two queries with two models share no scores", async () => {
  const [lr, rf] = await Promise.all([LR, RF].map((file) => load(file)));
  const dir = await Deno.makeTempDir({ prefix: "pool-" });
  const pools = [new ChunkPool(), new ChunkPool()];
  try {
    await Deno.mkdir(join(dir, "t"));
    const text = transactions(5_000).join("\n") + "\n";
    await Deno.writeTextFile(join(dir, "t", "partition-0.jsonl"), text);
    const ranges = await (await TopicLog.open(dir, "t")).locate({ "0": 0 }, { "0": 5_000 });
    const plans = [lr!, rf!].map((model) => ({ schema: TRANSACTION_SCHEMA, model }));
    await Promise.all(pools.map((pool) => pool.read(ranges, plans[0]!))); // both read
    const [a, b] = await Promise.all(pools.map((pool, i) => pool.read(ranges, plans[i]!)));
    const again = await pools[1]!.read(ranges, plans[0]!);
    assert.notDeepEqual(a!.scores, b!.scores);
    assert.equal(again, a);
  } finally {
    for (const pool of pools) pool.close();
    await Deno.remove(dir, { recursive: true });
    await Promise.all([lr!.close(), rf!.close()]);
  }
});

Deno.test("a thread says what is wrong with a model", () =>
  withLog(async (log) => {
    const pool = new ChunkPool();
    try {
      await threadOf(pool, log);
      const bytes = new Uint8Array(new SharedArrayBuffer(4));
      const score = () => Promise.reject(new Error("not here"));
      const model: Scorer = { path: "broken.onnx", sha256: "0", bytes, score };
      const ranges = await log.locate({ "0": 0 }, { "0": rows });
      await assert.rejects(pool.read(ranges, { ...plan, model }), /Cannot load "broken\.onnx"/);
    } finally {
      pool.close();
    }
  }));

Deno.test("joinChunks() gives what reading the messages at once gives", async () => {
  const schema: Schema = [...TRANSACTION_SCHEMA, { name: "note", type: "string" }];
  const values = transactions(300);
  const plan = { schema, model: await load(LR) };
  const parts = [[0, 100], [100, 101], [101, 101], [101, 300]].map(([from, to]) =>
    readChunk([messagesOf(values.slice(from, to))], plan)
  );
  const joined = joinChunks(await Promise.all(parts));
  const { parsed, scores } = await readChunk([messagesOf(values)], plan);
  assert.equal(parsed.problems.length, 3);
  assert.deepEqual(cells(joined.parsed), cells(parsed));
  assert.deepEqual(joined.parsed.problems, parsed.problems);
  assert.equal(joined.parsed.length, parsed.length);
  assert.deepEqual(joined.scores!.probabilities, scores!.probabilities);
  assert.equal(joined.scores!.unscored, scores!.unscored);
  assert.deepEqual(joined.slices.map(lengthOf), [100, 1, 0, 199]);
});

function load(file: string): Promise<OnnxModel> {
  return OnnxModel.load(fileURLToPath(new URL(file, MODELS)));
}

/** Transactions, seeded; one in 1,000 lacks V7, one in 100 is no JSON, each has a note. */
function transactions(n: number): string[] {
  const random = randoms(7);
  return Array.from({ length: n }, (_, i) => {
    if (i % 100 === 20) return "no JSON";
    const features = FEATURES.filter((name) => name !== "V7" || i % 1_000 !== 3);
    return JSON.stringify({
      event_time: new Date(1_704_103_200_000 + i * 37).toISOString(),
      Time: i,
      ...Object.fromEntries(features.map((name) => [name, 6 * random() - 3])),
      Class: i % 7 === 0 ? null : 0,
      note: `row ${i}`,
    });
  });
}
