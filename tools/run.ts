/**
 * Starts a program of this project with the narrowest permissions its options allow: `deno task kpi …` is
 * `tools/run.ts kpi …`. It may read and write what its options name, reach the hosts they name, and load the native
 * libraries of its npm packages; it may run no program. Signals and exit code pass through, and neither of the two
 * processes outlives the other.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFolder } from "../lib/files.ts";
import { topicFolder, TopicLog } from "../lib/topic_log/topic_log.ts";
import { type Command, parseCommand, runCommand, UsageError, type Values } from "./command_line.ts";
import { hostsOf, type KpiPlan, kpiPlan, placeOf, type SinkPlace } from "./kpi/kpi_options.ts";
import { checkPlaces } from "./kpi/kpi_places.ts";
import { KPI, REPLAY } from "./tasks.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** How to log in, and what kafkajs and the codecs look up. */
const KAFKA_VARIABLES = "KAFKA_SSL,KAFKA_SASL_*,KAFKAJS_*,NAPI_RS_*,NODE_ENV";

/** Polars' frames go with young objects: 20,000,000 rows take 409 MiB with V8's 16 MiB of them, and 274 with 4. */
const YOUNG_OBJECTS = "--v8-flags=--max-semi-space-size=4";

/** What a program needs beside its own code. */
export interface Access {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Hosts; brokers may advertise other ports than that of the bootstrap address. */
  readonly net: readonly string[];
  /** Folders it writes to. They are made here, since to make them it would need the folders above. */
  readonly folders: readonly string[];
}

/**
 * Returns the flags of `deno run` for a program. Throws a `UsageError` for a path that no list of permissions can name in
 * this version of Deno.
 */
export function permissionFlags(
  { read, write, net }: Access,
  version: string = Deno.version.deno,
): string[] {
  const list = (paths: readonly string[]) => paths.map((path) => listed(path, version)).join(",");
  const packages = join(ROOT, "node_modules");
  const code = [join(ROOT, "lib")]; // threads load it anew
  const variables = ["ORT_DISABLE_TELEMETRY", ...net.length > 0 ? [KAFKA_VARIABLES] : []];
  return [
    "--no-prompt",
    `--allow-read=${list([...code, packages, ...read])}`,
    ...write.length > 0 ? [`--allow-write=${list(write)}`] : [],
    ...net.length > 0 ? [`--allow-net=${net.join(",")}`] : [],
    `--allow-env=${variables.join(",")}`,
    `--allow-ffi=${list([packages])}`,
    "--allow-sys=cpus,networkInterfaces,hostname", // how Polars finds out which C library there is
  ];
}

/** Writes a path for a list of permissions: up to Deno 2.8 a comma in it is doubled, later ones take none. */
function listed(path: string, version: string): string {
  const full = resolve(path);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (!full.includes(",") || major < 2 || major === 2 && minor < 9) {
    return full.replaceAll(",", ",,");
  }
  throw new UsageError(
    `Deno ${version} takes no path with a comma in a list of permissions, got "${full}": choose a ` +
      `path without one, or use Deno 2.8`,
  );
}

/** What the KPI query may touch. */
export function kpiAccess(plan: KpiPlan): Access {
  const { spec: { source, topic }, sink, checkpoint, rejected, alerts, provisional } = plan;
  const own = sinkAccess(sink);
  const folders = [checkpoint, ...own.folders, rejected, alerts, provisional].filter(isGiven);
  const files = [plan.progress, plan.writeSpec, ...own.files].filter(isGiven);
  return {
    read: [
      ...topicFolders(source, topic),
      plan.models,
      ...[plan.model.model, plan.fromSpark].filter(isGiven),
      ...folders,
      ...files,
      ...own.synced,
    ],
    write: [...folders, ...files],
    net: source.kind === "kafka" ? hostsOf(source.address) : [],
    folders: checkpoint === undefined ? [] : folders,
  };
}

/** What a sink may touch: folders and files that it writes, and a folder that it syncs, for which it opens it. */
function sinkAccess(sink: SinkPlace): Record<"folders" | "files" | "synced", readonly string[]> {
  switch (sink.kind) {
    case "parquet":
      return { folders: [sink.path], files: [], synced: [] };
    case "jsonl": {
      const [folder, owner] = [dirname(sink.path), `${basename(sink.path)}.query.json`];
      const files = [sink.path, join(folder, owner), join(folder, `.${owner}.tmp`)];
      return { folders: [], files, synced: [folder] };
    }
    case "console":
      return { folders: [], files: [], synced: [] };
  }
}

/** What a replay may touch. */
export function replayAccess({ from, to, topic }: Values<typeof REPLAY.options>): Access {
  const place = placeOf("to", to, topic);
  const folders = topicFolders(place, topic);
  return {
    read: [from, ...folders],
    write: folders,
    net: place.kind === "kafka" ? hostsOf(place.address) : [],
    folders,
  };
}

function topicFolders({ kind, address }: KpiPlan["spec"]["source"], topic: string): string[] {
  return kind === "log" ? [topicFolder(address, topic)] : [];
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined;
}

/** Looks at all that can be wrong before the first folder is made. */
async function prepareKpi(args: readonly string[]): Promise<Access> {
  const plan = kpiPlan(parseCommand(KPI, args).values);
  const access = kpiAccess(plan);
  permissionFlags(access);
  checkPlaces(plan);
  const { source, topic } = plan.spec;
  if (source.kind === "log" && plan.checkpoint !== undefined) {
    await (await TopicLog.open(source.address, topic)).close();
  }
  return access;
}

const PROGRAMS: Readonly<
  Record<string, { command: Command; prepare(args: readonly string[]): Promise<Access> }>
> = {
  kpi: { command: KPI, prepare: prepareKpi },
  replay: {
    command: REPLAY,
    prepare: (args) => Promise.try(() => replayAccess(parseCommand(REPLAY, args).values)),
  },
};

async function launch(program: string, access: Access, args: readonly string[]): Promise<number> {
  const flags = permissionFlags(access);
  const made = access.folders.flatMap(missingFolders);
  let code = 1;
  try {
    for (const folder of access.folders) await makeFolder(resolve(folder));
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", ...flags, YOUNG_OBJECTS, "--preload", join(ROOT, "tools", "lifeline.ts")],
        ...[join(ROOT, "tools", program, `${program}.ts`), ...args],
      ],
      stdin: "piped", // never written to: it ends with this process
    }).spawn();
    passSignals(child);
    endWithParent(child);
    code = (await child.status).code;
  } finally {
    if (code !== 0) made.forEach(removeEmpty);
  }
  return code;
}

/** The folders on a path that are not there yet, the innermost first. */
function missingFolders(path: string): string[] {
  const full = resolve(path);
  return existsSync(full) ? [] : [full, ...missingFolders(dirname(full))];
}

function removeEmpty(folder: string): void {
  try {
    Deno.removeSync(folder);
  } catch { /* it is in use, or was never made */ }
}

function passSignals(child: Deno.ChildProcess): void {
  for (const signal of ["SIGINT", ...Deno.build.os === "windows" ? [] : ["SIGTERM"]] as const) {
    Deno.addSignalListener(signal as Deno.Signal, () => {
      try {
        child.kill(signal as Deno.Signal);
      } catch { /* it has just ended */ }
    });
  }
}

const LOOK_MS = 200;

/** Ends with `deno task`, which may be killed: an orphan would hold the checkpoint for ever. */
function endWithParent(child: Deno.ChildProcess): void {
  const parent = Deno.ppid;
  const timer = setInterval(() => {
    if (Deno.ppid === parent) return;
    child.kill("SIGKILL");
    Deno.exit(1);
  }, LOOK_MS);
  Deno.unrefTimer(timer);
}

if (import.meta.main) {
  const [name = "", ...args] = Deno.args;
  const program = PROGRAMS[name];
  if (program === undefined) throw new RangeError(`No program "${name}"`);
  Deno.exit(
    await runCommand(program.command, args, async () => {
      return await launch(name, await program.prepare(args), args);
    }),
  );
}
