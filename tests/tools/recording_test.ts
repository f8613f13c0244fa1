import { deepEqual, equal, ok, throws } from "node:assert/strict";
import kafkajs from "kafkajs";
import { murmur2, parseDisorder, partitionOf, timeline } from "../../tools/replay/recording.ts";
import { replay } from "../../tools/replay/replay.ts";
import { cell, DEFAULT_DISORDER, lines, makeParquet, START, withFolder } from "./recordings.ts";

Deno.test("replay() writes the 32 fields of a row in the order of the schema", () =>
  withFolder(async (dir) => {
    const from = makeParquet(dir, 2);
    const to = `log:${dir}`;
    const result = await replay({ from, to, topic: "t", partitions: 1, disorder: "none" });
    deepEqual(result, { rows: 2, totalRows: 2, partitions: { "0": 2 } });
    const v = Array.from({ length: 28 }, (_, i) => `"V${i + 1}":${cell(1, i + 1)}`).join(",");
    equal(
      lines(dir, "t", 0)[1],
      `{"event_time":"2024-01-01T10:00:00.020Z","Time":1,${v},"Amount":3.9,"Class":1}`,
    );
  }));

Deno.test("timeline() delays the rows by the shares of its disorder", () => {
  const length = 60_000;
  const options = { startMs: START, rate: 50, disorder: parseDisorder(DEFAULT_DISORDER), seed: 42 };
  const { eventTimes, arrivals, order } = timeline(length, options);
  const delays = arrivals.map((arrival, row) => arrival - eventTimes[row]!);
  const share = (ms: number) => delays.filter((delay) => delay < ms).length / length;

  equal(eventTimes[59_999], START + 59_999 * 20);
  ok(delays.every((delay) => delay >= 0 && delay < 240_000));
  // Rows of a longer step may be early too: 2 of its 40 seconds, 2 of its 240 seconds.
  ok(Math.abs(share(2000) - (0.90 + 0.08 * 2 / 40 + 0.02 * 2 / 240)) < 0.004);
  ok(Math.abs(share(40_000) - (0.98 + 0.02 * 40 / 240)) < 0.002);
  ok(delays.some((delay) => delay > 230_000));

  deepEqual(order.toSorted(), Uint32Array.from({ length }, (_, i) => i));
  for (let i = 1; i < length; i++) ok(arrivals[order[i - 1]!]! <= arrivals[order[i]!]!);
  deepEqual(timeline(100, options).arrivals, arrivals.slice(0, 100), "a limit moves no row");
});

Deno.test("timeline() gives the same times in every version and on every platform", () => {
  const disorder = parseDisorder(DEFAULT_DISORDER);
  const { arrivals, order } = timeline(8, { startMs: 0, rate: 50, disorder, seed: 42 });
  // The first numbers of mulberry32(42) are 0.6011 (a step of 2 s) and 0.4483 (of it).
  deepEqual(Array.from(arrivals, Math.floor), [896, 1359, 1093, 1309, 1024, 1864, 734, 1141]);
  deepEqual([...order], [6, 0, 4, 2, 7, 3, 1, 5]);
});

Deno.test("the default disorder loses rows under 30 seconds, and fewer under 2 minutes", () => {
  const disorder = parseDisorder(DEFAULT_DISORDER);
  const { eventTimes, order } = timeline(60_000, { startMs: START, rate: 50, disorder, seed: 42 });
  for (const batchRows of [1500, 2000, 3000]) {
    const [lost30s, lost2min] = [30_000, 120_000].map((delay) => {
      let [late, lateWatermark, watermark] = [0, 0, 0];
      for (let first = 0; first < order.length; first += batchRows) {
        const times = Array.from(
          order.subarray(first, first + batchRows),
          (row) => eventTimes[row]!,
        );
        // A row is late if its window ended by the watermark of the batch before.
        late += times.filter((ms) =>
          (Math.floor(ms / 60_000) + 1) * 60_000 <= lateWatermark
        ).length;
        lateWatermark = watermark;
        watermark = Math.max(watermark, Math.max(...times) - delay);
      }
      return late / order.length;
    });
    ok(0.005 < lost30s! && lost30s! < 0.02, `${batchRows} rows a batch lose ${lost30s}`);
    ok(0 < lost2min! && lost2min! < lost30s! / 2, `${batchRows} rows a batch lose ${lost2min}`);
  }
});

Deno.test("timeline() without disorder keeps the order, also of rows of the same millisecond", () => {
  const options = { startMs: START, rate: 3000, disorder: parseDisorder("none"), seed: 1 };
  const { order, arrivals, eventTimes } = timeline(1000, options);
  deepEqual([...order], [...order.keys()]);
  deepEqual(arrivals, eventTimes);
});

Deno.test("parseDisorder() reads delays and shares", () => {
  deepEqual(parseDisorder("1.5s:.25, 100ms:0.25,2m:0.25,1h:0.25"), [
    { maxDelayMs: 1500, share: 0.25 },
    { maxDelayMs: 100, share: 0.25 },
    { maxDelayMs: 120_000, share: 0.25 },
    { maxDelayMs: 3_600_000, share: 0.25 },
  ]);
  for (const spec of ["", "2s", "2s:", "2:1", "2d:1", "-2s:1", "2s:0.5,", "2s:0.5;4m:0.5"]) {
    throws(() => parseDisorder(spec), SyntaxError, spec);
  }
  throws(() => parseDisorder("2s:0.9,4m:0.2"), /should add up to 1, got 1.1/);
});

Deno.test("partitionOf() picks the partitions that Kafka's clients pick", () => {
  // The values of Apache Kafka's own test of its hash.
  const hashes: [text: string, hash: number][] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ];
  for (const [text, hash] of hashes) equal(murmur2(new TextEncoder().encode(text)), hash);

  const partitioner = kafkajs.Partitioners.DefaultPartitioner();
  for (const partitions of [1, 3, 7]) {
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => {
      return { partitionId, leader: 0, isr: [], replicas: [], partitionErrorCode: 0 };
    });
    for (let row = 0; row < 1200; row++) {
      const message = { key: String(row), value: null };
      const expected = partitioner({ topic: "t", partitionMetadata, message });
      equal(partitionOf(String(row), partitions), expected);
    }
  }
});
