import { deepEqual, equal } from "node:assert/strict";
import { MemorySource, type StreamingQueryProgress } from "lib";
import { countFrauds, eventTimesOf, sampleEvents } from "../../view/messages.ts";
import { recount } from "../../view/restart.ts";

/** A batch that reads the offsets `[from, to)` of partition 0 under a watermark (epoch s). */
function batch(batchId: number, [from, to]: [number, number], watermark: number) {
  const at = (offset: number) => ({ memory: { "0": offset } });
  const source = { startOffset: at(from), endOffset: at(to), latestOffset: at(to) };
  const eventTime = { watermark: new Date(watermark * 1000).toISOString() };
  return {
    batchId,
    numInputRows: to - from,
    eventTime,
    sources: [source],
  } as unknown as StreamingQueryProgress;
}

function sourceOf(texts: readonly string[]): MemorySource {
  const source = new MemorySource();
  for (const text of texts) source.addData([text]); // a block each: an offset is a row
  return source;
}

const row = (seconds: number | string) => JSON.stringify({ event_time: seconds });

Deno.test("recount() counts each row in its windows, but not in those that were closed", async () => {
  // windows of 60 s: [0, 60) [60, 120); batch 2 works after a watermark of 60, so [0, 60) is closed
  const source = sourceOf([row(10), row(130), "no JSON", row(59), row(61), row(131)]);
  const batches = [batch(0, [0, 2], 0), batch(1, [2, 3], 60), batch(2, [3, 6], 60)];
  const tumbling = { size: 60_000, slide: 60_000, offset: 0 };
  deepEqual(await recount(source, { batches, window: tumbling }), {
    counts: new Map([[0, 1], [120_000, 2], [60_000, 1]]),
    late: 1,
    rejected: 1,
  });
  // with a slide of 30 s the row at 59 s still counts in [30, 90)
  const { counts, late } = await recount(source, {
    batches,
    window: { ...tumbling, slide: 30_000 },
  });
  equal(counts.get(30_000), 2);
  equal(late, 1);
});

Deno.test("event times are read as the query reads them, on a machine of any zone", async () => {
  const forms = [
    row(1_704_103_200),
    '{"event_time" : "2024-01-01T10:00:00Z"}',
    row("2024-01-01T10:00:00"),
    row("2024-01-01 12:00:00+02:00"),
    "no JSON",
    "{}",
  ];
  const source = sourceOf(forms);
  const messages = await source.getBatch({ "0": 0 }, { "0": forms.length });
  const ten = Date.UTC(2024, 0, 1, 10);
  deepEqual([...eventTimesOf(messages)], [ten, ten, ten, ten, NaN, NaN]);
  const sampled = await sampleEvents(source, [batch(0, [0, forms.length], 0)]);
  deepEqual(sampled.getColumn("event_time").toArray().map(Number), [ten, ten, ten, ten]);
  deepEqual(sampled.columns, ["event_time", "batch_id"]);
});

Deno.test("sampleEvents() of nothing has its columns, and of many rows takes some of each batch", async () => {
  const none = await sampleEvents(sourceOf([]), []);
  deepEqual([none.height, none.columns], [0, ["event_time", "batch_id"]]);
  const source = sourceOf(Array.from({ length: 100 }, (_, i) => row(i)));
  const batches = [batch(0, [0, 50], 0), batch(1, [50, 100], 0)];
  const some = await sampleEvents(source, batches, { most: 10 });
  deepEqual(some.getColumn("batch_id").toArray().map(Number), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
});

Deno.test("countFrauds() reads messages in any form that the query reads", () => {
  equal(
    countFrauds([
      '{"Class": 1}',
      '{"Class" :1 }',
      '{"Class":10}',
      '{"x":"\\"Class\\":1"}',
      null,
      "",
    ]),
    2,
  );
});
