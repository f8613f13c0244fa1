import { deepEqual, equal, match } from "node:assert/strict";
import pl from "polars";
import { ConsoleSink, MemorySink } from "lib";

Deno.test("MemorySink keeps one table a batch id, in order of batches", async () => {
  const sink = new MemorySink();
  await sink.addBatch(0, pl.DataFrame({ n: [1] }));
  await sink.addBatch(1, pl.DataFrame({ n: [2] }));
  await sink.addBatch(1, pl.DataFrame({ n: [3] }));
  deepEqual([...sink.rows().getColumn("n")], [1, 3]);
  equal(sink.batch(2), undefined);
  equal(sink.batch(1)!.height, 1);
});

Deno.test("ConsoleSink prints a batch as a table and says how many rows it leaves out", async () => {
  const printed: string[] = [];
  const sink = new ConsoleSink({ print: (text) => printed.push(text), numRows: 2 });
  await sink.addBatch(7, pl.DataFrame({ n: [1, 2, 3] }));
  await sink.addBatch(8, pl.DataFrame({ n: [1] }));
  match(printed[0]!, /Batch: 7\n.*n.*1.*2.*\n1 more rows$/s);
  match(printed[1]!, /Batch: 8\n/);
  equal(printed[1]!.includes("more rows"), false);
});
