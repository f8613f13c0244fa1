// Spark and this library on the same topic, with the same batch bounds: their tables are equal.
import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import type { DataFrame } from "polars";
import {
  keyFields,
  type KpiSpec,
  MemorySink,
  OnnxModel,
  type OutputMode,
  readParquetFolder,
  TRANSACTION_SCHEMA,
} from "lib";
import { parseMessages } from "../../lib/json/from_json.ts";
import { TopicLog } from "../../lib/topic_log/topic_log.ts";
import { LOCAL_CONF, SPARK_LINES, sparkHome, type SparkLine } from "../../tools/spark/install.ts";
import { takeOver } from "../../tools/spark/takeover.ts";
import { makeKeyedTopic } from "../kpi/keyed_topic.ts";
import { appendHalf, IS_LONG, makeTopics, ours, rowsOf, specFor, withoutSpark } from "./topics.ts";

/** The first line of releases runs every variant, the others these; `SPARK_TESTS=long` runs every one on all. */
const SHORT = [
  ...["lr 30 seconds append", "rf 30 seconds append", "lr 2 minutes update", "keys", "takeover"],
];
const KEYS = ["merchant:string", "country:integer"];
const MODES: readonly OutputMode[] = ["append", "update", "complete"];

/** Rows that Spark and we must judge alike: none can be scored, or none has a place in a window. */
const ODD_ROWS = [
  "no JSON at all",
  "",
  '{"event_time": "2024-01-01T10:03:00Z", "Class": 1}',
  '{"event_time": "2024-01-01T10:03:01Z", "V1": "NaN", "Amount": 1, "Class": 0}',
  '{"V1": 1.5, "Class": 1}',
  '{"event_time": "2024-01-01T10:03:02Z", "V1": "1.5", "Class": "1"}\r',
];

interface Variant {
  readonly name: string;
  readonly spec: KpiSpec;
  readonly sink: string;
  readonly checkpoint: string;
}

/** The variants, over a topic of real rows in disorder and the first half of it. */
async function makeSpecs(dir: string): Promise<[string, KpiSpec][]> {
  await makeTopics(dir, ODD_ROWS);
  const all: [string, KpiSpec][] = [];
  for (const model of ["lr", "rf"] as const) {
    for (const watermark of ["30 seconds", "2 minutes"]) {
      for (const outputMode of MODES) {
        const name = `${model} ${watermark} ${outputMode}`;
        all.push([name, await specFor(dir, model, { watermark, outputMode })]);
      }
    }
  }
  all.push(["sliding", await specFor(dir, "lr", { slide: "20 seconds" })]);
  all.push(["ahead", await specFor(dir, "lr", { topic: "ahead", maxAhead: "1 hour" })]);
  await makeKeyedTopic(dir, "keyed", 6000);
  const keys = keyFields(KEYS);
  const schema = [...TRANSACTION_SCHEMA, ...keys];
  const names = keys.map(({ name }) => name);
  all.push(["keys", await specFor(dir, "lr", { topic: "keyed", schema, keys: names })]);
  all.push(["file sink", await specFor(dir, "lr", {})]);
  all.push(["takeover", await specFor(dir, "lr", { topic: "half" })]);
  return all;
}

/** Returns a table as its columns, with their types, and its rows by window and keys. */
function comparable(table: DataFrame): unknown {
  const types = table.columns.map((name) => `${name} ${table.getColumn(name).dtype}`);
  const by = table.columns.slice(0, table.columns.indexOf("watermark"));
  return { types, rows: table.sort(by).toRecords() };
}

for (const line of SPARK_LINES) await testParity(line, IS_LONG || line === SPARK_LINES[0]);

/** Runs the variants on a line of Spark's releases and compares each with ours. */
async function testParity(line: SparkLine, isLong: boolean): Promise<void> {
  const ignore = await withoutSpark("tests/spark/parity_test.ts", line);
  const { python, env } = sparkHome(line);
  const dir = ignore ? "" : await Deno.makeTempDir({ prefix: "spark-parity-" });
  const specs = ignore
    ? []
    : (await makeSpecs(dir)).filter(([name]) => isLong || SHORT.includes(name));
  const variants: readonly Variant[] = specs.map(([name, spec]) => ({
    name,
    spec,
    sink: `${name.startsWith("file sink") ? "parquet" : "batches"}:${join(dir, "spark", name)}`,
    checkpoint: join(dir, "spark-checkpoints", name),
  }));
  let done: Promise<void> | undefined;

  /** Runs all variants on Spark, once; in each the first batch's rows are scored too. */
  function spark(): Promise<void> {
    return done ??= (async () => {
      const [lr, rf] = ["lr 30 seconds append", "rf 30 seconds append"].map(find);
      const scores = [lr!, rf!].map(({ spec, name, checkpoint }) => {
        const file = join(checkpoint, "topic", "batch-000000004.jsonl"); // the odd rows are in it
        return { spec, file, out: join(dir, "scores", name) };
      });
      const child = new Deno.Command(python, {
        args: [join(import.meta.dirname!, "parity.py")],
        env,
        stdin: "piped",
      }).spawn();
      const writer = child.stdin.getWriter();
      const plan = { conf: LOCAL_CONF, runs: variants, scores };
      await writer.write(new TextEncoder().encode(JSON.stringify(plan)));
      await writer.close();
      equal((await child.status).code, 0);
    })();
  }

  function find(name: string): Variant {
    return variants.find((variant) => variant.name === name)!;
  }

  const totals = new Map<string, Record<string, number>>();
  const isPlain = ({ name }: Variant) => name !== "file sink" && name !== "takeover";
  for (const variant of variants.filter(isPlain)) {
    Deno.test(`Spark ${line}: its batches are ours: ${variant.name}`, async () => {
      await spark();
      const batches = await ours(variant.spec, join(dir, "ours", variant.name));
      const folder = variant.sink.slice("batches:".length);
      const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
      equal(names.length, batches.length);
      const theirs = await Promise.all(names.map((name) => readParquetFolder(join(folder, name))));
      deepEqual(theirs.map(comparable), batches.map(comparable));
      const rows = batches.flatMap((batch) => batch.toRecords());
      ok(rows.length >= 3);
      totals.set(
        variant.name,
        Object.fromEntries(["n_txn", "tp", "fp", "fn"].map((column) => {
          return [column, rows.reduce((sum, row) => sum + Number(row[column]), 0)];
        })),
      );
    });
  }

  if (isLong) {
    Deno.test(
      {
        name: `Spark ${line}: the compared tables hold alerts of all kinds, and lost late rows`,
        ignore,
      },
      () => {
        const sum = (column: string) =>
          [...totals.values()].reduce((sum, total) => sum + total[column]!, 0);
        for (const column of ["tp", "fp", "fn"]) ok(sum(column) > 0, column);
        const [short, long] = ["30 seconds", "2 minutes"].map((text) =>
          totals.get(`lr ${text} update`)
        );
        ok(short!.n_txn !== long!.n_txn);
      },
    );

    Deno.test(
      { name: `Spark ${line}: its own parquet sink gives the same table`, ignore },
      async () => {
        await spark();
        const { sink, spec } = find("file sink");
        const batches = await ours(spec, join(dir, "ours", "file sink"));
        const theirs = await readParquetFolder(sink.slice("parquet:".length));
        deepEqual(theirs.sort("window_start").toRecords(), rowsOf(batches));
      },
    );
  }

  for (const name of ["lr 30 seconds append", "rf 30 seconds append"]) {
    Deno.test(
      { name: `Spark ${line}: its probabilities are ours: ${name.slice(0, 2)}`, ignore },
      async () => {
        await spark();
        const { spec, checkpoint } = find(name);
        const theirs = (await readParquetFolder(join(dir, "scores", name))).getColumn("fraud_prob");
        await Deno.mkdir(join(dir, "scored"), { recursive: true });
        await Deno.copyFile(
          join(checkpoint, "topic", "batch-000000004.jsonl"),
          join(dir, "scored", "partition-0.jsonl"),
        );
        const log = await TopicLog.open(dir, "scored");
        const end = await log.latestOffsets();
        const parsed = parseMessages(await log.getBatch({ "0": 0 }, end), spec.schema);
        const model = await OnnxModel.load(spec.model.path);
        const { probabilities, unscored } = await model.score(parsed.columns, parsed.length);
        await model.close();
        equal(unscored, ODD_ROWS.length);
        equal(theirs.length, parsed.length);
        const difference = probabilities.map((p, row) => Math.abs(p - Number(theirs.get(row))));
        ok(Math.max(...difference) <= 1e-6, `differs by ${Math.max(...difference)}`);
      },
    );
  }

  Deno.test(
    { name: `Spark ${line}: a run that it began goes on here as if it had never moved`, ignore },
    async () => {
      await spark();
      const { spec, sink, checkpoint: sparkCheckpoint } = find("takeover");
      const folder = sink.slice("batches:".length);
      const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
      const bySpark = await Promise.all(names.map((name) => readParquetFolder(join(folder, name))));

      const uninterrupted = join(dir, "ours", "uninterrupted");
      const first = await ours(spec, uninterrupted);
      const lines: string[] = [];
      const checkpoint = join(dir, "ours", "taken over");
      const plan = await takeOver(spec, {
        spark: sparkCheckpoint,
        checkpoint,
        sink: new MemorySink(),
        print: (line) => lines.push(line),
      });
      await appendHalf(dir, 1);
      const wanted = [...first, ...await ours(spec, uninterrupted)];
      const found = [...bySpark, ...await ours(spec, checkpoint)];
      deepEqual(
        found.flatMap((batch) => batch.toRecords()),
        wanted.flatMap((batch) => batch.toRecords()),
      );
      equal(plan!.batchId, names.length - 1);
      ok(lines.join("\n").includes("computed again from"), lines.join("\n"));
    },
  );

  if (!ignore) {
    Deno.test(`Spark ${line}: what the parity tests wrote is removed`, () =>
      Deno.remove(dir, { recursive: true }));
  }
}
