import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import { join } from "node:path";
import type { Messages } from "../../lib/core/types.ts";
import { topicFolder, TopicLog } from "../../lib/sources/topic_log.ts";

/** Runs `body` in a folder of its own with an empty topic `t`; `append` is what `cat >>` does. */
async function withTopic(
  body: (dir: string, append: (partition: number, text: string) => void) => Promise<void>,
): Promise<void> {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(join(dir, "t"));
    await body(dir, (partition, text) => {
      Deno.writeTextFileSync(join(dir, "t", `partition-${partition}.jsonl`), text, {
        append: true,
      });
    });
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

function values({ bytes, starts, ends }: Messages): string[] {
  return Array.from(starts, (start, i) => new TextDecoder().decode(bytes.subarray(start, ends[i])));
}

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

Deno.test("TopicLog sees a last line only once it ends", () =>
  withTopic(async (dir, append) => {
    append(0, "a\nb");
    const log = await TopicLog.open(dir, "t");
    deepEqual(await log.latestOffsets(), { "0": 1 });
    append(0, "b");
    deepEqual(await log.latestOffsets(), { "0": 1 });
    append(0, "b\nc");
    deepEqual(await log.latestOffsets(), { "0": 2 });
    deepEqual((await log.getBatch({ "0": 1 }, { "0": 2 })).map(values), [["bbb"]]);
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

Deno.test("TopicLog lets an unfinished last line be taken back", () =>
  withTopic(async (dir, append) => {
    append(0, "a\nunfinished");
    const log = await TopicLog.open(dir, "t");
    deepEqual(await log.latestOffsets(), { "0": 1 });
    Deno.truncateSync(join(dir, "t", "partition-0.jsonl"), 2);
    deepEqual(await log.latestOffsets(), { "0": 1 });
    append(0, "b\n");
    deepEqual((await log.getBatch({ "0": 0 }, { "0": 2 })).map(values), [["a", "b"]]);
  }));

/** What `run` warns of. */
async function warningsOf(run: () => Promise<unknown>): Promise<string[]> {
  const { warn } = console;
  const warnings: string[] = [];
  console.warn = (text: string) => warnings.push(text);
  await run().finally(() => console.warn = warn);
  return warnings;
}

Deno.test("TopicLog warns of a last line that waits for its end, once", () =>
  withTopic(async (dir, append) => {
    append(0, "a\nb");
    append(1, "c\n");
    append(2, "d");
    const files = [0, 2].map((p) => join(dir, "t", `partition-${p}.jsonl`));
    const log = await TopicLog.open(dir, "t");
    const look = () => log.latestOffsets();
    deepEqual(await warningsOf(look), [], "someone may be writing it now");
    const past = new Date(Date.now() - 60_000);
    for (const file of files) Deno.utimeSync(file, past, past);
    const warnings = await warningsOf(look);
    deepEqual(warnings.sort().reverse(), [
      `Line 2 of "${files[0]}" is not read: its 1 bytes do not end with "\\n" yet. ` +
      "If the line is complete, append one before anything else",
      `Line 1 of "${files[1]}" is not read: its 1 bytes do not end with "\\n" yet. ` +
      "If the line is complete, append one before anything else",
    ]);
    deepEqual(await warningsOf(look), []);
    append(2, "\n");
    deepEqual(await warningsOf(() => log.close()), []);
    append(0, "\ne\nf");
    append(1, "g\n");
    const [warning, ...others] = await warningsOf(() => log.close());
    match(warning!, /^Line 4 of .*partition-0.jsonl" is not read: its 1 bytes/);
    deepEqual(others, []);
  }));

Deno.test("TopicLog.open() gives the log an id, which goes with its folder", () =>
  withTopic(async (dir, append) => {
    const [folder, idFile] = [join(dir, "t"), join(dir, "t", "topic.id")];
    append(0, "a\n");
    const log = await TopicLog.open(dir, "t");
    const id = log.identity;
    match(id!, /^[0-9a-f-]{36}$/);
    equal((await TopicLog.open(dir, "t")).identity, id);

    Deno.renameSync(folder, join(dir, "moved"));
    equal((await TopicLog.open(dir, "moved")).identity, id, "the same log in another place");
    Deno.mkdirSync(folder);
    append(0, "x\ny\nz\n");
    await TopicLog.open(dir, "t");
    deepEqual(await log.latestOffsets(), { "0": 3 });
    notEqual(log.identity, id, "one that is open sees that it is another");

    Deno.writeTextFileSync(idFile, ""); // torn, where the id was never relied on
    equal((await TopicLog.open(dir, "t")).identity, undefined);
    Deno.removeSync(idFile);
    Deno.chmodSync(folder, 0o555);
    const { open } = Deno;
    Deno.open = (path, options) =>
      // as root may write anywhere
      options?.createNew
        ? Promise.reject(new Deno.errors.PermissionDenied(`${path}`))
        : open(path, options);
    try {
      equal((await TopicLog.open(dir, "t")).identity, undefined);
    } finally {
      Deno.open = open;
      Deno.chmodSync(folder, 0o755);
    }
  }));

Deno.test("TopicLog.open() refuses a topic that is not there", () =>
  withTopic(async (dir, append) => {
    const advice =
      /^RangeError: Cannot open the topic "(u|t)": there is no .*partition-0.jsonl; publish/;
    await rejects(TopicLog.open(dir, "u"), advice);
    await rejects(TopicLog.open(dir, "t"), advice);
    append(0, "");
    deepEqual(await (await TopicLog.open(dir, "t")).latestOffsets(), { "0": 0 });
  }));

Deno.test("TopicLog.open() takes the names Kafka takes and no path", async () => {
  const dir = Deno.makeTempDirSync();
  for (const topic of ["", ".", "..", "a/b", "a\\b", "../t", "ä", "a b", "a\n", "x".repeat(250)]) {
    await rejects(
      TopicLog.open(dir, topic),
      /^RangeError: A topic's name should be 1 to 249 /,
      topic,
    );
  }
  for (const topic of ["...", "a.b_C-9", "x".repeat(249)]) {
    equal(topicFolder("d", topic), join("d", topic));
  }
  Deno.removeSync(dir);
});
