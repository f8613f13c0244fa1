import { deepEqual, equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { TopicLog } from "../../lib/topic_log/topic_log.ts";
import { values, withTopic } from "./topic.ts";

Deno.test("TopicLog counts lines from 0 in each partition and returns half-open ranges of them", () =>
  withTopic(async (dir, append) => {
    append(10, "k\n");
    append(0, "a\nb\nc\n");
    append(2, "");
    const log = await TopicLog.open(dir, "t");
    deepEqual(await log.earliestOffsets(), { "0": 0, "2": 0, "10": 0 });
    deepEqual(await log.latestOffsets(), { "0": 3, "2": 0, "10": 1 });
    equal(log.topic, "t");
    equal(log.description, "TopicLog[t]");
    const batch = await log.getBatch({ "10": 0, "2": 0, "0": 1 }, { "10": 1, "2": 0, "0": 3 });
    deepEqual(batch.map(({ partition }) => partition), ["0", "2", "10"]);
    deepEqual(batch.map(values), [["b", "c"], [], ["k"]]);
    deepEqual(batch.map(({ offsets }) => [...offsets]), [[1, 2], [], [0]]);
    await log.close();
  }));

Deno.test("TopicLog keeps empty lines, carriage returns and UTF-8 as they are", () =>
  withTopic(async (dir, append) => {
    append(0, "\n\r\n€\n a \n");
    const log = await TopicLog.open(dir, "t");
    const [messages] = await log.getBatch({ "0": 0 }, { "0": 4 });
    deepEqual(values(messages!), ["", "\r", "€", " a "]);
    equal(messages!.tombstones, undefined);
  }));

Deno.test("TopicLog sees lines and partitions that are added between calls", () =>
  withTopic(async (dir, append) => {
    append(0, "a\n");
    const log = await TopicLog.open(dir, "t");
    append(0, "b\n");
    append(1, "x\n");
    append(3, "not a partition yet");
    Deno.writeTextFileSync(join(dir, "t", "partition-01.jsonl"), "no\n");
    Deno.writeTextFileSync(join(dir, "t", "partition-5.jsonl.bak"), "no\n");
    deepEqual(await log.latestOffsets(), { "0": 2, "1": 1, "3": 0 });
    append(4, "y\n");
    // A batch planned before a restart is read without a look at the latest offsets.
    const batch = await log.getBatch({ "0": 0, "4": 0 }, { "0": 2, "4": 1 });
    deepEqual(batch.map(values), [["a", "b"], ["y"]]);
  }));

Deno.test("TopicLog reads any range of a long file, as lines of many sizes", () =>
  withTopic(async (dir, append) => {
    const lines = Array.from({ length: 100_000 }, (_, i) => `${i}${"x".repeat(i % 50)}`);
    append(0, lines.join("\n") + "\n");
    const log = await TopicLog.open(dir, "t");
    deepEqual(await log.latestOffsets(), { "0": 100_000 });
    // Around the remembered positions (every 256 lines), in the middle, and at both ends.
    const edges = [
      0,
      1,
      255,
      256,
      257,
      511,
      512,
      513,
      50_000,
      99_839,
      99_840,
      99_841,
      99_999,
      100_000,
    ];
    for (const start of edges) {
      for (const end of edges.filter((edge) => edge >= start)) {
        const [messages] = await log.getBatch({ "0": start }, { "0": end });
        deepEqual(values(messages!), lines.slice(start, end));
        equal(messages!.offsets.length, end - start);
        if (end > start) equal(messages!.offsets.at(-1), end - 1);
      }
    }
    const [small] = await log.getBatch({ "0": 50_000 }, { "0": 50_001 });
    equal(small!.bytes.length < 20_000, true, "a small range reads a small part of the file");
  }));

Deno.test("TopicLog reads a line longer than what it reads at once", () =>
  withTopic(async (dir, append) => {
    const long = "y".repeat(3_000_000);
    append(0, `a\n${long}\nb\n`);
    const log = await TopicLog.open(dir, "t");
    deepEqual((await log.getBatch({ "0": 0 }, { "0": 3 })).map(values), [["a", long, "b"]]);
  }));

Deno.test("TopicLog fails when a file has lost messages, and names the file and the offsets", () =>
  withTopic(async (dir, append) => {
    append(0, "a\nb\nc\n");
    append(1, "x\n");
    const log = await TopicLog.open(dir, "t");
    await log.latestOffsets();
    await rejects(
      log.getBatch({ "0": 2 }, { "0": 5 }),
      /^RangeError: Messages are lost: .*partition-0\.jsonl has 3 messages, but offsets 2 to 5 /,
    );
    await rejects(log.getBatch({ "0": 3 }, { "0": 2 }), /has 3 messages, but offsets 3 to 2 /);
    await rejects(
      log.getBatch({ "7": 1 }, { "7": 2 }),
      /partition-7\.jsonl has 0 messages, but offsets 1 to 2 /,
    );
    Deno.truncateSync(join(dir, "t", "partition-0.jsonl"), 5);
    const shrunk = /partition-0\.jsonl has 5 bytes, but offsets 0 to 3 took 6; restore it/;
    await rejects(log.latestOffsets(), shrunk);
    await rejects(log.getBatch({ "0": 0 }, { "0": 1 }), shrunk);
    append(0, "\n");
    deepEqual(await log.latestOffsets(), { "0": 3, "1": 1, "7": 0 });
    Deno.removeSync(join(dir, "t", "partition-1.jsonl"));
    await rejects(log.latestOffsets(), /partition-1\.jsonl has 0 bytes, but offsets 0 to 1 took 2/);
  }));
