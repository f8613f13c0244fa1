import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ParsePool } from "../../from_json/pool.ts";
import type { FileRange, NumberColumn, ParsedBatch, Schema } from "../../lib/core/types.ts";
import { TopicLog } from "lib";

const schema: Schema = [{ name: "V1", type: "double" }];
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
async function threadOf(pool: ParsePool, log: TopicLog): Promise<void> {
  const ranges = await log.locate({ "0": 0 }, { "0": rows });
  for (let tries = 0; (await pool.parse(ranges, schema)).slices === ranges; tries++) {
    assert.ok(tries < 500, "no thread has started");
    await delay(20);
  }
}

/** The values of V1, null where they are not meant to be read. */
function cells({ columns }: ParsedBatch): (number | null)[] {
  const { values, nulls } = columns["V1"] as NumberColumn;
  return Array.from(values, (value, row) => nulls[row] === 1 ? null : value);
}

Deno.test("ParsePool reads files in a thread as it reads messages at hand", () =>
  withLog(async (log) => {
    const pool = new ParsePool();
    try {
      const [start, end] = [{ "0": 300, "1": 0 }, { "0": rows, "1": 1 }];
      await threadOf(pool, log);
      const ranges = await log.locate(start, end);
      const there = await pool.parse(ranges, schema);
      assert.notEqual(there.slices, ranges); // a thread answers with a copy
      const here = await pool.parse(await log.getBatch(start, end), schema);
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

Deno.test("ParsePool says which file has lost messages, also out of a thread", () =>
  withLog(async (log, file) => {
    const ranges = await log.locate({ "0": 0 }, { "0": rows });
    const pool = new ParsePool();
    try {
      await threadOf(pool, log);
      await Deno.truncate(file, 1_000);
      const lost = /^RangeError: Messages are lost: .*partition-0\.jsonl has lost bytes while /;
      await assert.rejects(pool.parse(ranges, schema), lost);
      const few: FileRange = { ...ranges[0]!, stop: 200 };
      await assert.rejects(pool.parse([few], schema), lost);
      const whole = { ...few, stop: 10, to: 1_000 };
      assert.equal((await pool.parse([whole], schema)).parsed.length, 10);
      pool.close();
      await assert.rejects(pool.parse([whole], schema), /The query has ended/);
    } finally {
      pool.close();
    }
  }));

Deno.test("two queries that read the same chunk of a file share it, but no failure", () =>
  withLog(async (log, file) => {
    const [first, second] = [new ParsePool(), new ParsePool()];
    try {
      const ranges = await log.locate({ "0": 0 }, { "0": rows });
      const alone = await first.parse(ranges, schema);
      const shared = await second.parse(ranges, schema);
      assert.notEqual(shared, alone); // one query keeps nothing for others
      assert.equal(await first.parse(ranges, schema), shared);
      const other = [{ name: "V1", type: "string" }] as const;
      assert.notEqual(await first.parse(ranges, other), shared);
      for (let start = 0; start < 4; start++) {
        await first.parse(await log.locate({ "0": start }, { "0": start + 5_000 }), schema);
      }
      assert.notEqual(await second.parse(ranges, schema), shared); // only the last chunks are kept

      const text = await Deno.readTextFile(file);
      const tail = [{ ...ranges[0]!, start: 1, skip: 1 }];
      await Deno.truncate(file, 1_000);
      await assert.rejects(first.parse(tail, schema), RangeError);
      await Deno.writeTextFile(file, text);
      assert.equal((await second.parse(tail, schema)).parsed.length, rows - 1);
    } finally {
      first.close();
      second.close();
    }
  }));
