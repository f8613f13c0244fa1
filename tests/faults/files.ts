import { deepEqual, match, ok } from "node:assert/strict";
import { basename, dirname, join } from "node:path";
import { Checkpoint, type QueryIdentity } from "../../lib/checkpoint/checkpoint.ts";
import { SAME } from "./kills.ts";
import { runQuery } from "./in_process.ts";
import {
  type FaultTable,
  logTopic,
  type Place,
  placeIn,
  randoms,
  transactions,
} from "./program.ts";
import { readTables, sameTables } from "./tables.ts";

const REFUSED = "refused, the file named";
const REMEDY = /Restore it|[Ss]tart over|newer program/;
const FIRST = 300, MORE = 160;

/** Runs the query over the first rows and makes its last batch one that was planned and not committed. */
async function interrupted(place: Place): Promise<number> {
  await logTopic(join(place.dir, "topics")).send(transactions(0, FIRST));
  await runQuery(place);
  const ids = Array.from(Deno.readDirSync(join(place.checkpoint, "commits")), ({ name }) => +name);
  const last = Math.max(...ids);
  await Deno.remove(join(place.checkpoint, "commits", String(last)));
  return last;
}

/**
 * Tears each file of a checkpoint at every length and flips a bit of every byte, every `step`th of them: opening it
 * is refused with an error that names the file, or gives what was there.
 */
export async function damageSuite(
  { dir, table, step }: { dir: string; table: FaultTable; step: number },
): Promise<void> {
  const place = placeIn(join(dir, "damage"));
  const last = await interrupted(place);
  const first = placeIn(join(dir, "damage-first")); // its batch 0 is planned and not committed
  await interrupted(first);
  for (const folder of ["offsets", "commits", "state"]) {
    for (const { name } of Deno.readDirSync(join(first.checkpoint, folder))) {
      if (name !== "0" || folder !== "offsets") {
        await Deno.remove(join(first.checkpoint, folder, name));
      }
    }
  }
  const files = [
    [place, "metadata"],
    [place, `offsets/${last - 1}`],
    [place, `offsets/${last}`],
    [place, `commits/${last - 1}`],
    [place, `state/${last - 1}`],
    [first, "sources/0/0"],
    [first, "offsets/0"],
  ] as const;
  for (const [{ checkpoint }, file] of files) {
    const path = join(checkpoint, file);
    const bytes = await Deno.readFile(path);
    const identity = JSON.parse(await Deno.readTextFile(join(checkpoint, "metadata"))).query;
    const expected = await openAll(checkpoint, identity);
    const check = async (fault: string, changed: Uint8Array) => {
      await Deno.writeFile(path, changed);
      const found = await openAll(checkpoint, identity).catch((error: Error) => error);
      const kind = file.split("/")[0];
      if (found instanceof Error) {
        ok(found.message.includes(path), `${fault} ${file}: ${found.message}`);
        match(found.message, REMEDY);
        table.add(`${fault}, ${kind}`, REFUSED);
      } else {
        deepEqual(found, expected, `${fault} ${file}`);
        table.add(`${fault}, ${kind}`, "as it was");
      }
    };
    for (let length = 0; length < bytes.length; length += step) {
      await check("torn", bytes.slice(0, length));
    }
    for (let at = 0; at < bytes.length; at += step) {
      for (const bit of step === 1 ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]) {
        const changed = bytes.slice();
        changed[at]! ^= 1 << bit;
        await check("a flipped bit", changed);
      }
    }
    await check("emptied", new Uint8Array());
    await check("bytes added at the end", Uint8Array.of(...bytes, 10));
    if (file !== "metadata") {
      await check("of version v2", Uint8Array.of(118, 50, ...bytes.slice(2)));
    }
    await Deno.writeFile(path, bytes);
  }
}

/** All that a restart reads. */
async function openAll(dir: string, identity: QueryIdentity): Promise<unknown> {
  const checkpoint = await Checkpoint.open(dir, identity, "transactions");
  try {
    const cursor = await checkpoint.cursor();
    const state = await checkpoint.states.read(cursor.batchId - 1);
    return { id: checkpoint.id, cursor, state };
  } finally {
    await checkpoint.close();
  }
}

/** What may happen to a whole file, by its name in the table. */
const MISHAPS: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "a file missing": (path) => Deno.remove(path),
  "a file renamed": (path) => Deno.rename(path, `${path}.bak`),
  "a file in the place of the one before": (path) =>
    Deno.rename(path, join(dirname(path), String(Number(basename(path)) - 1))),
  "a file copied to the place of the next": (path) =>
    Deno.copyFile(path, join(dirname(path), String(Number(basename(path)) + 1))),
  "a left-over temporary file": (path) =>
    Deno.writeTextFile(join(dirname(path), `.${basename(path)}.tmp`), "v1\nhalf"),
};

/** Harms whole files and restarts the query: it is refused with the file named, or the tables are equal. */
export async function mishapSuite(
  { dir, table, seed, share }: { dir: string; table: FaultTable; seed: number; share: number },
): Promise<void> {
  const random = randoms(seed);
  const rows = FIRST + MORE;
  const clean = placeIn(join(dir, "mishap-undisturbed"));
  await logTopic(join(clean.dir, "topics")).send(transactions(0, rows));
  await runQuery(clean);
  const expected = await readTables(clean);
  const places = ["metadata", "sources/0/0"];
  for (const folder of ["offsets", "state", "commits"]) {
    for (const back of [0, 1, 2]) places.push(`${folder}/-${back}`);
  }
  let runs = 0;
  for (const file of places) {
    for (const [name, harm] of Object.entries(MISHAPS)) {
      const isNumbered = file.includes("-");
      if (!isNumbered && name.includes("place of")) continue;
      for (const wasCutOff of [false, true]) {
        if (random() >= share) continue;
        const place = placeIn(join(dir, `mishap-${runs++}`));
        const topic = logTopic(join(place.dir, "topics"));
        await topic.send(transactions(0, FIRST));
        await runQuery(place);
        const last = Math.max(
          ...Array.from(Deno.readDirSync(join(place.checkpoint, "offsets")), (f) => +f.name),
        );
        if (wasCutOff) await Deno.remove(join(place.checkpoint, "commits", String(last)));
        const newest = last - (wasCutOff && file.startsWith("commits") ? 1 : 0);
        const path = join(
          place.checkpoint,
          file.replace(/-(\d)$/, (_, back) => String(newest - Number(back))),
        );
        await harm(path);
        await topic.send(transactions(FIRST, rows));
        const fault = `${name}, ${file.split("/")[0]}`;
        const failure = await runQuery(place).then(() => undefined, (error: Error) => error);
        if (failure === undefined) {
          const found = await readTables(place);
          const { problems } = found.inspection; // of old files that a start does not read
          for (const problem of problems) match(problem, /(offsets|state|commits)\/\d+/, fault);
          const inspection = { ...found.inspection, problems: [] };
          sameTables({ ...found, inspection }, expected, rows);
          table.add(fault, SAME);
        } else {
          match(failure.message, REMEDY, `${fault}: ${failure.message}`);
          match(failure.message, /metadata|(offsets|state|commits|sources\/0)\/\S+/);
          table.add(fault, REFUSED);
        }
        await Deno.remove(place.dir, { recursive: true });
      }
    }
  }
}
