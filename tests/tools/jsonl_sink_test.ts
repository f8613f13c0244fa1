import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import pl from "polars";
import { JsonlSink } from "../../tools/kpi/jsonl_sink.ts";

const rows = (...values: string[]) => pl.DataFrame({ v: values }, { schema: { v: pl.Utf8 } });
const NEW = { batchId: 0, isNew: true };

function sinkTest(name: string, test: (path: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const dir = await Deno.makeTempDir();
    await test(join(dir, "out.jsonl"));
    await Deno.remove(dir, { recursive: true });
  });
}

async function open(path: string, start = NEW, queryId = "q"): Promise<JsonlSink> {
  const sink = new JsonlSink(path);
  await sink.open(queryId, start);
  return sink;
}

sinkTest("a row is a line that begins with its batch id, and counts are numbers", async (path) => {
  const sink = await open(path);
  const counted = pl.DataFrame({ n: [7] }, { schema: { n: pl.Int64 } });
  await sink.addBatch(0, counted);
  await sink.addBatch(1, rows("é\u2028\n"));
  const lines = (await Deno.readTextFile(path)).split("\n");
  deepEqual(lines.slice(0, -1).map((line) => JSON.parse(line)), [
    { batchId: 0, n: 7 },
    { batchId: 1, v: "é\u2028\n" },
  ]);
});

sinkTest("values are written as Spark writes them, under any name but batchId", async (path) => {
  const sink = await open(path);
  const frame = pl.DataFrame([
    pl.Series("0", ["9007199254740993"], pl.Utf8).cast(pl.Int64),
    pl.Series("d", [19_723], pl.Float64).cast(pl.Int32).cast(pl.Date),
    ...[NaN, -Infinity, -0].map((value, i) => pl.Series(`x${i}`, [value], pl.Float64)),
    pl.Series("__proto__", [null], pl.Float64),
  ]);
  await sink.addBatch(0, frame);
  equal(
    await Deno.readTextFile(path),
    '{"batchId":0,"0":9007199254740993,"d":"2024-01-01","x0":"NaN","x1":"-Infinity","x2":-0.0,' +
      '"__proto__":null}\n',
  );
  await open(path, { batchId: 1, isNew: false }); // it knows its own line again
  await rejects(sink.addBatch(1, pl.DataFrame({ batchId: [1] })), /writes a batchId of its own/);
});

sinkTest("open() cuts off the batch to come at every length of its lines", async (path) => {
  const first = await open(path);
  await first.addBatch(0, rows("é", "b"));
  const kept = await Deno.readFile(path);
  await first.addBatch(1, rows("ü", "d"));
  const whole = await Deno.readFile(path);
  for (let length = kept.length; length <= whole.length; length++) {
    await Deno.writeFile(path, whole.subarray(0, length));
    const again = await open(path, { batchId: 1, isNew: false });
    deepEqual(await Deno.readFile(path), kept);
    await again.addBatch(1, rows("ü", "d"));
    deepEqual(await Deno.readFile(path), whole);
  }
});

sinkTest("one sink can be opened again in the same process", async (path) => {
  const sink = await open(path);
  await sink.addBatch(0, rows("a"));
  await sink.addBatch(1, rows("b"));
  await sink.open("q", { batchId: 1, isNew: false });
  await sink.addBatch(1, rows("c"));
  equal(await Deno.readTextFile(path), '{"batchId":0,"v":"a"}\n{"batchId":1,"v":"c"}\n');
});

sinkTest(
  "open() refuses the file of another query, a foreign one, and one that is gone",
  async (path) => {
    await (await open(path)).addBatch(0, rows("a"));
    await rejects(open(path, NEW, "other"), /out.jsonl.query.json" names another query/);
    await Deno.remove(path);
    await rejects(open(path, { batchId: 1, isNew: false }), /rows of the earlier batches are gone/);
    await Deno.writeTextFile(`${path}2`, "mine\n");
    await rejects(open(`${path}2`), /it holds "mine\n", which this query did not write/);
    equal(await Deno.readTextFile(`${path}2`), "mine\n");
  },
);

sinkTest("open() refuses a file with a changed line and does not cut it", async (path) => {
  const text = '{"batchId":0,"v":"a"}\n{"bAtchId":1,"v":"b"}\n{"batchId":2,"v":"c"}\n';
  await open(path);
  await Deno.writeTextFile(path, text);
  await rejects(open(path, { batchId: 2, isNew: false }), /it was changed, a line there is/);
  equal(await Deno.readTextFile(path), text);
});

sinkTest("open() looks at the end of a file longer than any string", async (path) => {
  const sink = await open(path);
  await sink.addBatch(0, rows("a"));
  await Deno.truncate(path, 2 ** 29 + 2 ** 25); // what is between is never read
  await Deno.writeTextFile(path, "\n", { append: true });
  const { size } = await Deno.stat(path);
  await sink.addBatch(1, rows("b".repeat(100_000), "c"));
  const { rss } = Deno.memoryUsage();
  await sink.addBatch(2, rows("d"));
  await open(path, { batchId: 2, isNew: false });
  ok(Deno.memoryUsage().rss - rss < 2 ** 27);
  equal((await Deno.stat(path)).size, size + 100_000 + 2 * '{"batchId":1,"v":""}\n'.length + 1);
});

sinkTest("open() takes lines that have zeros for torn ones, of the batch to come", async (path) => {
  const sink = await open(path);
  await sink.addBatch(0, rows("a"));
  const kept = await Deno.readFile(path);
  await sink.addBatch(1, rows("b".repeat(5000), "c", "d".repeat(5000)));
  const whole = await Deno.readFile(path);
  for (const block of [4096, 512]) {
    for (let from = 0; from < whole.length; from += block) {
      for (const [start, end] of [[from, from + block], [from, whole.length]]) {
        const torn = whole.slice().fill(0, Math.max(start!, kept.length), end);
        await Deno.writeFile(path, torn);
        await open(path, { batchId: 1, isNew: false });
        deepEqual(await Deno.readFile(path), kept);
      }
    }
  }
});

sinkTest("open() keeps a committed row whose newline was taken away", async (path) => {
  await (await open(path)).addBatch(0, rows("a", "b"));
  const whole = await Deno.readFile(path);
  for (const text of [whole.subarray(0, -1), whole]) {
    await Deno.writeFile(path, text);
    await open(path, { batchId: 1, isNew: false });
    deepEqual(await Deno.readFile(path), whole);
  }
  for (
    const [end, added] of [[-2, ""], [-1, "}"], [0, "mine"], [0, '{"batchId":0,"v"\0']] as const
  ) {
    await Deno.writeFile(path, whole.subarray(0, whole.length + end));
    await Deno.writeTextFile(path, added, { append: true });
    await rejects(open(path, { batchId: 1, isNew: false }), /it was changed, a line there is/);
  }
});

sinkTest("a file that is gone is not made anew in the middle of a run", async (path) => {
  const sink = await open(path);
  await sink.addBatch(0, rows("a"));
  await Deno.remove(path);
  await rejects(sink.addBatch(1, rows("b")), /No such file/);
});
