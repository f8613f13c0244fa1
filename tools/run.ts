/**
 * Starts a program of this project with the narrowest permissions its options allow: `deno task kpi …` is
 * `tools/run.ts kpi …`. It may read and write what its options name, reach the hosts they name, and load the native
 * libraries of its npm packages; it may run no program. Signals and exit code pass through.
 */
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeFolder } from "../lib/files.ts";
import { topicFolder } from "../lib/sources/topic_log.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** How to log in, and what kafkajs looks up. */
const KAFKA_VARIABLES = "KAFKA_SSL,KAFKA_SASL_*,KAFKAJS_*,NODE_ENV";

/** What a program needs beside its own code. */
export interface Access {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Hosts; brokers may advertise other ports than that of the bootstrap address. */
  readonly net: readonly string[];
  /** Folders it writes to. They are made here, since to make them it would need the folders above. */
  readonly folders: readonly string[];
}

const ACCESS: Readonly<Record<string, (args: string[]) => Access>> = {
  kpi: kpiAccess,
  replay: replayAccess,
};

/** Returns the flags of `deno run` for a program and its options. Throws a `RangeError` for a topic that is no name. */
export function permissionFlags({ read, write, net }: Access): string[] {
  // In a list of permissions a comma in a path is written twice.
  const list = (paths: readonly string[]) =>
    paths.map((path) => resolve(path).replaceAll(",", ",,")).join(",");
  const packages = join(ROOT, "node_modules");
  const code = [join(ROOT, "lib")]; // threads load it anew
  return [
    "--no-prompt",
    `--allow-read=${list([...code, packages, ...read])}`,
    ...write.length > 0 ? [`--allow-write=${list(write)}`] : [],
    ...net.length > 0 ? [`--allow-net=${net.join(",")}`, `--allow-env=${KAFKA_VARIABLES}`] : [],
    `--allow-ffi=${list([packages])}`,
    "--allow-sys=cpus,networkInterfaces,hostname", // how Polars finds out which C library there is
  ];
}

/** What the KPI query may touch. */
export function kpiAccess(args: string[]): Access {
  const options = optionsOf(args);
  const { source = "", topic = "transactions", models = "models", sink = "console" } = options;
  const [, parquet] = /^parquet:(.+)$/.exec(sink) ?? [];
  const [, jsonl] = /^jsonl:(.+)$/.exec(sink) ?? [];
  const folders = [options.checkpoint, parquet, options.rejected].filter(isGiven);
  const files = [options.progress, options["write-spec"]].filter(isGiven);
  const place = placeOf(source, topic);
  if (jsonl !== undefined) {
    const owner = `${basename(jsonl)}.query.json`;
    files.push(jsonl, join(dirname(jsonl), owner), join(dirname(jsonl), `.${owner}.tmp`));
  }
  return {
    read: [
      ...place.folder,
      models,
      ...[options.model, options["from-spark-checkpoint"]].filter(isGiven),
      ...folders,
      ...files,
      ...jsonl === undefined ? [] : [dirname(jsonl)], // to sync the folder is to open it
    ],
    write: [...folders, ...files],
    net: place.hosts,
    folders: options.checkpoint && source ? folders : [], // else it will say what is missing
  };
}

/** What a replay may touch. */
export function replayAccess(args: string[]): Access {
  const { from, to = "", topic = "" } = optionsOf(args);
  const place = placeOf(to, topic);
  return {
    read: [from, ...place.folder].filter(isGiven),
    write: place.folder,
    net: place.hosts,
    folders: place.folder,
  };
}

/** Reads options as they are; the program itself says what is wrong with them. */
function optionsOf(args: string[]): Record<string, string | undefined> {
  const names = args.map((arg) => /^--([a-z-]+)/.exec(arg)?.[1]).filter(isGiven);
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  return parseArgs({ args, options, strict: false }).values as Record<string, string | undefined>;
}

/** The folder or the hosts of a source such as `log:DIR` or `kafka:a:9092,b:9092`. */
function placeOf(spec: string, topic: string): { folder: string[]; hosts: string[] } {
  const [, kind, address = ""] = /^(log|kafka):(.+)$/.exec(spec) ?? [];
  const hosts = kind === "kafka" ? address.split(",").map(hostOf) : [];
  return { folder: kind === "log" ? [topicFolder(address, topic)] : [], hosts };
}

function hostOf(address: string): string {
  const [, host] = /^(\[[^\]]+\]|[^:]+)(?::\d+)?$/.exec(address.trim()) ?? [];
  if (host !== undefined) return host;
  throw new RangeError(`A broker's address should be HOST:PORT, got "${address}"`);
}

function isGiven(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

async function main([program = "", ...args]: string[]): Promise<number> {
  let access: Access;
  try {
    if (!(program in ACCESS)) {
      throw new RangeError(`Usage: tools/run.ts ${Object.keys(ACCESS).join("|")} [options]`);
    }
    access = ACCESS[program]!(args);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  for (const folder of access.folders) await makeFolder(resolve(folder));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissionFlags(access), join(ROOT, "tools", `${program}.ts`), ...args],
  }).spawn();
  for (const signal of ["SIGINT", ...Deno.build.os === "windows" ? [] : ["SIGTERM"]] as const) {
    Deno.addSignalListener(signal as Deno.Signal, () => {
      try {
        child.kill(signal as Deno.Signal);
      } catch { /* it has just ended */ }
    });
  }
  return (await child.status).code;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
