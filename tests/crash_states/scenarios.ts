/** What is interrupted: programs that write files, how they go on after a fault, and what they come to. */
import { ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  alertsAndFrauds,
  MemorySink,
  openKpis,
  ParquetSink,
  type ResultStream,
  TopicLog,
} from "lib";
import pl from "polars";
import { JsonlSink } from "../../tools/kpi/jsonl_sink.ts";
import { countMessages, replay } from "../../tools/replay/replay.ts";
import { COLUMNS } from "../../tools/replay/recording.ts";
import { topicId } from "../../lib/topic_log/topic_id.ts";
import { takeOver } from "../../tools/spark/takeover.ts";
import { kpisOver, type Settings, startQuery } from "../faults/in_process.ts";
import { logTopic, type Place, placeIn, transactions } from "../faults/program.ts";
import { type Output, readTables, sameTables } from "../faults/tables.ts";
import { asSpark, ours, rowsOf, specFor } from "../spark/topics.ts";

/** One program on a disk; `dir` is where the disk is. */
export interface Scenario {
  readonly name: string;
  /** Its share of the states beside others, 1 if absent; those with few have less. */
  readonly weight?: number;
  /** From an empty disk on: what is interrupted. */
  run(dir: string): Promise<void>;
  /** What a user does after a fault, some batches far. */
  restart(dir: string, batches: number): Promise<void>;
  /** Goes on to the end, with more rows; returns what must not depend on the fault. */
  finish(dir: string): Promise<unknown>;
}

/** Rows of the topic at the first start, the second one, and after the fault. */
const [FIRST, SECOND, ALL] = [290, 330, 370];
/** Rows a batch before the fault, in the first round; more of them after it. */
const LIMIT = 24;
const NOW = Date.UTC(2024, 0, 1);

/** Makes the topic as it is with so many rows: always the same one. */
async function topicOf(dir: string, rows: number): Promise<TopicLog> {
  if (!existsSync(join(dir, String(rows)))) {
    await logTopic(join(dir, String(rows))).send(transactions(0, rows));
    await Deno.writeTextFile(join(dir, String(rows), "transactions", "topic.id"), "topic\n");
  }
  return await TopicLog.open(join(dir, String(rows)), "transactions");
}

/** Runs a query; ends after `batches` batches. */
async function runQuery(
  place: Place,
  { write, batches = Infinity, ...settings }: Settings & { batches?: number | undefined },
): Promise<void> {
  let n = 0;
  const query = await startQuery(place, {
    ...settings,
    write: {
      minBatchesToRetain: 2,
      now: () => NOW,
      onProgress: () => ++n >= batches && queueMicrotask(() => void query.stop()),
      ...write,
    },
  });
  await query.awaitTermination();
}

interface QueryOptions extends Pick<Settings, "mode" | "keys" | "watermark"> {
  readonly sink: "parquet" | "jsonl";
  /** Rows a batch. */
  readonly limit: number;
  readonly keepsAlerts?: boolean;
}

/** The KPI query over a topic that is elsewhere, started twice. */
function query(name: string, topics: string, options: QueryOptions): Scenario {
  const { sink, keepsAlerts, limit: usual, ...settings } = options;
  const jsonl = (dir: string) => sink === "jsonl" ? join(dir, "out.jsonl") : undefined;
  const built = new Map<string, ResultStream>();
  const run = async (dir: string, rows: number, { limit = usual, batches = Infinity } = {}) => {
    const key = `${rows} ${limit}`;
    const read = { maxOffsetsPerTrigger: limit };
    const result = built.get(key) ?? kpisOver(await topicOf(topics, rows), { ...settings, read });
    built.set(key, result);
    const [place, path] = [placeIn(dir), jsonl(dir)];
    await runQuery(place, {
      ...settings,
      result,
      batches,
      ...path !== undefined && { sink: new JsonlSink(path) },
      ...keepsAlerts && { write: { rows: alertsAndFrauds(new ParquetSink(place.alerts)) } },
    });
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
      return await tablesOf(dir, ALL, { ...settings, jsonl: jsonl(dir) });
    },
  };
}

/** What stands in the tables, which account for `total` rows. */
async function tablesOf(dir: string, total: number, output: Output = {}): Promise<unknown> {
  const tables = await readTables(placeIn(dir), output);
  sameTables(tables, tables, total);
  const { rows, aside, alerts } = tables;
  return { rows, aside, alerts };
}

const REPLAYED = 120;

/** A replay into a topic log, and the query over it. A replay that did not end is begun anew. */
function replayed(name: string, base: string, limit: number): Scenario {
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
  const run = async (dir: string, how: { batches?: number } = {}) =>
    await runQuery(placeIn(dir), {
      source: await TopicLog.open(topics(dir), "t"),
      read: { maxOffsetsPerTrigger: limit },
      ...how,
    });
  const restart = async (dir: string, how: { batches?: number }) => {
    const isQueried = existsSync(placeIn(dir).checkpoint);
    if (!isQueried) await publish(dir); // it may not have ended
    const there = await countMessages(`log:${topics(dir)}`, "t");
    ok(there >= REPLAYED, `${there} rows are left of a replay that had ended`);
    ok(await topicId(join(topics(dir), "t")), "the topic has lost its id");
    await run(dir, how);
  };
  return {
    name,
    weight: 0.1,
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
      return await tablesOf(dir, REPLAYED + 2);
    },
  };
}

/** The takeover of a query of Spark's, and that query from then on. */
async function takenOver(name: string, base: string): Promise<Scenario> {
  const topic = { half: logTopic(base, "half"), later: logTopic(join(base, "later"), "half") };
  await topic.half.send(transactions(0, FIRST));
  const spec = await specFor(base, "lr", { topic: "half", maxOffsetsPerTrigger: 100 });
  const [ran, spark] = [join(base, "ran"), join(base, "spark")];
  const before = await ours(spec, ran);
  await asSpark(ran, "half", spark);
  await topic.later.send(transactions(0, ALL));
  await Deno.copyFile(join(base, "half", "topic.id"), join(base, "later", "half", "topic.id"));
  const whole = { ...spec, source: { ...spec.source, address: join(base, "later") } };
  const take = (dir: string) =>
    takeOver(spec, {
      spark,
      checkpoint: placeIn(dir).checkpoint,
      sink: new ParquetSink(placeIn(dir).sink),
      print: () => {},
    });
  return {
    name,
    weight: 0.03,
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

/** All of them, in batches of another size each round; `base` is for what is not on the disk. */
export async function scenariosIn(base: string, round = 0): Promise<readonly Scenario[]> {
  await Deno.mkdir(base, { recursive: true });
  const limit = LIMIT + round;
  const keys = ["Time"]; // a group a row: a batch changes a few of many
  const update = { mode: "update", keys: ["Class"] } as const;
  return [
    query("parquet, append", base, { limit, sink: "parquet" }),
    query("parquet, append, many groups, alerts", base, {
      limit,
      sink: "parquet",
      keys,
      watermark: "3 minutes",
      keepsAlerts: true,
    }),
    query("jsonl, append, alerts", base, { limit, sink: "jsonl", keepsAlerts: true }),
    query("jsonl, update, by key", base, { limit, sink: "jsonl", ...update }),
    query("jsonl, complete", base, { limit, sink: "jsonl", mode: "complete" }),
    replayed("replay and query", base, 60 + round),
    ...round === 0 ? [await takenOver("takeover from Spark", base)] : [], // it has one batch
  ];
}
