/** Faults around a query: other processes, folders that go, clocks, changed settings, many batches. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { count, MemorySink, MemorySource, TRANSACTION_SCHEMA } from "lib";
import { inspectCheckpoint } from "../../lab/inspect.ts";
import { runQuery, SCORER, type Settings, startQuery } from "./in_process.ts";
import { SAME } from "./kills.ts";
import {
  type FaultTable,
  kpiArgs,
  logTopic,
  type Place,
  placeIn,
  startKpi,
  transactions,
} from "./program.ts";
import { readTables, sameTables, type Tables } from "./tables.ts";

/** How many rows there are, and how many of them at first. */
export const ROWS = 460;
const FIRST = 300;
const REFUSED = "refused, with the reason and what to do";

export interface SuiteOptions {
  readonly dir: string;
  readonly table: FaultTable;
}

/** Makes a topic with the first rows, and a function that sends the rest. */
export async function newTopic(dir: string) {
  const topic = logTopic(join(dir, "topics"));
  await topic.send(transactions(0, FIRST));
  return { topic, sendRest: () => topic.send(transactions(FIRST, ROWS)) };
}

/** The tables of an undisturbed run in this process, whose model is another than the program's. */
async function undisturbed(dir: string): Promise<Tables> {
  const place = placeIn(dir);
  await logTopic(join(dir, "topics")).send(transactions(0, ROWS));
  await runQuery(place);
  return await readTables(place);
}

async function failureOf(run: Promise<unknown>): Promise<Error> {
  return await run.then(
    () => Promise.reject(new Error("it was not refused")),
    (error: Error) => error,
  );
}

/** Folders deleted while a query runs on them, and between two runs. */
export async function deletedSuite({ dir, table }: SuiteOptions): Promise<void> {
  for (const folder of ["checkpoint", "sink", "rejected"] as const) {
    for (const isRunning of [true, false]) {
      const place = placeIn(join(dir, `deleted-${folder}-${isRunning}`));
      const { sendRest } = await newTopic(place.dir);
      const query = await startQuery(place, {
        write: { trigger: isRunning ? "0 seconds" : "available-now" },
      });
      if (isRunning) await query.processAllAvailable();
      else await query.awaitTermination();
      await Deno.remove(place[folder], { recursive: true });
      await sendRest();
      if (isRunning) {
        const failure = await failureOf(query.awaitTermination());
        match(failure.message, /failed in batch \d+.*No such file or directory/s);
        ok(failure.message.includes(place[folder]), failure.message);
      }
      const refusal = await failureOf(runQuery(place));
      match(refusal.message, /are gone|another query/);
      match(refusal.message, /Restore it, or start over/);
      const when = isRunning ? "while it runs" : "between two runs";
      table.add(
        `${folder} folder deleted ${when}`,
        `${isRunning ? "failed; then " : ""}${REFUSED}`,
      );
    }
  }
  const place = placeIn(join(dir, "shared"));
  const { topic } = await newTopic(place.dir);
  const spelt = join(place.dir, ".", "out", "..", "out", "/");
  const { code, stderr } = await startKpi(kpiArgs(topic, place, ["--rejected", spelt])).ended;
  equal(code, 1);
  match(stderr, /--rejected and --sink parquet both name .*: give each a place of its own/);
  table.add("one folder for rows and rejected rows", REFUSED);
}

/** A clock that is set back, and other time zones. */
export async function clockSuite({ dir, table }: SuiteOptions): Promise<void> {
  const expected = await undisturbed(join(dir, "clock-undisturbed"));
  const place = placeIn(join(dir, "clock"));
  const { sendRest } = await newTopic(place.dir);
  let offset = 0;
  const allRead = Promise.withResolvers<void>();
  const query = await startQuery(place, {
    write: {
      trigger: "20 milliseconds",
      now: () => Date.now() - offset,
      onProgress: ({ batchId, rows: { total } }) => {
        if (batchId === 0) offset = 3_600_000;
        if (total.read === ROWS) allRead.resolve();
      },
    },
  });
  await sendRest();
  const timer = setTimeout(() => allRead.reject(new Error("the query waits for the hour")), 20_000);
  await allRead.promise.finally(() => clearTimeout(timer));
  await query.processAllAvailable();
  await query.stop();
  sameTables(await readTables(place), expected, ROWS);
  table.add("the clock set back by an hour", SAME);

  let first: Tables | undefined;
  for (const zone of ["UTC", "America/New_York", "Asia/Kathmandu"]) {
    const place = placeIn(join(dir, `zone-${zone.replace("/", "-")}`));
    const topic = logTopic(join(place.dir, "topics"));
    // Clocks in New York go forward at 07:00 UTC; some rows name no zone.
    const shift = Date.UTC(2024, 2, 10, 6, 52) - Date.UTC(2024, 0, 1, 10);
    await topic.send(
      transactions(0, ROWS).map((row, i) =>
        row.replace(/"2024-01-01T[^"]*"/, (time) => {
          const text = new Date(Date.parse(JSON.parse(time)) + shift).toISOString();
          return JSON.stringify(i % 2 === 0 ? text : text.replace("Z", ""));
        })
      ),
    );
    const { code, stderr } = await startKpi(kpiArgs(topic, place), { env: { TZ: zone } }).ended;
    equal(code, 0, stderr);
    const { rows: found, aside } = await readTables(place);
    first ??= await readTables(place);
    deepEqual({ found, aside }, { found: first.rows, aside: first.aside });
    table.add("daylight saving time in other zones", "tables equal");
  }
}

/** Settings changed between two runs. */
export async function changeSuite({ dir, table }: SuiteOptions): Promise<void> {
  const elsewhere = new MemorySource();
  elsewhere.addData(transactions(0, FIRST));
  const refused: Record<string, [Settings, RegExp]> = {
    window: [{ window: "2 minutes" }, /window was .*60000 ms.* and is now .*120000 ms/],
    "event time column": [
      {
        schema: TRANSACTION_SCHEMA.map(({ name, type }) =>
          name === "Time" ? { name, type: "timestamp" } : { name, type }
        ),
        kpis: (rows) => rows.groupByWindow("Time", "1 minute").agg({ n_txn: count() }),
        mode: "update",
        sink: new MemorySink(),
      },
      /window was 60000 ms over event_time.* and is now 60000 ms over Time/,
    ],
    keys: [{ keys: ["Class"] }, /keys was {2}and is now Class/],
    aggregates: [
      {
        kpis: (rows) =>
          rows.withWatermark("event_time", "30 seconds").groupByWindow("event_time", "1 minute")
            .agg({ n_txn: count() }),
      },
      /aggregates was .*n_fraud_true.* and is now n_txn = count\(\*\)\./,
    ],
    schema: [{ schema: TRANSACTION_SCHEMA.filter(({ name }) => name !== "Time") }, /schema was /],
    source: [{ source: elsewhere }, /source was TopicLog.* and is now MemorySource/],
    topic: [{ topic: "other" }, /source was TopicLog\[transactions\] and is now TopicLog\[other\]/],
  };
  const allowed: Record<string, [Settings, setting: string, RegExp]> = {
    delay: [{ watermark: "2 minutes" }, "watermark.delay", /2 minutes/],
    threshold: [{ threshold: 0.75 }, "columns", /0\.75/],
    model: [{ model: { ...SCORER, sha256: "f".repeat(64) } }, "model.sha256", /^f{64}$/],
    "rate limit": [{ read: { maxOffsetsPerTrigger: 50 } }, "maxOffsetsPerTrigger", /50/],
  };
  for (const [name, change] of Object.entries({ ...refused, ...allowed })) {
    const place = placeIn(join(dir, `change-${name.replace(" ", "-")}`));
    const { sendRest } = await newTopic(place.dir);
    await logTopic(join(place.dir, "topics"), "other").send(transactions(0, FIRST));
    await runQuery(place);
    await sendRest();
    if (change.length === 2) {
      const { message } = await failureOf(runQuery(place, change[0]));
      match(message, change[1]);
      match(message, /Undo the change, or start over/);
      await runQuery(place); // the refusal has changed nothing
      table.add(`changed ${name}`, "refused, with the difference");
    } else {
      const [settings, setting, value] = change;
      await runQuery(place, settings);
      const { settingsChanges, rows } = await inspectCheckpoint(place.checkpoint);
      const found = settingsChanges.filter((change) => change.setting === setting);
      equal(found.length, 1, JSON.stringify(settingsChanges));
      match(found[0]!.is!, value);
      equal(rows!.read, ROWS);
      table.add(`changed ${name}`, "goes on; recorded with the batch, shown by inspect");
    }
  }
}

/** Many batches, few retained: the checkpoint does not grow. */
export async function retentionSuite({ dir, table }: SuiteOptions, batches: number): Promise<void> {
  const place: Place = placeIn(join(dir, "retention"));
  const { topic, sendRest } = await newTopic(place.dir);
  await sendRest();
  const settings: Settings = {
    read: { maxOffsetsPerTrigger: 4 },
    write: { minBatchesToRetain: 2 },
  };
  const most = Math.ceil(ROWS / 4);
  for (let run = 0, rows = ROWS; rows / 4 < batches + most; rows += ROWS) {
    await runQuery(place, settings);
    let files = 0, bytes = 0;
    for (const folder of ["offsets", "state", "commits"]) {
      for (const { name } of Deno.readDirSync(join(place.checkpoint, folder))) {
        files++;
        bytes += (await Deno.stat(join(place.checkpoint, folder, name))).size;
      }
    }
    ok(files <= 3 * 12, `${files} files after run ${run}`); // 2 retained, and up to 10 until they are removed
    ok(bytes < 20_000, `${bytes} bytes after run ${run++}`);
    const { rows: found } = await inspectCheckpoint(place.checkpoint);
    equal(found!.read, rows);
    await topic.send(transactions(rows, rows + ROWS));
  }
  const { batches: left } = await inspectCheckpoint(place.checkpoint);
  table.add(
    "a checkpoint over many batches, 2 retained",
    "at most 12 batches kept",
    left.at(-1)!.batchId,
  );
}
