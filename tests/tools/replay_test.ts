import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TopicLog } from "../../lib/topic_log/topic_log.ts";
import {
  COLUMNS,
  parseDisorder,
  partitionOf,
  readRecording,
  timeline,
} from "../../tools/replay/recording.ts";
import { replay, type ReplayProgress } from "../../tools/replay/replay.ts";
import { DEFAULT_DISORDER, hash, lines, makeParquet, START, withFolder } from "./recordings.ts";

Deno.test("replay() writes the same bytes for the same options, at any speed", () =>
  withFolder(async (dir) => {
    const common = { from: makeParquet(dir, 2500), to: `log:${dir}` };
    await replay({ ...common, topic: "a" });
    await replay({ ...common, topic: "b" });
    let now = 0;
    const clock = { now: () => now, sleep: (ms: number) => Promise.resolve(now += ms) };
    await replay({ ...common, topic: "paced", speed: 60, clock });
    await replay({ ...common, topic: "other", seed: 43 });
    equal(hash(dir, "b"), hash(dir, "a"));
    equal(hash(dir, "paced"), hash(dir, "a"));
    ok(hash(dir, "other") !== hash(dir, "a"));
  }));

Deno.test("replay() publishes each row once, in order of arrival, to the partition of its key", () =>
  withFolder(async (dir) => {
    const length = 2500;
    const result = await replay({ from: makeParquet(dir, length), to: `log:${dir}`, topic: "t" });
    const { order } = timeline(length, {
      startMs: START,
      rate: 50,
      disorder: parseDisorder(DEFAULT_DISORDER),
      seed: 42,
    });
    for (const partition of [0, 1, 2]) {
      const rows = lines(dir, "t", partition).map((line) => JSON.parse(line).Time);
      deepEqual(rows, [...order].filter((row) => partitionOf(String(row), 3) === partition));
      equal(result.partitions[partition], rows.length);
    }
    equal(result.rows, length);
    deepEqual(await (await TopicLog.open(dir, "t")).latestOffsets(), result.partitions);
  }));

Deno.test("replay() at a speed sends exactly the rows that have arrived", () =>
  withFolder(async (dir) => {
    const length = 300;
    const { arrivals } = timeline(length, {
      startMs: START,
      rate: 50,
      disorder: parseDisorder(DEFAULT_DISORDER),
      seed: 42,
    });
    let now = 7000;
    const seen: ReplayProgress[] = [];
    await replay({
      from: makeParquet(dir, length),
      to: `log:${dir}`,
      topic: "t",
      speed: 10,
      clock: { now: () => now, sleep: (ms) => Promise.resolve(now += ms) },
      onProgress(progress) {
        const arrived = arrivals.filter((ms) => ms <= START + (now - 7000) * 10).length;
        const written = [0, 1, 2].map((p) => lines(dir, "t", p).length);
        equal(progress.rows, arrived);
        equal(written.reduce((a, b) => a + b), arrived);
        seen.push(progress);
      },
    });
    ok(seen.length > 10, "the rows came in many steps");
    deepEqual(seen.at(-1), { rows: length, totalRows: length });
  }));

Deno.test("replay() stops between two messages when it is told to", () =>
  withFolder(async (dir) => {
    const stop = new AbortController();
    const result = await replay({
      from: makeParquet(dir, 2500),
      to: `log:${dir}`,
      topic: "t",
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    ok(result.rows > 0 && result.rows < 2500);
    const written = [0, 1, 2].flatMap((p) => lines(dir, "t", p));
    equal(written.length, result.rows);
    written.forEach((line) => JSON.parse(line));
  }));

Deno.test("replay() refuses a topic that exists, and replaces it only if told to", () =>
  withFolder(async (dir) => {
    const options = { from: makeParquet(dir, 50), to: `log:${dir}`, topic: "t" };
    await replay(options);
    const before = hash(dir, "t");
    await rejects(
      replay({ ...options, seed: 1 }),
      /^RangeError: The topic .*t already exists: delete it/,
    );
    equal(hash(dir, "t"), before);
    await replay({ ...options, partitions: 2, overwrite: true });
    deepEqual([...Deno.readDirSync(join(dir, "t"))].map(({ name }) => name).sort(), [
      "partition-0.jsonl",
      "partition-1.jsonl",
      "topic.id",
    ]);
    equal(lines(dir, "t", 0).length + lines(dir, "t", 1).length, 50);
  }));

Deno.test("replay() plays start, rate and limit", () =>
  withFolder(async (dir) => {
    const from = makeParquet(dir, 50);
    const options = { from, to: `log:${dir}`, topic: "t", partitions: 1, disorder: "none" };
    await replay({ ...options, start: "2025-06-01T00:00:00Z", rate: 4, limit: 3 });
    deepEqual(lines(dir, "t", 0).map((line) => JSON.parse(line).event_time), [
      "2025-06-01T00:00:00.000Z",
      "2025-06-01T00:00:00.250Z",
      "2025-06-01T00:00:00.500Z",
    ]);
  }));

Deno.test("replay() refuses options it cannot use before it reads or writes anything", async () => {
  const good = { from: "no.parquet", to: "log:no", topic: "t" };
  const bad: [options: Record<string, unknown>, message: RegExp][] = [
    [{ to: "nats:x" }, /target should be log:DIR or kafka:BOOTSTRAP, got "nats:x"/],
    [{ to: "log:" }, /target should be/],
    [{ to: "kafka:x", overwrite: true }, /Only a topic log can be overwritten/],
    [{ from: "a.json" }, /recording should be a \.parquet or \.csv file, got "a.json"/],
    [{ topic: "../t" }, /topic's name should be/],
    [{ start: "noon" }, /start should be a time such as .*, got "noon"/],
    [{ partitions: 0 }, /number of partitions should be a whole number from 1 to 1000, got 0/],
    [{ partitions: 1e9 }, /number of partitions should be a whole number from 1 to 1000, got/],
    [{ partitions: 1.5 }, /number of partitions should be/],
    [{ speed: 0 }, /speed should be a number > 0 or "max", got 0/],
    [{ speed: NaN }, /speed should be/],
    [{ seed: 0.5 }, /seed should be a whole number, got 0.5/],
    [{ limit: 0 }, /limit should be a whole number > 0, got 0/],
    [{ rate: Infinity }, /rate should be a number > 0, got Infinity/],
    [{ disorder: "2 s" }, /Cannot read the disorder "2 s"/],
  ];
  for (const [options, message] of bad) await rejects(replay({ ...good, ...options }), message);
  await rejects(replay(good), /Cannot read the recording no.parquet: No such file/);
});

Deno.test("replay() reads a start without a zone in UTC, and refuses what is no time", () =>
  withFolder(async (dir) => {
    const from = makeParquet(dir, 2);
    const run = (start: string, rate = 1) =>
      replay({ from, to: `log:${dir}`, topic: "t", start, rate, limit: 2, overwrite: true });
    for (const start of ["2024-01-01T10:00:00", "2024-01-01 10:00", "2024-01-01T12:00:00+02:00"]) {
      await run(start);
      const first = [0, 1, 2].flatMap((p) => lines(dir, "t", p)).sort()[0]!;
      equal(JSON.parse(first).event_time, "2024-01-01T10:00:00.000Z");
    }
    await run("2024-02-29");
    const no = [
      "1",
      "foo 1",
      "2024-02-30",
      "Jan 5",
      "10:00",
      "1704103200",
      "10000-01-01",
      "0000",
      "",
    ];
    for (const start of no) await rejects(run(start), /^RangeError: The start should be a time/);
    await rejects(run("9999-12-31", 1e-6), /would end after the year 9999/);
  }));

Deno.test("replay() gives the same topic the same id, and another one another", () =>
  withFolder(async (dir) => {
    const options = { from: makeParquet(dir, 50), to: `log:${dir}`, topic: "t", overwrite: true };
    const idOf = async (changed: Record<string, unknown>) => {
      await replay({ ...options, ...changed });
      return (await TopicLog.open(dir, "t")).identity;
    };
    const id = await idOf({});
    match(id!, /^[0-9a-f]{32}$/);
    equal(await idOf({ speed: 1e9 }), id);
    const changes = [{ seed: 1 }, { limit: 49 }, { partitions: 2 }, { rate: 51 }];
    const others = [];
    for (const change of changes) others.push(await idOf(change));
    equal(new Set([id, ...others]).size, 5);
  }));

Deno.test("the recording of this project plays, first to last field", () =>
  withFolder(async (dir) => {
    const from = fileURLToPath(new URL("../../data/transactions_60k.parquet", import.meta.url));
    equal(readRecording(from).length, 60_000);
    await replay({ from, to: `log:${dir}`, topic: "t", limit: 500 });
    for (const line of [0, 1, 2].flatMap((partition) => lines(dir, "t", partition))) {
      const row = JSON.parse(line);
      deepEqual(Object.keys(row), ["event_time", ...COLUMNS]);
      for (const column of COLUMNS) equal(typeof row[column], "number");
    }
  }));
