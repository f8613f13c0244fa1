import { deepEqual, equal, notEqual, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { Checkpoint } from "../../lib/checkpoint/checkpoint.ts";
import { limitOffsets } from "../../lib/core/offsets.ts";
import { newState } from "../../lib/windows/state.ts";
import type { Offsets } from "../../lib/core/types.ts";
import { type Check, equals, type Json, NotRun } from "./check.ts";

const QUERY = { window: "a" };
const ENTRY = { end: { "0": 1 }, batchWatermarkMs: 0, batchTimestampMs: 0, conf: {} };

/** Promises that our checkpoint makes too, by the case that states them in words. */
const PROMISES: Readonly<Record<string, (dir: string) => Promise<void>>> = {
  "HDFSMetadataLogSuite/purge": async (dir) => {
    const checkpoint = await filled(dir, [0, 1, 2]);
    await checkpoint.purge(2);
    await checkpoint.close();
    for (const folder of ["offsets", "commits", "state"]) {
      deepEqual((await Array.fromAsync(Deno.readDir(join(dir, folder)))).map((f) => f.name), ["2"]);
    }
  },
  "HDFSMetadataLogSuite/verifyBatchIds": refusesGap,
  "MicroBatchExecutionSuite/SPARK-38033": refusesGap,
  "OffsetSeqLogSuite/future version": async (dir) => {
    const checkpoint = await filled(dir, [0]);
    await Deno.writeTextFile(join(dir, "offsets", "0"), "v99999\n{}\n{}");
    await rejects(checkpoint.cursor(), /version v99999 and this program reads v1.*newer/);
    await checkpoint.close();
  },
  "OffsetSeqLogSuite/format 2.1.0": async (dir) => {
    await (await filled(dir, [0])).close();
    const lines = (await Deno.readTextFile(join(dir, "offsets", "0"))).split("\n");
    equal(lines.length, 3);
    equal(lines[0], "v1");
    equal(JSON.parse(lines[1]!).batchWatermarkMs, 0);
    deepEqual(JSON.parse(lines[2]!), { topic: { "0": 1 } });
  },
  "StreamingQueryCheckpointMetadataSuite": async (dir) => {
    const first = await filled(dir, []);
    await first.close();
    const second = await filled(dir, [0]);
    await second.close();
    equal(first.id, second.id);
    await Deno.remove(join(dir, "metadata"));
    await rejects(Checkpoint.open(dir, QUERY, "topic"), /metadata.*missing/);
    const other = await filled(join(dir, "other"), []);
    await other.close();
    notEqual(first.id, other.id);
  },
};

const NO_COUNTERPART: Readonly<Record<string, string>> = {
  "HDFSMetadataLogSuite/metadata directory collision": "a lock keeps a second writer out",
  "OffsetSeqLogSuite/metadata deserialization": "a file with fields missing is refused as damaged",
  "CheckpointFileManagerSuite/createAtomic":
    "a file is written in one call that cannot be cancelled",
  "MicroBatchExecutionSuite/async log purging (minBatchesToRetain 2)":
    "old batches are removed every tenth batch",
  "KafkaMicroBatchSourceSuite/minOffsetsPerTrigger=15,maxTriggerDelay=5s":
    "there is no least number of offsets",
};

/** Plays a case about logs and offsets, which is stated in words or as lists of offsets. */
export async function playLogCase(c: Json): Promise<Check[]> {
  if (c.partitions !== undefined && c.batches !== undefined) return playLimit(c);
  const promise = PROMISES[c.id];
  if (promise === undefined) {
    throw new NotRun(
      NO_COUNTERPART[c.id] ?? (c.listingAfterAdd ? "logs are not compacted" : "stated in words"),
    );
  }
  const dir = await Deno.makeTempDir({ prefix: "case-" });
  try {
    await promise(dir);
    return [{ check: c.facts.join("; "), got: "holds", want: "holds", ok: true }];
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Takes batches of at most N offsets from partitions that hold the values `first..last`. */
function playLimit(c: Json): Check[] {
  const most = Number(/maxOffsetsPerTrigger=(\d+)/.exec(c.id)?.[1]);
  ok(most > 0);
  const values: Record<string, number[]> = {};
  for (const [partition, range] of Object.entries<string>(c.partitions)) {
    const [first, last = first] = range.split("..").map(Number) as [number, number?];
    values[partition] = Array.from({ length: last! - first + 1 }, (_, i) => first + i);
  }
  const of = (size: (list: number[]) => number): Offsets =>
    Object.fromEntries(Object.entries(values).map(([p, list]) => [p, size(list)]));
  let start = of(() => 0);
  const batches = c.batches.map(() => {
    const end = limitOffsets(start, of((list) => list.length), most);
    const taken = Object.entries(values).flatMap(([p, list]) => list.slice(start[p], end[p]));
    start = end;
    return taken.sort((a, b) => a - b);
  });
  return [equals("batches", batches, c.batches)];
}

/** A gap among older files, which a start does not read, refuses none. */
async function refusesGap(dir: string): Promise<void> {
  const checkpoint = await filled(dir, [1, 2, 4]);
  await rejects(checkpoint.cursor(), /offsets.3.* is missing/);
  await checkpoint.close();
}

async function filled(dir: string, batchIds: readonly number[]): Promise<Checkpoint> {
  const checkpoint = await Checkpoint.open(dir, QUERY, "topic");
  for (const batchId of batchIds) {
    await checkpoint.writeOffsets(batchId, ENTRY);
    const total = { read: 0, counted: 0, late: 0, rejected: 0 };
    await checkpoint.states.write(batchId, { state: newState(), total });
    await checkpoint.writeCommit(batchId, { nextBatchWatermarkMs: 0 });
  }
  return checkpoint;
}
