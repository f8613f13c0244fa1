import { Buffer } from "node:buffer";
import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import pl from "polars";
import { isAlert, OnnxModel, ParquetSink, readParquetFolder, windowKpis } from "lib";
import { inspectCheckpoint } from "../../lab/inspect.ts";
import { runQuery, type Settings } from "./in_process.ts";
import { type FaultTable, placeIn, randoms, ROOT, transactions } from "./program.ts";
import { checkAccounting } from "./tables.ts";

const PARTITIONS = 3, CHUNK = 20_000;
/** The clock of the run: the rows of the topic are from its last hours. */
const NOW = Date.UTC(2024, 0, 1, 12);
const LARGE = "x".repeat(1 << 20);

type Random = () => number;
type Mutation = (row: string, random: Random) => string | Uint8Array;

/** What is done to a message. Those with the text of a row keep it readable as often as not. */
const MUTATIONS: Readonly<Record<string, Mutation>> = {
  untouched: (row) => row,
  "broken UTF-8": (row, random) => {
    const bytes = Buffer.from(row);
    const bad = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80], [0xe2, 0x82]];
    const at = Math.floor(random() * bytes.length);
    return Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from(pick(bad, random)),
      bytes.subarray(at),
    ]);
  },
  "random bytes changed": (row, random) => {
    const bytes = Buffer.from(row);
    for (let n = 1 + random() * 4; n > 0; n--) {
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    }
    return bytes;
  },
  "cut off": (row, random) => row.slice(0, random() * row.length),
  "deep nesting": (row, random) => {
    const depth = Math.floor(10 ** (1 + random() * 4));
    const [open, close] = random() < 0.5 ? ["[", "]"] : ['{"a":', "}"];
    const nested = open.repeat(depth) + "1" + (random() < 0.5 ? close.repeat(depth) : "");
    return random() < 0.5 ? nested : withField(row, random, nested);
  },
  "odd numbers": (row, random) =>
    withField(
      row,
      random,
      pick([
        "1e400",
        "-1e400",
        "1e-400",
        "NaN",
        "-0",
        "Infinity",
        "1".repeat(400),
        "01",
        "1.",
        "0x1",
      ], random),
    ),
  "odd times": (row, random) =>
    row.replace(
      /"event_time":"[^"]*"/,
      `"event_time":${
        pick([
          '"-0044-03-15T00:00:00Z"',
          '"9999-12-31T23:59:59Z"',
          '"+294247-01-10T04:00:54.775Z"',
          '"1969-12-31T23:59:59.999Z"',
          '"2024-02-30T00:00:00Z"',
          '""',
          "null",
          "-1",
          "1e18",
          '"2024-01-01T11:59:60Z"',
        ], random)
      }`,
    ),
  "NUL": (row, random) =>
    random() < 0.5 ? row.replace(/,/, ",\0") : withField(row, random, '"a\\u0000b\0"'),
  "prototype names": (row, random) => {
    const name = pick(["__proto__", "constructor", "toString", "hasOwnProperty"], random);
    const value = pick(["1", '{"event_time":"2024-01-01T11:00:00Z"}', "null", "[]"], random);
    return row.replace("{", `{"${name}":${value},`);
  },
  "another type": (row, random) =>
    withField(row, random, pick(['"1"', "true", "null", "[]", "{}", '"\\ud800"'], random)),
  "not an object": (_row, random) =>
    pick(
      ["", " ", "null", "[]", "1", '"text"', "\ufeff{}", "{}", "}{", "{".repeat(50_000)],
      random,
    ),
  "a field twice": (row, random) => row.replace("{", `{"Class":${Math.floor(random() * 4) - 1},`),
};

/** Message `i` of the topic; one in 20,000 has a string of 1 MB. */
function message(i: number, seed: number): { name: string; bytes: Uint8Array } {
  const random = randoms(seed * 1_000_003 + i);
  const [row] = transactions(i * 17 + 1, i * 17 + 2);
  const time = new Date(NOW - 3_600_000 + Math.floor(i * 0.1) * 10).toISOString();
  const timed = row!.replace(/"event_time":"[^"]*"/, `"event_time":"${time}"`);
  if (i % 20_000 === 777) {
    const value = random() < 0.5
      ? withField(timed, random, `"${LARGE}"`)
      : timed.replace("{", `{"${LARGE}":1,`);
    return { name: "a string of 1 MB", bytes: Buffer.from(value) };
  }
  const name = pick(Object.keys(MUTATIONS), random);
  // A late row may lack a field as well: one in eight is from the day before.
  const sent = i % 8 === 3 ? timed.replace("2024-01-01T", "2023-12-31T") : timed;
  const bytes = Buffer.from(MUTATIONS[name]!(sent, random));
  // A message of a topic log is a line.
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at)) bytes[at] = 32;
  return { name, bytes };
}

function withField(row: string, random: Random, value: string): string {
  const name = pick(["Amount", "V1", "V28", "Class", "event_time", "Time"], random);
  return row.replace(new RegExp(`"${name}":("[^"]*"|[^,}]*)`), `"${name}":${value}`);
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)]!;
}

/**
 * Sends mutated messages through the whole pipeline. Every one must be accounted for, and each that is kept aside
 * must be what was sent, with its reason.
 */
export async function poisonSuite(
  { dir, table, seed }: { dir: string; table: FaultTable; seed: number },
  messages: number,
): Promise<void> {
  const place = placeIn(join(dir, "poison"));
  const folder = join(place.dir, "topics", "transactions");
  await Deno.mkdir(folder, { recursive: true });
  const files = await Promise.all(
    Array.from(
      { length: PARTITIONS },
      (_, partition) =>
        Deno.open(join(folder, `partition-${partition}.jsonl`), { create: true, append: true }),
    ),
  );
  const newline = Buffer.from("\n");
  const counts = { rejected: 0, malformed: 0, late: 0, unscored: 0 };
  const model = await OnnxModel.load(join(ROOT, "models", "fraud_lr_model.onnx"));
  const settings: Settings = {
    model,
    read: { maxOffsetsPerTrigger: CHUNK / 4 },
    // One row from the year 9999 would close all windows.
    kpis: (rows) =>
      windowKpis(rows.withColumns(isAlert(0.5)), {
        watermark: "1 second",
        window: "10 seconds",
        maxAhead: "1 hour",
      }),
    rejected: new ParquetSink(place.rejected),
    write: {
      now: () => NOW,
      onProgress: ({ rows }) => {
        for (const kind of Object.keys(counts) as (keyof typeof counts)[]) {
          counts[kind] += rows[kind];
        }
      },
    },
  };
  const tried = new Map<string, number>();
  for (let from = 0; from < messages; from += CHUNK) {
    const to = Math.min(messages, from + CHUNK);
    const parts: Uint8Array[][] = files.map(() => []);
    for (let i = from; i < to; i++) {
      const { name, bytes } = message(i, seed);
      tried.set(name, (tried.get(name) ?? 0) + 1);
      parts[i % PARTITIONS]!.push(bytes, newline);
    }
    for (const [partition, part] of parts.entries()) {
      await files[partition]!.write(Buffer.concat(part));
    }
    await runQuery(place, settings);
  }
  for (const file of files) file.close();
  await model.close();
  const { rows } = await inspectCheckpoint(place.checkpoint);
  checkAccounting({ rows }, messages);
  checkAside(place.rejected, seed, counts);
  const starts = (await readParquetFolder(place.sink)).toRecords().map((row) =>
    String(row.window_start)
  );
  equal(new Set(starts).size, starts.length, "a window is there twice");
  deepEqual([rows!.rejected, rows!.late], [counts.rejected, counts.late]);
  ok(counts.rejected > 0 && counts.malformed > 0 && counts.late > 0 && counts.unscored > 0);
  ok(rows!.counted + rows!.open > messages / 10, "too few messages were counted");
  for (const [name, times] of tried) {
    table.add(
      `poison: ${name}`,
      "accounted for, kept aside as it was where it cannot be read",
      times,
    );
  }
  await Deno.remove(place.dir, { recursive: true });
}

function checkAside(
  folder: string,
  seed: number,
  counts: Readonly<Record<string, number>>,
): void {
  const kinds: Record<string, number> = { rejected: 0, malformed: 0, late: 0 };
  const seen = new Set<string>();
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  for (const name of names.filter((name) => name.endsWith(".parquet")).sort()) {
    for (const row of pl.readParquet(join(folder, name)).toRecords()) {
      const { offset, ...texts } = row;
      const { kind, reason, partition, encoding, value } = texts as Record<string, string>;
      kinds[kind!]!++;
      const id = `${partition} ${offset}`;
      ok(!seen.has(id), `kept aside twice: ${id}`);
      seen.add(id);
      ok(reason!.length > 0);
      const sent = message(Number(offset) * PARTITIONS + Number(partition), seed).bytes;
      const kept = Buffer.from(value!, encoding === "base64" ? "base64" : "utf-8");
      ok(kept.equals(sent), `${id} is not what was sent`);
    }
  }
  const { rejected, malformed, late } = counts;
  deepEqual(kinds, { rejected, malformed, late });
}
