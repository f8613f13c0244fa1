import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import kafkajs from "kafkajs";
import pl from "polars";
import { TopicLog } from "../../lib/sources/topic_log.ts";
import {
  COLUMNS,
  float32,
  murmur2,
  parseDisorder,
  partitionOf,
  readRecording,
  timeline,
} from "../../tools/recording.ts";
import { until } from "../faults/surroundings.ts";
import { replay, type ReplayProgress } from "../../tools/replay.ts";

const START = Date.parse("2024-01-01T10:00:00Z");
const DEFAULT_DISORDER = "2s:0.90,40s:0.08,4m:0.02";

async function withFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync();
  try {
    await body(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** Column `c` of row `r` holds r + c / 10. */
function cell(row: number, column: number): number {
  return Math.round(row * 10 + column) / 10;
}

function makeParquet(dir: string, length: number, type: pl.DataType = pl.Float32): string {
  const columns = COLUMNS.map((name, c) => {
    const values = Array.from({ length }, (_, r) => name === "Class" ? r % 2 : cell(r, c));
    return pl.Series(name, values, name === "Class" ? pl.Int32 : type);
  });
  const file = join(dir, "recording.parquet");
  // Out of order and with one column too many, as other recordings may be.
  pl.DataFrame([...columns.reverse(), columns[0]!.alias("other")]).writeParquet(file);
  return file;
}

function lines(dir: string, topic: string, partition: number): string[] {
  const text = Deno.readTextFileSync(join(dir, topic, `partition-${partition}.jsonl`));
  return text === "" ? [] : text.slice(0, -1).split("\n");
}

function hash(dir: string, topic: string): string {
  const sha = createHash("sha256");
  for (
    const { name } of [...Deno.readDirSync(join(dir, topic))].sort((a, b) =>
      a.name < b.name ? -1 : 1
    )
  ) {
    sha.update(name).update(Deno.readFileSync(join(dir, topic, name)));
  }
  return sha.digest("hex");
}

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

Deno.test("readRecording() reads Kaggle's CSV, and other columns do not matter", () =>
  withFolder((dir) => {
    const numbers = COLUMNS.slice(0, -1).map((_, c) => c === 0 ? "1e+05" : `-${c}.3598071336738`);
    for (const quote of [`"`, ""]) {
      const header = ["note", ...COLUMNS].map((name) => quote + name + quote).join(",");
      // A reader that takes the types from the first rows would see whole numbers only.
      const zeros = Array(200).fill(`1,${"0,".repeat(30)}${quote}0${quote}`).join("\n");
      const row = ["text", ...numbers, `${quote}1${quote}`].join(",");
      const file = join(dir, "creditcard.csv");
      Deno.writeTextFileSync(file, `${header}\n${zeros}\n${row}\n`);
      const recording = readRecording(file);
      equal(recording.length, 201);
      const fields = COLUMNS.map((name, c) =>
        `"${name}":${name === "Class" ? 1 : Number(numbers[c])}`
      );
      equal(
        recording.message(200, 0),
        `{"event_time":"1970-01-01T00:00:00.000Z",${fields.join(",")}}`,
      );
    }
    return Promise.resolve();
  }));

Deno.test("readRecording() writes float64 as JavaScript does, and null for what is no number", () =>
  withFolder((dir) => {
    const file = makeParquet(dir, 4, pl.Float64);
    const v1 = pl.Series("V1", [1.1 * 3, null, NaN, Infinity], pl.Float64);
    pl.readParquet(file).withColumns(v1).writeParquet(file);
    const recording = readRecording(file, 10);
    const values = [0, 1, 2, 3].map((row) => /"V1":([^,]*)/.exec(recording.message(row, 0))![1]);
    deepEqual(values, ["3.3000000000000003", "null", "null", "null"]);
    return Promise.resolve();
  }));

Deno.test("readRecording() names the file and the columns that are missing", () =>
  withFolder((dir) => {
    const file = makeParquet(dir, 1);
    pl.readParquet(file).drop("V3", "Class").writeParquet(file);
    throws(
      () => readRecording(file),
      /recording\.parquet: it should have .*, but V3, Class are missing/,
    );
    Deno.writeTextFileSync(file, "not parquet");
    throws(() => readRecording(file), /Cannot read the recording .*recording\.parquet: parquet/);
    return Promise.resolve();
  }));

/** A recording of two rows where column `c` holds c and c + 0.5, but for `column`. */
function withColumn(dir: string, column: pl.Series): string {
  const others = COLUMNS.map((name, c) => pl.Series(name, [c, c + 0.5], pl.Float64));
  const file = join(dir, "other.parquet");
  pl.DataFrame(others).withColumns(column).writeParquet(file);
  return file;
}

Deno.test("readRecording() takes numbers of any type, and refuses what is none with its place", () =>
  withFolder((dir) => {
    const texts = (...values: (string | null)[]) => pl.Series("Amount", values, pl.Utf8);
    const numbers = (...values: (number | null)[]) => pl.Series("Amount", values, pl.Float64);
    // deno-lint-ignore no-explicit-any -- its types lack it
    const decimal = (pl as any).Decimal(10, 2) as pl.DataType;
    const taken: [column: pl.Series, written: string[]][] = [
      [texts("149.62", " 1e3 "), ["149.62", "1000"]],
      [texts("NaN", null), ["null", "null"]],
      [texts("1", "-2").cast(pl.Categorical), ["1", "-2"]],
      [texts("149.62", null).cast(decimal), ["149.62", "null"]],
      [texts("9007199254740991", "-1").cast(pl.Int64), ["9007199254740991", "-1"]],
      [texts("7", null).cast(pl.Int8), ["7", "null"]],
      [numbers(null, null).cast(pl.Date), ["null", "null"]],
      [pl.Series("Class", [true, false], pl.Bool), ["1", "0"]],
    ];
    for (const [column, written] of taken) {
      const recording = readRecording(withColumn(dir, column));
      const field = new RegExp(`"${column.name}":([^,}]*)`);
      deepEqual([0, 1].map((row) => field.exec(recording.message(row, 0))![1]), written);
    }
    const day = new Date("2024-01-01T10:00:00Z");
    const refused: [column: pl.Series, why: RegExp][] = [
      [texts("1", "149,62"), /row 2: "149,62" should be a number/],
      [texts("12.3 EUR", "1"), /row 1: "12.3 EUR" should be a number/],
      [texts("0x10", "1"), /row 1: "0x10"/],
      [texts("1e400", "1"), /row 1: "1e400"/],
      [texts("legit", "1").cast(pl.Categorical), /row 1: "legit"/],
      [texts("9007199254740993", "1").cast(pl.Int64), /"9007199254740993" has too many digits/],
      [texts("18446744073709551615", "1").cast(pl.UInt64), /"18446744073709551615" has too many/],
      [pl.Series("Amount", [null, day], pl.Datetime("ns")), /row 2: "2024-.*Z" of type Datetime/],
      [numbers(null, 5).cast(pl.Date), /row 2: .* of type Date /],
      [numbers(5, 5).cast(pl.Time), /row 1: .* of type Time /],
      [pl.Series("Amount", [true, false], pl.Bool), /row 1: true of type Bool/],
      [pl.Series("Amount", [[1], [2]]), /row 1: \[1\] of type List/],
      [pl.DataFrame({ a: [1, 2] }).toStruct("Amount"), /row 1: \{"a":1\} of type Struct/],
    ];
    for (const [column, why] of refused) {
      const read = () => readRecording(withColumn(dir, column));
      throws(read, /^RangeError: Cannot read the recording .*other.parquet: column Amount, row /);
      throws(read, why);
    }
    return Promise.resolve();
  }));

Deno.test("readRecording() reads CSV as it is written, and refuses what it cannot tell", () =>
  withFolder((dir) => {
    const file = join(dir, "recording.csv");
    const header = COLUMNS.join(",");
    const row = COLUMNS.map((_, c) => c).join(",");
    const quoted = (line: string) => `"${line.split(",").join('","')}"`;
    const whole = "row".repeat(2_000_000); // over the border of two blocks
    const taken: [text: string, rows: number][] = [
      [`${header}\n${row}\n\n  \n${row}\n\n\n`, 2],
      [`\n\n${header}\r\n${row}\r\n\r\n${row}`, 2],
      [`\ufeff${header}\n${row}\n`, 1],
      [`\ufeff${quoted(header)}\n${quoted(row)}\n`, 1],
      [`${header} \n${row.replaceAll(",", " , ")} \n`, 1],
      [`note,${header}\n"a\nb ""c"" ",${row}\n`, 1],
      [`note,${header}\n"${whole}\n${whole}",${row}\n,${row}\n`, 2],
    ];
    for (const [text, rows] of taken) {
      Deno.writeTextFileSync(file, text);
      const recording = readRecording(file);
      equal(recording.length, rows);
      deepEqual(Object.values(JSON.parse(recording.message(rows - 1, 0))).slice(1), [
        ...COLUMNS.keys(),
      ]);
    }
    Deno.writeTextFileSync(file, `${header}\n${row}\n  \n${row}\nnot read\n`);
    equal(readRecording(file, 2).length, 2);
    const refused: [text: string, why: RegExp][] = [
      ["", /it is empty/],
      ["\n \n", /it is empty/],
      [`${header}\n`, /it holds no rows/],
      [`${header}\n\n`, /it holds no rows/],
      [`${header},Amount\n${row},1\n`, /but Amount is there twice/],
      [`${header.replaceAll(",", ";")}\n`, /but Time, V1, .* are missing/],
      [`${header}\n${row}\n${",".repeat(30)}\n`, /row 2 has 0 values and the header 31/],
      [`${header}\n${row}\n1,2\n`, /row 2 has 2 values and the header 31/],
      [`${header}\n${row},5\n`, /row 1 has 32 values and the header 31/],
      [`${header}\n${row}\n${row.replace("29", '"149,62"')}`, /column Amount, row 2: "149,62"/],
      [`${header},note\n${row},"a\n${row},b\n`, /its last quote is never closed/],
    ];
    for (const [text, why] of refused) {
      Deno.writeTextFileSync(file, text);
      throws(() => readRecording(file), why);
      throws(() => readRecording(file), /Cannot read the recording .*recording.csv: /);
    }
    return Promise.resolve();
  }));

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

Deno.test("float32() prints the shortest decimal that reads back to the same float32", () => {
  const cases: [value: number, text: string][] = [
    [0.1, "0.1"],
    [-149.62, "-149.62"],
    [0, "0"],
    [1, "1"],
    [118_929, "118929"],
    [16_777_216, "16777216"],
    [3.4028234663852886e38, "3.4028235e+38"],
    [1 / 3, "0.33333334"],
    [1e-7, "1e-7"],
  ];
  for (const [value, text] of cases) equal(float32(Math.fround(value)), text);

  // All bit patterns of normal numbers are alike, so any spread of them will do.
  const bits = Uint32Array.from({ length: 20_000 }, (_, i) => Math.imul(i + 1, 2_654_435_761));
  for (const value of new Float32Array(bits.buffer)) {
    if (!(Math.abs(value) >= 2 ** -126 && Math.abs(value) < Infinity)) continue;
    equal(Math.fround(Number(float32(value))), value);
    const shortest = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((digits) => Number(value.toPrecision(digits)))
      .find((decimal) => Math.fround(decimal) === value);
    equal(float32(value), String(shortest));
  }
});

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

const root = fileURLToPath(new URL("../..", import.meta.url));
const command = (args: string[]) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tools/replay.ts", ...args],
    cwd: root,
    stdout: "piped",
    stderr: "piped",
  });

Deno.test("the command line ends with 0 when done, 1 on failure, 2 on wrong usage, and one line why", () =>
  withFolder(async (dir) => {
    const good = ["--from", makeParquet(dir, 60), "--to", `log:${dir}`, "--topic", "t"];
    const runs: [args: string[], code: number, said: RegExp][] = [
      [
        [...good, "--speed", "max", "--limit", "50"],
        0,
        /^replay: sent 50 of 50 rows to log:.* t \(partition 0: \d+, .*\)\n$/,
      ],
      [good, 1, /^The topic .* already exists: delete it, or choose another one with --topic\n$/],
      [[...good, "--speed", "fast"], 2, /^The speed should be a number > 0 .*\nUsage: deno task/],
      [[...good, "--sped", "1"], 2, /^Unknown option --sped: did you mean --speed\?\nUsage: deno/],
      [good.slice(2), 2, /^--from is missing: --from FILE\nUsage: deno task replay/],
    ];
    for (const [args, code, said] of runs) {
      const { code: found, stdout, stderr } = await command(args).output();
      const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      deepEqual([args, found], [args, code]);
      ok(said.test((code === 0 ? out! : err!).replaceAll("\r\n", "\n")), out! + err!);
      equal(code === 0 ? err : out, "");
    }
    equal([0, 1, 2].flatMap((partition) => lines(dir, "t", partition)).length, 50);
  }));

Deno.test({
  name: "the command line stops on SIGINT with complete messages and exit code 0",
  // Windows has no SIGINT that one process can send to another.
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (dir) => {
      const from = makeParquet(dir, 3000);
      const child = command(["--from", from, "--to", `log:${dir}`, "--topic", "t", "--speed", "1"])
        .spawn();
      const output = child.output();
      const sentRows = () =>
        [0, 1, 2].flatMap((partition) => {
          try {
            return lines(dir, "t", partition);
          } catch {
            return []; // not made yet
          }
        });
      await until(() => Promise.resolve(sentRows().length > 0));
      child.kill("SIGINT");
      const { code, stdout } = await output;
      equal(code, 0);
      const text = new TextDecoder().decode(stdout);
      const sent = Number(/stopped after (\d+) of 3000 rows/.exec(text)?.[1]);
      equal(sentRows().length, sent);
    }),
});
