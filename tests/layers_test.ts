import { deepEqual, ok } from "node:assert/strict";
import { join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * The rooms of the project, lowest first. A file imports from its own room and those before it, so
 * there are no circles. A file belongs to the room of the longest name that its path begins with.
 */
const ROOMS = [
  "lib/core/", // pure: what the rest is told in
  "lib/windows/", // pure: rows by window, the watermark, the open windows
  "lib/files.ts",
  "lib/json/", // bytes of messages -> columns
  "lib/model/", // columns -> probabilities
  "lib/threads/", // chunks read and scored beside the main thread
  "lib/kafka/",
  "lib/topic_log/",
  "lib/sources/",
  "lib/sinks/",
  "lib/checkpoint/",
  "lib/", // the engine: pipeline, micro-batches, query
  "lib/verbs/", // what a notebook writes, and what is refused of it
  "lib/kpi/", // the one query of this project
  "lib/mod.ts",
  "view/",
  "lab/",
  "tools/",
  "bench/",
  "tests/",
];

/** What an import statement, a dynamic import or a worker's address names. */
const IMPORT = /(?:\bfrom |\bimport |\bimport\(|\bnew URL\()\s*"([^"]+)"/g;
const BARE: Readonly<Record<string, string>> = {
  lib: "lib/mod.ts",
  view: "view/mod.ts",
  lab: "lab/mod.ts",
  replay: "tools/replay/replay.ts",
};

/** What the outside world could change. */
const EFFECT =
  /\b(Deno\.|Date\.now|new Date\(\)|Temporal\.Now|Math\.random|crypto\.|performance\.|console\.|fetch\(|setTimeout|process\.)/;

/** Gives every TypeScript file of the project as its path from the root, and its text. */
async function* files(folder = ""): AsyncGenerator<[path: string, text: string]> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    const path = folder + name;
    if (isDirectory && !name.startsWith(".") && name !== "node_modules" && name !== "report") {
      yield* files(`${path}/`);
    } else if (name.endsWith(".ts")) yield [path, await Deno.readTextFile(join(ROOT, path))];
  }
}

function roomOf(path: string): number {
  const isFile = (room: string) => room.endsWith(".ts") ? path === room : path.startsWith(room);
  const longest = ROOMS.filter(isFile).sort((a, b) => b.length - a.length)[0];
  return ROOMS.indexOf(longest ?? "");
}

Deno.test("every file imports only from its own room and those below it", async () => {
  const breaches: string[] = [];
  let imports = 0;
  for await (const [path, text] of files()) {
    if (roomOf(path) < 0) breaches.push(`${path} is in no room`);
    for (const target of importsOf(text, path)) {
      imports++;
      if (!(roomOf(target) <= roomOf(path))) breaches.push(`${path} -> ${target}`);
    }
  }
  deepEqual(breaches, []);
  ok(imports > 500);
});

Deno.test("no file imports itself by way of others", async () => {
  const imports = new Map<string, string[]>();
  for await (const [path, text] of files()) {
    imports.set(path, importsOf(text.replaceAll("new URL(", ""), path)); // a worker is started, not imported
  }
  const inCircle = imports.keys().filter((start) => {
    const reached = new Set<string>();
    const waiting = [start];
    for (let path; (path = waiting.pop()) !== undefined;) {
      const others = imports.get(path)?.filter((other) => !reached.has(other)) ?? [];
      for (const other of others) reached.add(other), waiting.push(other);
    }
    return reached.has(start);
  });
  deepEqual([...inCircle], []);
});

/** Lists the files of the project that one imports, by their paths from the root. */
function importsOf(text: string, path: string): string[] {
  const code = text.replaceAll(/^ *(?:\*|\/\/).*$/gm, ""); // examples in docs import what readers do
  return Array.from(code.matchAll(IMPORT), ([, name]) => name!)
    .filter((name) => name.startsWith(".") || name in BARE)
    .map((name) => BARE[name] ?? fromRoot(name, path))
    .filter((target) => target.endsWith(".ts")); // no data file
}

function fromRoot(name: string, importer: string): string {
  const url = new URL(name, pathToFileURL(join(ROOT, importer)));
  return relative(ROOT, resolve(fileURLToPath(url))).replaceAll("\\", "/");
}

Deno.test("what decides has no effects", async () => {
  const effects: string[] = [];
  for (const pure of ["lib/core/", "lib/windows/"]) {
    for await (const [path, text] of files(pure)) if (EFFECT.test(text)) effects.push(path);
  }
  const rules = ["checkpoint/resume.ts", "checkpoint/loss.ts", "progress.ts", "explain.ts"];
  for (const rule of rules) {
    if (EFFECT.test(await Deno.readTextFile(join(ROOT, "lib", rule)))) effects.push(rule);
  }
  deepEqual(effects, []);
});
