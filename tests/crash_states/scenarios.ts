/** What is interrupted: programs that write files, how they go on after a fault, and what they come to. */
import { equal, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { MemorySink, openKpis, type OutputMode, ParquetSink, TopicLog } from "lib";
import pl from "polars";
import { JsonlSink } from "../../lib/sinks/jsonl.ts";
import { countMessages, replay } from "../../tools/replay/replay.ts";
import { COLUMNS } from "../../tools/replay/recording.ts";
import { takeOver } from "../../tools/spark/takeover.ts";
import { startQuery } from "../faults/in_process.ts";
import { logTopic, type Place, placeIn, readTables, transactions } from "../faults/program.ts";
import { appendHalf, asSpark, makeTopics, ours, rowsOf, specFor } from "../spark/topics.ts";

/** One program on a disk; `dir` is where the disk is. */
export interface Scenario {
  readonly name: string;
  /** From an empty disk on: what is interrupted. */
  run(dir: string): Promise<void>;
  /** What a user does after a fault, some batches far. */
  restart(dir: string, batches: number): Promise<void>;
  /** Goes on to the end, with more rows; returns what must not depend on the fault. */
  finish(dir: string): Promise<unknown>;
}

/** Rows of the topic at the first start, the second one, and after the fault. */
const [FIRST, SECOND, ALL] = [290, 330, 370];
/** Rows a batch before the fault; more of them after it. */
const LIMIT = 12;
const NOW = Date.UTC(2024, 0, 1);

/** Makes the topic as it is with so many rows: always the same one. */
async function topicOf(dir: string, rows: number): Promise<TopicLog> {
  if (!existsSync(join(dir, String(rows)))) {
    await logTopic(join(dir, String(rows))).send(transactions(0, rows));
    await Deno.writeTextFile(join(dir, String(rows), "transactions", "topic.id"), "topic\n");
  }
  return await TopicLog.open(join(dir, String(rows)), "transactions");
}

/** Runs the query; ends after `batches` batches. */
async function runQuery(
  place: Place,
  source: TopicLog,
  { sink, mode = "append", keys, limit = LIMIT, batches = Infinity }: {
    sink?: JsonlSink | undefined;
    mode?: OutputMode | undefined;
    keys?: readonly string[] | undefined;
    limit?: number;
    batches?: number;
  },
): Promise<void> {
  let n = 0;
  const query = await startQuery(place, {
    source,
    mode,
    ...sink && { sink },
    ...keys && { keys },
    read: { maxOffsetsPerTrigger: limit },
    write: {
      minBatchesToRetain: 2,
      now: () => NOW,
      onProgress: () => ++n >= batches && queueMicrotask(() => void query.stop()),
    },
  });
  await query.awaitTermination();
}

/** What stands in the tables, and whether it accounts for `total` rows. */
async function tablesOf(place: Place, total: number, jsonl?: string): Promise<unknown> {
  const { rows, aside, inspection } = await readTables(
    jsonl === undefined ? place : { ...place, sink: place.rejected },
  );
  const { read, counted, late, rejected, open } = inspection.rows!;
  equal(read, total, "rows read");
  equal(counted + late + rejected + open, total, "rows accounted for");
  equal(aside.length, rejected + late, "rows kept aside");
  equal(inspection.problems.join(), "");
  if (jsonl === undefined) return { rows, aside };
  const lines = (await Deno.readTextFile(jsonl)).split("\n").slice(0, -1).map((l) => JSON.parse(l));
  const idOf = ({ window_start, Class }: Record<string, unknown>) => `${window_start} ${Class}`;
  const ids = lines.map((row) => `${row.batchId} ${idOf(row)}`);
  equal(new Set(ids).size, ids.length, "a row is there twice");
  const last = new Map(lines.map(({ batchId: _, ...row }) => [idOf(row), row]));
  return { rows: [...last.values()].map((row) => JSON.stringify(row)).sort(), aside, n: last.size };
}

/** The KPI query over a topic that is elsewhere, started twice. */
function query(name: string, topics: string, options: {
  readonly sink: "parquet" | "jsonl";
  readonly mode?: OutputMode;
  readonly keys?: readonly string[];
}): Scenario {
  const jsonl = (dir: string) => options.sink === "jsonl" ? join(dir, "out.jsonl") : undefined;
  const run = async (dir: string, rows: number, how: { limit?: number; batches?: number } = {}) => {
    const path = jsonl(dir);
    const { mode, keys } = options;
    const sink = path === undefined ? undefined : new JsonlSink(path);
    await runQuery(placeIn(dir), await topicOf(topics, rows), { mode, keys, sink, ...how });
  };
  return {
    name,
    run: async (dir) => {
      await run(dir, FIRST);
      await run(dir, SECOND);
    },
    restart: (dir, batches) => run(dir, SECOND, { batches }),
    finish: async (dir) => {
      await run(dir, ALL, { limit: 100 });
      return await tablesOf(placeIn(dir), ALL, jsonl(dir));
    },
  };
}

const REPLAYED = 120;

/** A replay into a topic log, and the query over it. A replay that did not end is begun anew. */
function replayed(name: string, base: string): Scenario {
  const from = join(base, "recording.parquet");
  const column = (name: string, c: number) =>
    pl.Series(name, Array.from({ length: REPLAYED }, (_, i) => name === "Class" ? i % 2 : i + c));
  pl.DataFrame(COLUMNS.map(column)).writeParquet(from);
  const topics = (dir: string) => join(dir, "topics");
  const publish = (dir: string) =>
    replay({
      from,
      to: `log:${topics(dir)}`,
      topic: "t",
      rate: 0.5,
      partitions: 2,
      overwrite: true,
    });
  const run = async (dir: string, how: { limit?: number; batches?: number } = {}) =>
    await runQuery(placeIn(dir), await TopicLog.open(topics(dir), "t"), { limit: 60, ...how });
  const restart = async (dir: string, how: { limit?: number; batches?: number }) => {
    const isQueried = existsSync(placeIn(dir).checkpoint);
    const there = await countMessages(`log:${topics(dir)}`, "t");
    ok(!isQueried || there >= REPLAYED, `${there} rows are left of a replay that had ended`);
    if (there < REPLAYED) await publish(dir);
    await run(dir, how);
  };
  return {
    name,
    run: async (dir) => {
      await publish(dir);
      await run(dir);
    },
    restart: (dir, batches) => restart(dir, { batches }),
    finish: async (dir) => {
      await restart(dir, { batches: 1 });
      const more = transactions(900, 902).join("\n") + "\n"; // they close all windows of the others
      const file = join(topics(dir), "t", "partition-0.jsonl");
      await Deno.writeTextFile(file, more, { append: true });
      await run(dir);
      return await tablesOf(placeIn(dir), REPLAYED + 2);
    },
  };
}

/** The takeover of a query of Spark's, and that query from then on. */
async function takenOver(name: string, base: string): Promise<Scenario> {
  await makeTopics(base, []);
  const spec = await specFor(base, "lr", { topic: "half", maxOffsetsPerTrigger: 2000 });
  const [ran, spark] = [join(base, "ran"), join(base, "spark")];
  const before = await ours(spec, ran);
  await asSpark(ran, "half", spark);
  const later = join(base, "later");
  await makeTopics(later, []);
  await appendHalf(later, 1);
  await Deno.copyFile(join(base, "half", "topic.id"), join(later, "half", "topic.id"));
  const whole = { ...spec, source: { ...spec.source, address: later } };
  const take = (dir: string) =>
    takeOver(spec, {
      spark,
      checkpoint: placeIn(dir).checkpoint,
      sink: new ParquetSink(placeIn(dir).sink),
      print: () => {},
    });
  return {
    name,
    run: async (dir) => void await take(dir),
    restart: async (dir) => void await take(dir),
    finish: async (dir) => {
      await take(dir);
      const { kpis, model } = await openKpis(whole);
      const rows = new MemorySink();
      const query = await kpis.writeStream(rows, {
        outputMode: "append",
        checkpointLocation: placeIn(dir).checkpoint,
        trigger: "available-now",
      });
      await query.awaitTermination();
      await model.close();
      return rowsOf([...before, rows.rows()]);
    },
  };
}

/** All of them; `base` is for what is not on the disk. */
export async function scenariosIn(base: string): Promise<readonly Scenario[]> {
  await Deno.mkdir(base, { recursive: true });
  return [
    query("parquet, append", base, { sink: "parquet" }),
    query("parquet, append, by key", base, { sink: "parquet", keys: ["Class"] }),
    query("jsonl, append", base, { sink: "jsonl" }),
    query("jsonl, update, by key", base, { sink: "jsonl", mode: "update", keys: ["Class"] }),
    replayed("replay and query", base),
    await takenOver("takeover from Spark", base),
  ];
}
