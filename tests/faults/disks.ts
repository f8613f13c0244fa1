/** Disks that are full or read-only, as tmpfs of chosen sizes. */
import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { SAME, undisturbedProgram } from "./kills.ts";
import { kpiArgs, placeIn, ROOT, runKpi, startKpi } from "./program.ts";
import { readTables, sameTables } from "./tables.ts";
import { newTopic, ROWS, type SuiteOptions } from "./surroundings.ts";

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
  ok(await mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", disk));
  try {
    const from = join(ROOT, "data", "transactions_60k.parquet");
    const args = ["task", "-q", "replay", "--from", from, "--to", `log:${disk}`, "--topic", "t"];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
    equal(code, 1);
    match(
      new TextDecoder().decode(stderr),
      /Cannot write ".*\/t\/partition-\d\.jsonl": No space left.*Make room, delete this topic and publish it again\n$/,
    );
    table.add("a disk that is full while a topic is published", "failed and named the file");
  } finally {
    await command("umount", disk);
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
