import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import pl, { type DataFrame } from "polars";
import { ParquetSink, readParquetFolder } from "lib";

const rows = (...values: number[]): DataFrame =>
  pl.DataFrame({ n: values }, { schema: { n: pl.Int64 } });
const NEW = { batchId: 0, isNew: true };

function sinkTest(name: string, test: (dir: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const dir = await Deno.makeTempDir();
    await test(join(dir, "deep", "out"));
    await Deno.remove(dir, { recursive: true });
  });
}

async function open(dir: string, start = NEW, queryId = "q"): Promise<ParquetSink> {
  const sink = new ParquetSink(dir);
  await sink.open(queryId, start);
  return sink;
}

async function valuesIn(dir: string): Promise<number[]> {
  return (await readParquetFolder(dir)).getColumn("n").toArray().map(Number);
}

function namesIn(dir: string): string[] {
  return Array.from(Deno.readDirSync(dir), ({ name }) => name).sort();
}

sinkTest("a batch is one file, and a second call with its id replaces it", async (dir) => {
  const sink = await open(dir);
  await sink.addBatch(0, rows(1, 2));
  await sink.addBatch(1, rows(3));
  await sink.addBatch(1, rows(4));
  deepEqual(namesIn(dir), ["_query.json", "part-000000000.parquet", "part-000000001.parquet"]);
  deepEqual(await valuesIn(dir), [1, 2, 4]);
  await sink.addBatch(1, rows());
  deepEqual(await valuesIn(dir), [1, 2]);
});

sinkTest("a batch without rows writes no file, but the first one ever does", async (dir) => {
  const sink = await open(dir);
  await sink.addBatch(0, rows());
  await sink.addBatch(1, rows());
  deepEqual(namesIn(dir), ["_query.json", "part-000000000.parquet"]);
  deepEqual((await readParquetFolder(dir)).columns, ["n"]);
  const later = await open(`${dir}-later`, { batchId: 7, isNew: true });
  await later.addBatch(7, rows());
  deepEqual(namesIn(`${dir}-later`), ["_query.json", "part-000000007.parquet"]);
});

sinkTest("open() removes what a crash left, and nothing else", async (dir) => {
  const sink = await open(dir);
  for (const batchId of [0, 1, 2, 3]) await sink.addBatch(batchId, rows(batchId));
  await Deno.writeTextFile(join(dir, ".part-000000001.parquet.tmp"), "half");
  await Deno.writeTextFile(join(dir, ".notes.tmp"), "mine");
  await open(dir, { batchId: 2, isNew: false });
  // Batch 2 stays until it is written again: a reader never sees it go.
  deepEqual(namesIn(dir), [
    ".notes.tmp",
    "_query.json",
    ...["part-000000000.parquet", "part-000000001.parquet", "part-000000002.parquet"],
  ]);
});

sinkTest(
  "open() refuses a folder with anything else in it, and leaves it as it was",
  async (dir) => {
    await Deno.mkdir(dir, { recursive: true });
    await Deno.writeTextFile(join(dir, "other.csv"), "");
    await Deno.writeTextFile(join(dir, ".part-000000001.parquet.tmp"), "");
    await rejects(open(dir), /it holds "other.csv", which this query did not write.*start over/);
    deepEqual(namesIn(dir), [".part-000000001.parquet.tmp", "other.csv"]);
  },
);

sinkTest("open() takes an empty folder that version control keeps", async (dir) => {
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(join(dir, ".gitkeep"), "");
  await open(dir);
});

sinkTest("open() refuses the folder of another query, and a damaged owner", async (dir) => {
  await (await open(dir)).addBatch(0, rows(1));
  await rejects(open(dir, NEW, "other"), /"[^"]*_query.json" names another query/);
  await Deno.writeTextFile(join(dir, "_query.json"), '{"queryId":"r"}');
  await rejects(open(dir), /_query.json" names another query/);
});

sinkTest("open() refuses to go on without the rows of the earlier batches", async (dir) => {
  const start = { batchId: 3, isNew: false };
  await rejects(open(dir, start), /the rows of the earlier batches are gone/);
  await open(dir);
  await rejects(open(dir, start), /the rows of the earlier batches are gone/);
});

sinkTest("while batches are written again, a reader sees whole files only", async (dir) => {
  const sink = await open(dir);
  await sink.addBatch(0, rows(1));
  let isWriting = true, reads = 0;
  const writer = (async () => {
    for (let i = 0; i < 50; i++) await sink.addBatch(0, rows(...Array(1000).fill(1)));
    isWriting = false;
  })();
  while (isWriting) {
    const values = await valuesIn(dir);
    equal(values.length === 1 || values.length === 1000, true);
    reads++;
    await new Promise((resolve) => setTimeout(resolve));
  }
  await writer;
  ok(reads > 0);
});

sinkTest(
  "readParquetFolder() reads a folder of any name, and no file but the batches'",
  async (parent) => {
    for (const name of ["plain", "a=b", "x[1]y", "q?z", "s*t", "c{d,e}", "ü, ä"]) {
      const dir = join(parent, name);
      await Deno.mkdir(dir, { recursive: true });
      const sink = new ParquetSink(dir);
      await sink.open("q", { batchId: 0, isNew: true });
      for (const batchId of [0, 1, 10, 2]) await sink.addBatch(batchId, rows(batchId));
      await Deno.writeTextFile(join(dir, ".part-000000003.parquet.tmp"), "half");
      deepEqual(await valuesIn(dir), [0, 1, 2, 10]);
    }
  },
);

sinkTest("readParquetFolder() says that there is nothing", async (dir) => {
  await Deno.mkdir(dir, { recursive: true });
  await rejects(readParquetFolder(dir), /holds no parquet files: has the query run/);
});
