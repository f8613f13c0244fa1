import type { DataFrame } from "polars";
import { makeFolder, writeFile } from "../../lib/files.ts";
import { JsonlSink } from "../../tools/kpi/jsonl_sink.ts";
import { existsSync } from "node:fs";
import { ok } from "node:assert/strict";
import { join } from "node:path";
import { type OutputMode, ParquetSink, type Sink } from "lib";
import { runQuery } from "./in_process.ts";
import { type Effect, type Moment, watchEffects } from "./effects.ts";
import {
  type FaultTable,
  logTopic,
  type Place,
  placeIn,
  randoms,
  transactions,
} from "./program.ts";
import { readTables, sameTables, type Tables } from "./tables.ts";

const FIRST = 300, MORE = 160;

const KINDS = [
  "parquet, append",
  "jsonl, append",
  "jsonl, update",
  "jsonl, complete",
  "first call kept, update",
] as const;
type Kind = typeof KINDS[number];

/** Keeps what it gets first under a batch id, as a database with a unique key might: a batch may never change. */
class FirstCallSink implements Sink {
  readonly description = "FirstCallSink";

  constructor(readonly dir: string) {}

  async open(): Promise<void> {
    await makeFolder(this.dir);
  }

  async addBatch(batchId: number, rows: DataFrame): Promise<void> {
    const path = join(this.dir, `batch-${batchId}.json`);
    const records = rows.toRecords().map((row) => ({ batchId, ...row }));
    const text = JSON.stringify(
      records,
      (_, value) => typeof value === "bigint" ? +`${value}` : value,
    );
    if (!existsSync(path)) await writeFile(path, text);
  }

  async rows(): Promise<object[]> {
    const rows: object[] = [];
    for (let batchId = 0; existsSync(join(this.dir, `batch-${batchId}.json`)); batchId++) {
      rows.push(...JSON.parse(await Deno.readTextFile(join(this.dir, `batch-${batchId}.json`))));
    }
    return rows;
  }
}

function sinkOf(kind: Kind, place: Place): Sink {
  if (kind.startsWith("parquet")) return new ParquetSink(place.sink);
  if (kind.startsWith("first")) return new FirstCallSink(place.sink);
  return new JsonlSink(`${place.sink}.jsonl`);
}

async function tablesOf(kind: Kind, place: Place): Promise<Tables> {
  if (kind.startsWith("parquet")) return await readTables(place);
  const jsonl = `${place.sink}.jsonl`;
  if (kind.startsWith("first")) {
    const rows = await new FirstCallSink(place.sink).rows();
    await Deno.writeTextFile(jsonl, rows.map((row) => JSON.stringify(row)).join("\n"));
  }
  return await readTables(place, { jsonl, mode: kind.split(", ")[1] as OutputMode });
}

/** Ends the query at a moment of an effect, as a crash would, or with an error that passes, as a full disk would. */
export async function inProcessSuite(
  { dir, table, seed, share }: { dir: string; table: FaultTable; seed: number; share: number },
): Promise<void> {
  const random = randoms(seed);
  const { warn } = console;
  console.warn = () => table.add("a stale lock, in process", "taken over, and said so");
  try {
    for (const kind of KINDS) await inProcessKind(kind);
  } finally {
    console.warn = warn;
  }

  async function inProcessKind(kind: Kind): Promise<void> {
    // The last data batch is not full: planned anew, it would be another. It is the one to hit.
    const isFirst = kind.startsWith("first");
    const read = { maxOffsetsPerTrigger: isFirst ? 130 : 100 };
    const part = isFirst ? Math.min(1, 5 * share) : share;
    const mode = kind.split(", ")[1] as OutputMode;
    const newPlace = async (name: string) => {
      const place = placeIn(join(dir, `${kind} ${name}`.replaceAll(/[^a-z0-9]+/g, "-")));
      const topic = logTopic(join(place.dir, "topics"));
      await topic.send(transactions(0, FIRST));
      return { place, topic };
    };
    const { place, topic } = await newPlace("undisturbed");
    const moments = await momentsOf(() =>
      runQuery(place, { mode, read, sink: sinkOf(kind, place) })
    );
    await topic.send(transactions(FIRST, FIRST + MORE));
    await runQuery(place, { mode, read, sink: sinkOf(kind, place) });
    const expected = await tablesOf(kind, place);
    sameTables(expected, expected, FIRST + MORE);
    for (const ends of [true, false]) {
      const fault = ends
        ? "crash in process at a step"
        : "an error at a step, then the same process";
      for (const at of moments) {
        if (random() >= part) continue;
        const { place, topic } = await newPlace(`${ends ? "crash" : "error"} ${at}`);
        const [sink, rejected] = [sinkOf(kind, place), new ParquetSink(place.rejected)];
        const off = watchEffects(faultAt(at, ends));
        const failure = await runQuery(place, { mode, read, sink, rejected }).catch((error) =>
          error
        )
          .finally(off);
        ok(failure instanceof Error, `nothing failed at ${at}`);
        await topic.send(transactions(FIRST, FIRST + MORE));
        // After an error the same sinks go on; after a crash there are new ones.
        await runQuery(
          place,
          ends ? { mode, read, sink: sinkOf(kind, place) } : { mode, read, sink, rejected },
        );
        try {
          const found = await tablesOf(kind, place);
          sameTables(found, expected, FIRST + MORE);
        } catch (cause) {
          throw new Error(`After ${fault}, ${kind}, at ${at}, in ${place.dir}`, { cause });
        }
        table.add(`${fault}, ${kind}`, "tables equal, all rows accounted for");
        await Deno.remove(place.dir, { recursive: true });
      }
    }
  }
}

async function momentsOf(run: () => Promise<void>): Promise<string[]> {
  const moments: string[] = [];
  let count = 0;
  const off = watchEffects(({ name }, moment) => {
    if (moment === "before") count++;
    // The lock given back is the last effect, and no failure.
    if (name !== "truncate") moments.push(`${count}:${moment}`);
  });
  await run().finally(off);
  return moments;
}

function faultAt(at: string, ends: boolean): (effect: Effect, moment: Moment) => void {
  let count = 0, isDead = false;
  return ({ name }, moment) => {
    if (moment === "before") count++;
    if (at === `${count}:${moment}`) isDead = ends;
    if (isDead || at === `${count}:${moment}`) throw new Error(`Fault injected at ${name} ${at}`);
  };
}
