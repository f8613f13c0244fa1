/** Faults around a query: full and read-only disks, other processes, folders that go, clocks, changed settings. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { count, MemorySink, MemorySource, TRANSACTION_SCHEMA } from "lib";
import { inspectCheckpoint } from "../../lab/inspect.ts";
import { runQuery, SCORER, type Settings, startQuery } from "./in_process.ts";
import { SAME, undisturbedProgram } from "./kills.ts";
import {
  type FaultTable,
  kpiArgs,
  logTopic,
  type Place,
  placeIn,
  readTables,
  runKpi,
  sameTables,
  startKpi,
  type Tables,
  transactions,
} from "./program.ts";

const ROWS = 460, FIRST = 300;
const REFUSED = "refused, with the reason and what to do";

export interface SuiteOptions {
  readonly dir: string;
  readonly table: FaultTable;
}

/** Makes a topic with the first rows, and a function that sends the rest. */
async function newTopic(dir: string) {
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

/** Whether this process may mount a tmpfs: root on Linux. */
export async function canMount(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const dir = await Deno.makeTempDir();
  const isMounted = await mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", dir);
  if (isMounted) await command("umount", dir);
  await Deno.remove(dir);
  return isMounted;
}

function mount(...args: string[]): Promise<boolean> {
  return command("mount", ...args);
}

async function command(name: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(name, { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}

/** Fills disks of all sizes, by space and by number of files, makes one read-only; then there is room again. */
export async function diskSuite({ dir, table }: SuiteOptions, step: number): Promise<void> {
  const expected = await undisturbedProgram(join(dir, "disk-undisturbed"), ROWS);
  const disk = join(dir, "disk");
  await Deno.mkdir(disk);
  for (const limit of ["size", "nr_inodes"]) {
    for (let pages = 3, failed = true; failed; pages += step) {
      const options = limit === "size" ? `size=${pages * 4}k` : `nr_inodes=${pages},size=10m`;
      ok(await mount("-t", "tmpfs", "-o", options, "tmpfs", disk));
      try {
        const place = placeIn(disk);
        const { topic, sendRest } = await newTopic(join(dir, `topic-${limit}-${pages}`));
        const { code, stderr } = await startKpi(kpiArgs(topic, place)).ended;
        failed = code !== 0;
        if (failed) {
          match(stderr, /No space left on device/);
          ok(stderr.includes(disk), `the error names no file: ${stderr}`);
          table.add(
            `a full disk (${limit === "size" ? "no space" : "no inodes"}), then room again`,
            `failed and named the file; then ${SAME}`,
          );
        }
        ok(await mount("-o", "remount,size=10m,nr_inodes=10000", disk));
        await sendRest();
        await runKpi(kpiArgs(topic, place));
        sameTables(await readTables(place), expected, ROWS);
      } finally {
        await command("umount", disk);
      }
    }
  }
  await mount("-t", "tmpfs", "-o", "size=10m", "tmpfs", disk);
  try {
    const place = placeIn(disk);
    const { topic, sendRest } = await newTopic(join(dir, "read-only"));
    await runKpi(kpiArgs(topic, place));
    await sendRest();
    ok(await mount("-o", "remount,ro", disk));
    const { code, stderr } = await startKpi(kpiArgs(topic, place)).ended;
    equal(code, 1);
    match(stderr, /Read-only file system/);
    ok(stderr.includes(disk), `the error names no file: ${stderr}`);
    ok(await mount("-o", "remount,rw", disk));
    await runKpi(kpiArgs(topic, place));
    sameTables(await readTables(place), expected, ROWS);
    table.add("a read-only disk, then writable", `failed and named the file; then ${SAME}`);
  } finally {
    await command("umount", disk);
  }
}

/** Two processes on one checkpoint, and the owner killed. */
export async function lockSuite({ dir, table }: SuiteOptions): Promise<void> {
  const expected = await undisturbedProgram(join(dir, "lock-undisturbed"), ROWS);
  const place = placeIn(join(dir, "lock"));
  const { topic, sendRest } = await newTopic(place.dir);
  const owner = startKpi(kpiArgs(topic, place, ["--trigger", "50 milliseconds"]));
  await until(() => hasLines(place.progress, 1));
  const second = await startKpi(kpiArgs(topic, place)).ended;
  equal(second.code, 1, second.stderr);
  const pid = Number(await Deno.readTextFile(join(place.checkpoint, "lock")));
  match(second.stderr, new RegExp(`a running query holds .*process ${pid}`));
  table.add("a second process on a live checkpoint", "refused, the owner named");
  Deno.kill(pid, "SIGKILL"); // the query itself: its launcher ends with it
  equal((await owner.ended).code, 137);
  await sendRest();
  const third = await startKpi(kpiArgs(topic, place)).ended;
  equal(third.code, 0, third.stderr);
  match(third.stderr, new RegExp(`Took over .* from process ${pid}`));
  sameTables(await readTables(place), expected, ROWS);
  table.add("a stale lock, from a killed process", `taken over and said; ${SAME}`);
  const [a, b] = [startQuery(place), startQuery(place)];
  const results = await Promise.allSettled([a, b]);
  equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  for (const result of results) {
    if (result.status === "fulfilled") await result.value.awaitTermination();
    else match(result.reason.message, /a running query holds/);
  }
  table.add("two queries of one process at once", "one refused");
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
  match(stderr, /another query/);
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

/** SIGINT and SIGTERM, once and twice, while a batch runs. */
export async function signalSuite({ dir, table }: SuiteOptions): Promise<void> {
  const expected = await undisturbedProgram(join(dir, "signal-undisturbed"), ROWS);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    for (const twice of [false, true]) {
      const place = placeIn(join(dir, `${signal}-${twice}`));
      const { topic, sendRest } = await newTopic(place.dir);
      const log = join(place.dir, "hangs");
      // The 60th effect, in batch 1, never ends: the batch is running whenever the signal comes.
      const env: Record<string, string> = twice
        ? { CRASH_AT: "60:before", CRASH_HOW: "hang", CRASH_LOG: log }
        : { CRASH_LOG: log };
      const options = kpiArgs(topic, place, ["--trigger", "50 milliseconds"]);
      const { process, ended } = startKpi(options, { crashes: true, env });
      await until(() => hasLines(twice ? log : place.progress, 1));
      process.kill(signal);
      if (twice) await until(() => endsOnSecond(process, signal, ended));
      equal((await ended).code, twice ? 1 : 0, (await ended).stderr);
      match((await ended).stderr, /Stopping after the running batch/);
      const { batches } = await inspectCheckpoint(place.checkpoint);
      equal(batches.at(-1)!.committed, !twice);
      await sendRest();
      await runKpi(kpiArgs(topic, place));
      sameTables(await readTables(place), expected, ROWS);
      table.add(
        `${signal}${twice ? " twice" : ""} while a batch runs`,
        `${twice ? "ends at once, code 1" : "ends after the batch, code 0"}; then ${SAME}`,
      );
    }
  }
}

/** Repeats the second signal, since one that comes too soon counts as the first; returns whether it has ended. */
async function endsOnSecond(
  process: Deno.ChildProcess,
  signal: Deno.Signal,
  ended: Promise<unknown>,
): Promise<boolean> {
  try {
    process.kill(signal);
  } catch {
    return true; // it has ended
  }
  const pause = new Promise((resolve) => setTimeout(() => resolve(false), 150));
  return await Promise.race([ended.then(() => true), pause]) as boolean;
}

async function hasLines(path: string, lines: number): Promise<boolean> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text.split("\n").length > lines;
}

/** Looks again and again whether something has happened; throws after half a minute. */
export async function until(happened: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !await happened();) {
    if (Date.now() > end) throw new Error("It has not happened within 30 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
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
