import { deepEqual, ok } from "node:assert/strict";

const FAMILIES = ["sources", "sinks", "model"];
const root = new URL("../", import.meta.url);
const lib = new URL("lib/", root);

/** What a part of lib/, a folder or a file, may import from lib/ besides itself. */
function mayImport(part: string, imported: string): boolean {
  switch (part) {
    case "mod.ts":
      return true;
    case "open_kpis.ts": // brings together a spec and all that it names
      return imported !== "mod.ts";
    case "core":
    case "files.ts":
      return false;
    case "open_source.ts": // brings together a name on the command line and a source
      return ["core", "sources"].includes(imported);
    case "checkpoint":
      return ["core", "files.ts"].includes(imported);
    default:
      if (FAMILIES.includes(part)) return ["core", "files.ts"].includes(imported);
      // The engine sees sources, sinks and models as interfaces of the core.
      return !FAMILIES.includes(imported) && imported !== "mod.ts";
  }
}

/** What the outside world could change. */
const EFFECT =
  /\b(Deno\.|Date\.now|new Date\(\)|Temporal\.Now|Math\.random|crypto\.|performance\.|console\.|fetch\(|setTimeout|process\.)/;

/** Gives every file under lib/ as [part, address, text]. */
async function* files(dir = lib): AsyncGenerator<[string, URL, string]> {
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    const url = new URL(isDirectory ? `${name}/` : name, dir);
    if (isDirectory) yield* files(url);
    else if (name.endsWith(".ts")) yield [partOf(url), url, await Deno.readTextFile(url)];
  }
}

function partOf(url: URL): string {
  return url.pathname.slice(lib.pathname.length).split("/")[0]!;
}

Deno.test("each part of lib/ imports only the parts below it", async () => {
  const breaches: string[] = [];
  let imports = 0;
  for await (const [part, url, text] of files()) {
    for (const [, target] of text.matchAll(/(?: from |\bimport\(|new URL\()"(\.[^"]+)"/g)) {
      const { pathname } = new URL(target!, url);
      if (!pathname.startsWith(lib.pathname)) continue;
      const imported = partOf(new URL(target!, url));
      imports++;
      if (imported !== part && !mayImport(part, imported)) breaches.push(`${part} -> ${imported}`);
    }
  }
  deepEqual(breaches, []);
  ok(imports > 0);
});

Deno.test("lib/core has no effects", async () => {
  const effects: string[] = [];
  for await (const [part, url, text] of files()) {
    if (part === "core" && EFFECT.test(text)) effects.push(url.pathname);
  }
  deepEqual(effects, []);
});

Deno.test("from_json/ and kafka/ know only the types of lib/", async () => {
  const breaches: string[] = [];
  for (const folder of ["from_json/", "kafka/"]) {
    for await (const [, url, text] of files(new URL(folder, root))) {
      for (const [, target] of text.matchAll(/ from "(\.\.[^"]+)"/g)) {
        if (target !== "../lib/core/types.ts") breaches.push(`${url.pathname} -> ${target}`);
      }
    }
  }
  deepEqual(breaches, []);
});
