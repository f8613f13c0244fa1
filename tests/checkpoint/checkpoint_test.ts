import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { batchIds, Checkpoint, hasStart } from "../../lib/checkpoint/checkpoint.ts";
import { applyStep, type Group, groupId, groupsIn, newState } from "../../lib/windows/state.ts";

const IDENTITY = { source: "TopicLog[t]", window: "60000 ms" };
const PLANNED = {
  batchWatermarkMs: 7,
  batchTimestampMs: 1_000,
  conf: { "watermark.delay": "1 s" },
  sourceId: "an id",
};

function checkpointTest(name: string, test: (dir: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const dir = await Deno.makeTempDir();
    await test(join(dir, "checkpoint"));
    await Deno.remove(dir, { recursive: true });
  });
}

const open = (dir: string, identity: Record<string, string> = IDENTITY) =>
  Checkpoint.open(dir, identity, "t");

/** Opens, uses and closes. */
async function using<T>(dir: string, use: (checkpoint: Checkpoint) => Promise<T>): Promise<T> {
  const checkpoint = await open(dir);
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

checkpointTest("a checkpoint keeps its query's id over restarts", async (dir) => {
  const id = await using(dir, ({ id }) => Promise.resolve(id));
  match(id, /^[0-9a-f-]{36}$/);
  equal(await using(dir, ({ id }) => Promise.resolve(id)), id);
});

checkpointTest("cursor() follows the two logs: planned, done, planned again", async (dir) => {
  await using(dir, async (checkpoint) => {
    equal((await checkpoint.cursor({ end: { "0": 1 } })).batchId, 0);
    await checkpoint.writeOffsets(0, { ...PLANNED, end: { "0": 3 } });
    deepEqual((await checkpoint.cursor()).planned, { ...PLANNED, end: { "0": 3 } });
    await checkpoint.writeCommit(0, { nextBatchWatermarkMs: 9 });
    const { batchId, before, watermark, planned } = await checkpoint.cursor();
    deepEqual([batchId, before, watermark, planned], [
      1,
      { ...PLANNED, end: { "0": 3 } },
      9,
      undefined,
    ]);
    await checkpoint.writeOffsets(1, { ...PLANNED, batchWatermarkMs: 9, end: { "0": 5 } });
    const again = await checkpoint.cursor();
    deepEqual([again.batchId, again.before.end, again.planned?.end], [1, { "0": 3 }, { "0": 5 }]);
  });
});

checkpointTest("the state is read as it was written, NaN and infinities too", async (dir) => {
  const group = (start: number, slots: (number | null)[]) => ({
    start,
    keys: ["é\ud800", 1, null, true],
    rows: 2,
    slots,
  });
  const groups = [group(0, [1, 0.1, -2.5e-308]), group(-60_000, [NaN, Infinity, -Infinity, null])];
  const state = newState(groups);
  const total = { read: 6, counted: 1, late: 1, rejected: 0 };
  await using(dir, (checkpoint) => checkpoint.states.write(4, { state, total }));
  deepEqual(await using(dir, (checkpoint) => checkpoint.states.read(4)), { state, total });
  await rejects(using(dir, (checkpoint) => checkpoint.states.read(5)), /state\/5": it is missing/);
});

checkpointTest(
  "the first offsets stay what they were, whatever the source says later",
  async (dir) => {
    const first = await using(dir, (c) => c.cursor({ end: { "0": 4 }, sourceId: "a" }));
    const later = await using(dir, (c) => c.cursor({ end: { "0": 9 } }));
    for (const { before: { end, sourceId } } of [first, later]) {
      deepEqual({ end, sourceId }, { end: { "0": 4 }, sourceId: "a" });
    }
    await using(dir, (checkpoint) => checkpoint.writeOffsets(0, { ...PLANNED, end: { "0": 5 } }));
    await Deno.remove(join(dir, "sources", "0", "0"));
    const lost = using(dir, (c) => c.cursor({ end: { "0": 9 } }));
    await rejects(lost, /sources\/0\/0": it is missing/);
    equal(hasStart(dir), false); // nothing was written
  },
);

checkpointTest("open() refuses a query that differs and says in what", async (dir) => {
  await using(dir, () => Promise.resolve());
  await rejects(open(dir, { ...IDENTITY, window: "1 ms" }), {
    name: "TypeError",
    message: /window was 60000 ms and is now 1 ms\. Undo the change, or start over/,
  });
  await using(dir, () => Promise.resolve()); // and gives its lock back
});

checkpointTest(
  "open() refuses a checkpoint without metadata, whatever is left of it",
  async (dir) => {
    for (const place of ["sources/0/0", "offsets/0", "commits/0", "state/0"]) {
      await using(dir, () => Promise.resolve());
      await Deno.writeTextFile(join(dir, place), "v1");
      await Deno.remove(join(dir, "metadata"));
      await rejects(open(dir), /metadata": it is missing/, place);
      await Deno.remove(dir, { recursive: true });
    }
  },
);

checkpointTest("open() refuses a second query and names the process of the first", async (dir) => {
  const first = await open(dir);
  await rejects(open(dir), new RegExp(`a running query holds .*process ${Deno.pid}\\)`));
  await first.close();
  await using(dir, () => Promise.resolve());
});

checkpointTest("open() says that it takes over a lock whose owner is gone", async (dir) => {
  await using(dir, () => Promise.resolve());
  await Deno.writeTextFile(join(dir, "lock"), "4194305");
  const said: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => said.push(text);
  try {
    await using(dir, () => Promise.resolve());
    await using(dir, () => Promise.resolve());
  } finally {
    console.warn = warn;
  }
  equal(said.length, 1);
  match(said[0]!, /Took over .* from process 4194305/);
});

checkpointTest("a purge that fails has ended: nothing is removed after it", async (dir) => {
  await using(dir, async (checkpoint) => {
    for (let id = 0; id < 2_000; id++) Deno.writeTextFileSync(join(dir, "commits", `${id}`), "");
    await Deno.mkdir(join(dir, "offsets", "3", "foreign"), { recursive: true });
    const left = checkpoint.purge(1_998).catch(({ message }) => {
      match(message, /not empty/);
      return Array.from(Deno.readDirSync(join(dir, "commits")), ({ name }) => name);
    });
    deepEqual((await left ?? []).sort(), ["1998", "1999"]);
  });
});

checkpointTest("purge() removes the batches before one, and no other file", async (dir) => {
  await using(dir, async (checkpoint) => {
    for (let batchId = 0; batchId < 4; batchId++) {
      await checkpoint.writeOffsets(batchId, { ...PLANNED, end: { "0": batchId } });
      await checkpoint.states.write(batchId, await checkpoint.states.read(-1));
      await checkpoint.writeCommit(batchId, { nextBatchWatermarkMs: 7 });
    }
    await checkpoint.purge(2);
    for (const folder of ["offsets", "state", "commits"]) {
      deepEqual(await batchIds(join(dir, folder)), [2, 3]);
    }
    equal((await checkpoint.cursor()).batchId, 4);
  });
});

checkpointTest(
  "batchIds() refuses a foreign file, and passes over hidden ones and gaps",
  async (dir) => {
    await Deno.mkdir(dir);
    for (const name of ["9", "10", "11", ".11.tmp"]) await Deno.writeTextFile(join(dir, name), "");
    deepEqual(await batchIds(dir), [9, 10, 11]);
    await Deno.remove(join(dir, "10"));
    deepEqual(await batchIds(dir), [9, 11]);
    for (const name of ["10.bak", "010", "-1", "1e1"]) {
      await Deno.writeTextFile(join(dir, name), "");
      await rejects(batchIds(dir), /it is no batch id/, name);
      await Deno.remove(join(dir, name));
    }
  },
);

Deno.test("open() opens a checkpoint whose aggregates were written as Polars printed them", async () => {
  const dir = await Deno.makeTempDir();
  const old = 'n = count(*), t = sum(col("x")), f = count_if([(col("x")) == (dyn int: 1)])';
  await (await open(dir, { aggregates: old })).close();
  await (await open(dir, { aggregates: "n = count(*), t = sum(x), f = count_if(x)" })).close();
  const same = "n = count(*), t = sum(x), f = count_if(x)";
  await (await open(dir, { aggregates: same, types: "n Int64" })).close(); // it did not say them
  for (const other of ["n = count(*), t = avg(x), f = count_if(x)", "n = count(*), t = sum(x)"]) {
    await rejects(open(dir, { aggregates: other }), /aggregates was/);
  }
  await Deno.remove(dir, { recursive: true });
});

checkpointTest(
  "a batch that changes little keeps what it changed, and any start reads all",
  async (dir) => {
    const group = (start: number, key: number, rows: number): Group => {
      return { start, keys: [key], rows, slots: [rows] };
    };
    const total = { read: 0, counted: 0, late: 0, rejected: 0 };
    const state = newState(Array.from({ length: 100 }, (_, key) => group(key % 4, key, 1)));
    const expected: Group[][] = [];
    const linesOf = (batchId: number) =>
      Deno.readTextFileSync(join(dir, "state", String(batchId))).split("\n").length - 2;
    const sorted = (groups: readonly Group[]) =>
      groups.toSorted((a, b) => a.start - b.start || Number(a.keys[0]) - Number(b.keys[0]));
    const batch = async (checkpoint: Checkpoint, batchId: number) => {
      const touched = Array.from({ length: 9 }, (_, i) => group(4 + batchId, i, batchId + 1));
      const changed = new Map(touched.map((each) => [groupId(each), each]));
      const step = { changed, closed: batchId === 3 ? [0, 1] : [] };
      applyStep(state, step);
      await checkpoint.states.write(batchId, { state, total: { ...total, read: batchId } }, step);
      expected[batchId] = sorted(groupsIn(state));
    };
    await using(dir, async (checkpoint) => {
      for (let batchId = 0; batchId < 8; batchId++) await batch(checkpoint, batchId);
    });
    // What is not all groups has a version that an earlier program refuses.
    const versions = [0, 1, 7].map((batchId) =>
      Deno.readTextFileSync(join(dir, "state", String(batchId))).slice(0, 2)
    );
    deepEqual(versions, ["v1", "v2", "v1"]);
    const sizes = Array.from({ length: 8 }, (_, batchId) => linesOf(batchId));
    deepEqual(sizes, [109, 9, 9, 9, 9, 9, 9, 122]); // all of them, after 54 lines
    for (let batchId = 0; batchId < 8; batchId++) {
      const found = await using(dir, (checkpoint) => checkpoint.states.read(batchId));
      deepEqual(sorted(groupsIn(found.state)), expected[batchId]);
      equal(found.state.size, expected[batchId]!.length);
      equal(found.state.rows, expected[batchId]!.reduce((sum, { rows }) => sum + rows, 0));
      equal(found.total.read, batchId);
    }
    await using(dir, async (checkpoint) => {
      await checkpoint.states.read(7); // a start goes on from the files there are
      await batch(checkpoint, 8);
      equal(linesOf(8), 9);
      await checkpoint.purge(6);
      deepEqual(await batchIds(join(dir, "state")), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
      await checkpoint.purge(8);
      deepEqual(await batchIds(join(dir, "state")), [7, 8]);
      deepEqual(sorted(groupsIn((await checkpoint.states.read(8)).state)), expected[8]);
      await Deno.remove(join(dir, "state", "7"));
      await rejects(checkpoint.states.read(8), /state\/7": it is missing/);
    });
  },
);
