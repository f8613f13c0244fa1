/** A sample of the states that a power cut may leave; `deno task faults crash-states` tries 100,000. */
import { deepEqual, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { LEVELS } from "./contents.ts";
import { Disk, EMPTY, type Op, show, type State } from "./disk.ts";
import { explore, syncsOf } from "./explore.ts";
import { scenariosIn } from "./scenarios.ts";

const SEED = 20240101;
/** In memory, where there is such a folder: a sync takes no time there. */
const base = await Deno.makeTempDir(existsSync("/dev/shm") ? { dir: "/dev/shm" } : {});
const scenarios = await scenariosIn(join(base, "topics"));

for (const scenario of scenarios) {
  Deno.test(`a power cut loses and doubles nothing: ${scenario.name}`, async () => {
    const { states, failures } = await explore(scenario, { dir: base, seed: SEED, most: 36 });
    deepEqual(failures, []);
    ok(LEVELS.every((level) => states[level] >= 2), JSON.stringify(states));
  });
}

Deno.test("a sync that is left out is noticed", async () => {
  const [parquet] = scenarios;
  const syncs = await syncsOf(parquet!, base);
  ok(syncs.length >= 18, syncs.join());
  for (
    const left of ["fsync checkpoint/state/.N.tmp", "syncdir checkpoint/offsets", "syncdir out"]
  ) {
    ok(syncs.includes(left), left);
    const options = {
      dir: base,
      seed: SEED,
      most: 120,
      levels: ["dirs", "any"] as const,
      stopAt: 1,
    };
    const { failures } = await explore(parquet!, { ...options, leftOut: left });
    ok(failures.length > 0, `No state tells that ${left} is left out`);
  }
});

Deno.test("the model of a disk has what a failed sync was for nowhere but in memory", () => {
  const text = (bytes: string) => new TextEncoder().encode(bytes);
  const disk = Disk.from({ ...EMPTY, files: new Map([["f", text("a")]]) });
  const holds = ({ files }: State) => new TextDecoder().decode(files.get("f"));
  const cuts = () =>
    disk.cuts("any", { cap: 100, random: () => 0.5 }).map(holds).filter((now, i, all) => {
      return all.indexOf(now) === i;
    });
  disk.apply({ op: "write", path: "f", at: 1, bytes: text("b") });
  deepEqual(cuts(), ["ab", "a", "a\0"]);
  disk.apply({ op: "fsync", path: "f", failed: true });
  deepEqual([holds(disk.live()), cuts()], ["ab", ["a"]]);
  disk.apply({ op: "fsync", path: "f" }); // succeeds, and has nothing to write
  deepEqual([holds(disk.live()), cuts()], ["ab", ["a"]]);
  disk.apply({ op: "write", path: "f", at: 2, bytes: text("c") });
  disk.apply({ op: "fsync", path: "f" });
  deepEqual([holds(disk.live()), cuts()], ["abc", ["a\0c"]]);
});

/** What a cut after these effects may leave of a file `f` and a file `g` that replaces it. */
Deno.test("the model of a disk lets what is not synced be absent, torn or out of order", () => {
  const bytes = new TextEncoder().encode("new");
  const ops: Op[] = [
    { op: "create", path: "f" },
    { op: "write", path: "f", at: 0, bytes: new TextEncoder().encode("old") },
    { op: "fsync", path: "f" },
    { op: "syncdir", path: "" },
    { op: "create", path: "g" },
    { op: "write", path: "g", at: 0, bytes },
    { op: "fsync", path: "g" },
    { op: "rename", path: "f", from: "g" },
  ];
  const after = (n: number, level: typeof LEVELS[number]) => {
    const disk = Disk.from(EMPTY);
    for (const op of ops.slice(0, n)) disk.apply(op);
    const states = disk.cuts(level, { cap: 1000, random: () => 0.5 }).map(({ files }) =>
      [...files].map(([path, text]) => `${path}=${new TextDecoder().decode(text)}`).sort().join()
    );
    return [...new Set(states)].sort();
  };
  deepEqual(after(2, "journal"), ["", "f=", "f=o", "f=ol", "f=old"]);
  deepEqual(
    after(3, "dirs"),
    ["", "f=old"],
    "what is synced is whole, where there is a name for it",
  );
  deepEqual(after(3, "journal"), ["f=old"], "a journal has the name too");
  deepEqual(after(4, "any"), ["f=old"]);
  deepEqual(after(6, "any"), [
    "f=old",
    "f=old,g=",
    "f=old,g=\0\0\0",
    "f=old,g=n",
    "f=old,g=ne",
    "f=old,g=new",
  ]);
  deepEqual(after(8, "journal"), ["f=new", "f=old,g=new"], "a rename is whole or not there");
  deepEqual(after(8, "dirs"), ["f=new", "f=old", "f=old,g=new"]);
  ok(ops.every((op) => show(op).startsWith(op.op)));
});

Deno.test({ name: "(the disks are taken away)", fn: () => Deno.remove(base, { recursive: true }) });
