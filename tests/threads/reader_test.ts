import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { count, MemorySink, readStream, TopicLog } from "lib";
import { byteLengthOf, lengthOf, readChunk, type Slice } from "../../lib/threads/chunk.ts";
import { ChunkReader } from "../../lib/threads/reader.ts";
import type { Messages, Offsets, Source } from "../../lib/core/types.ts";
import { messagesOf } from "../json/messages.ts";

const MIB = 2 ** 20;
const schema = [{ name: "v", type: "double" }] as const;

/** A source of rows of the sizes given, a list for each partition. */
function sized(sizes: readonly (readonly number[])[]): Source {
  const offsets = (of: (rows: readonly number[]) => number): Promise<Offsets> =>
    Promise.resolve(Object.fromEntries(sizes.map((rows, p) => [p, of(rows)])));
  return {
    topic: "t",
    description: "sized",
    earliestOffsets: () => offsets(() => 0),
    latestOffsets: () => offsets(({ length }) => length),
    getBatch: (start, end) =>
      Promise.resolve(
        Object.keys(end).map((partition): Messages => {
          const rows = sizes[Number(partition)]!.slice(start[partition], end[partition]);
          const messages = messagesOf(rows.map((size) => new Uint8Array(size)));
          const offsets = messages.offsets.map((offset) => offset + start[partition]!);
          return { ...messages, offsets, partition };
        }),
      ),
    close: () => Promise.resolve(),
  };
}

/** Reads all of a source; returns the rows and bytes of each request, and how many were in flight at most. */
async function requestsOf(source: Source) {
  const requests: { rows: number; bytes: number }[] = [];
  const reader = new ChunkReader(source, (slices: readonly Slice[]) => {
    const [rows, bytes] = [lengthOf, byteLengthOf].map((of) =>
      slices.map(of).reduce((a, b) => a + b, 0)
    );
    requests.push({ rows: rows!, bytes: bytes! });
    const columns = {
      v: { values: new Float64Array(rows!), nulls: new Uint8Array(rows!), nullCount: 0 },
    };
    return Promise.resolve({ parsed: { length: rows!, columns, problems: [] }, slices });
  });
  const latest = await source.latestOffsets();
  let rows = 0;
  for await (const { parsed } of reader.chunks(await source.earliestOffsets(), latest, latest)) {
    rows += parsed.length;
  }
  equal(rows, requests.reduce((sum, { rows }) => sum + rows, 0)); // each row once
  return { requests, rows };
}

Deno.test("chunks of files hold 16 MiB at most, from the first one on, and at least a row", async () => {
  const dir = await Deno.makeTempDir({ prefix: "reader-" });
  try {
    await Deno.mkdir(join(dir, "t"));
    const sizes = [
      Array(10_000).fill(10), // small rows
      [...Array(300).fill(20), ...Array(300).fill(100_000)], // that become large
      [10, 20 * MIB, 10, 10], // one too large for a chunk
    ];
    for (const [partition, rows] of sizes.entries()) {
      const text = rows.map((size) => "x".repeat(size) + "\n").join("");
      await Deno.writeTextFile(join(dir, "t", `partition-${partition}.jsonl`), text);
    }
    const { requests, rows } = await requestsOf(await TopicLog.open(dir, "t"));
    equal(rows, 10_604);
    ok(requests.length < 40, `${requests.length} chunks`);
    for (const { rows, bytes } of requests) {
      ok(bytes <= 16 * MIB || rows === 1, `${rows}, ${bytes}`);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("chunks of a source that returns messages begin small, and follow their size", async () => {
  const large = await requestsOf(sized([Array(600).fill(100_000)]));
  equal(large.rows, 600);
  for (const { bytes } of large.requests) ok(bytes <= 16 * MIB, `${bytes}`);
  const small = await requestsOf(sized([Array(60_000).fill(8)]));
  equal(small.requests[0]!.rows, 100);
  equal(Math.max(...small.requests.map(({ rows }) => rows)), 8_000);
  ok(small.requests.length < 25, `${small.requests.length} chunks`);
  const [first, ...others] = (await requestsOf(sized([[50 * MIB, 1, 1]]))).requests;
  deepEqual(first, { rows: 3, bytes: 50 * MIB + 2 });
  deepEqual(others, []);
});

Deno.test("a place that cannot be found fails the batch that needs it, and none before", async () => {
  const source: Source = {
    ...sized([Array(20_000).fill(1)]),
    locate: (start, end) => {
      if (start["0"]! >= 8_000) return Promise.reject(new RangeError("gone"));
      const place = { partition: "0", file: "f", from: 0, to: 10, lines: 10, skip: 0 };
      return Promise.resolve([{ ...place, start: start["0"]!, stop: end["0"]! }]);
    },
  };
  const reader = new ChunkReader(source, async (slices) => ({
    ...await readChunk([], { schema }),
    slices,
  }));
  const read = async (start: number, end: number) => {
    for await (const _ of reader.chunks({ "0": start }, { "0": end }, { "0": 20_000 }));
  };
  await read(0, 8_000);
  await rejects(read(8_000, 16_000), /^RangeError: gone$/);
});

Deno.test("a query reads a message of 50 MB, and one that the fast path leaves", async () => {
  const dir = await Deno.makeTempDir({ prefix: "reader-" });
  try {
    await Deno.mkdir(join(dir, "t"));
    const row = (pad: string) => `{"event_time":"2024-01-01T10:00:00Z","pad":"${pad}"}\n`;
    const long = "x".repeat(50_000_000);
    await Deno.writeTextFile(
      join(dir, "t", "partition-0.jsonl"),
      row("") + row(long) + row(`\\n${long}`),
    );
    const rows = readStream(await TopicLog.open(dir, "t"), [{
      name: "event_time",
      type: "timestamp",
    }]);
    const query = await rows.groupByWindow("event_time", "1 minute").agg({ n: count() })
      .writeStream(new MemorySink(), {
        outputMode: "complete",
        checkpointLocation: join(dir, "checkpoint"),
        trigger: "available-now",
      });
    await query.awaitTermination();
    equal(query.lastProgress!.rows.total.open, 3);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test({
  name: "memory stays small however large the messages are",
  ignore: Deno.build.os !== "linux", // it tells the peak
  fn: async () => {
    const dir = await Deno.makeTempDir({ prefix: "reader-" });
    try {
      const probe = join(dir, "probe.ts");
      const lib = fileURLToPath(new URL("../../lib/", import.meta.url));
      await Deno.mkdir(join(dir, "t"));
      // An escape: rows that the fast path leaves are copied.
      const line = `{"v":1,"pad":"\\n${"x".repeat(100_000)}"}\n`;
      using file = Deno.openSync(join(dir, "t", "partition-0.jsonl"), {
        write: true,
        create: true,
      });
      const lines = new TextEncoder().encode(line.repeat(100));
      for (let i = 0; i < 40; i++) await file.write(lines);
      await Deno.writeTextFile(
        probe,
        `import { TopicLog } from "${lib}topic_log/topic_log.ts";
        import { ChunkReader } from "${lib}threads/reader.ts";
        import { ChunkPool } from "${lib}threads/pool.ts";
        const pool = new ChunkPool();
        const log = await TopicLog.open(${JSON.stringify(dir)}, "t");
        const reader = new ChunkReader(log, (slices) => pool.read(slices, { schema: ${
          JSON.stringify(schema)
        } }));
        const latest = await log.latestOffsets();
        let rows = 0;
        for await (const { parsed } of reader.chunks({ "0": 0 }, latest, latest)) rows += parsed.length;
        console.log(rows, /VmHWM:\\s+(\\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))[1] / 1024);
        pool.close();`,
      );
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", probe],
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
      }).output();
      const [rows, peak] = new TextDecoder().decode(stdout).split(" ").map(Number);
      equal(rows, 4_000, new TextDecoder().decode(stderr));
      ok(peak! < 400, `400 MB of messages took ${peak} MiB at most`);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
