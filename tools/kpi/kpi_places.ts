import { dirname, join, resolve, sep } from "node:path";
import { OWNER } from "../../lib/sinks/claim.ts";
import { topicFolder } from "../../lib/topic_log/topic_log.ts";
import type { KpiPlan } from "./kpi_options.ts";

/** Throws an `Error` for a folder that is a file, a file that is a folder, and a file's missing folder. */
export function checkPlaces(plan: KpiPlan): void {
  const { sink, checkpoint, rejected, alerts, provisional, progress, writeSpec } = plan;
  const folders = {
    checkpoint,
    rejected,
    alerts,
    provisional,
    ...sink.kind === "parquet" && { "sink parquet": sink.path },
  };
  const files = {
    progress,
    "write-spec": writeSpec,
    ...sink.kind === "jsonl" && { sink: sink.path },
  };
  checkApart(plan);
  for (const [name, path] of Object.entries(folders)) {
    if (path === undefined || (typeOf(path) ?? "a folder") === "a folder") continue;
    throw new Error(
      `--${name} should be a folder, and "${path}" is ${typeOf(path)}: choose another place`,
    );
  }
  for (const [name, path] of Object.entries(files)) {
    if (path === undefined) continue;
    if ((typeOf(path) ?? "a file") !== "a file") {
      throw new Error(
        `--${name} should be a file, and "${path}" is ${typeOf(path)}: choose another place`,
      );
    }
    if (typeOf(dirname(path)) === "a folder") continue;
    throw new Error(`There is no folder "${dirname(path)}" for --${name} "${path}": make it first`);
  }
  checkEmpty(plan);
}

/** Throws an `Error` for an output that is, or is in, a place where only one may write. */
function checkApart(
  { spec: { source, topic }, sink, rejected, alerts, provisional, checkpoint, progress, writeSpec }:
    KpiPlan,
): void {
  const places: Record<string, string | undefined> = {
    "--checkpoint": checkpoint,
    "--rejected": rejected,
    "--alerts": alerts,
    "--provisional": provisional,
    [`--sink ${sink.kind}`]: sink.kind === "console" ? undefined : sink.path,
    "--progress": progress,
    "--write-spec": writeSpec,
    "the topic": source.kind === "log" ? topicFolder(source.address, topic) : undefined,
  };
  const given = Object.entries(places).filter(([, path]) => path !== undefined)
    .map(([name, path]) => [name, resolve(path!)] as const);
  for (const [i, [name, path]] of given.entries()) {
    const same = given.slice(0, i).find(([, other]) => other === path);
    if (same) {
      throw new Error(`${same[0]} and ${name} both name "${path}": give each a place of its own`);
    }
    const around = given.find(([other, folder]) =>
      /topic|rejected|alerts|provisional|parquet|checkpoint/.test(other) &&
      path.startsWith(folder + sep) && !(other === "--checkpoint" && /progress|spec/.test(name))
    );
    if (around) {
      throw new Error(`${name} "${path}" is inside ${around[0]}: give each a place of its own`);
    }
  }
}

/**
 * Throws an `Error` for an output that holds rows while the checkpoint is new: they are of another query.
 * The sink would say so too, but only when the checkpoint is made and keeps what was wrong.
 */
function checkEmpty(plan: KpiPlan): void {
  const { checkpoint, sink, rejected, alerts, provisional } = plan;
  if (checkpoint === undefined || plan.fromSpark !== undefined) return;
  if (typeOf(join(checkpoint, "metadata")) !== undefined) return;
  const own = sink.kind === "console" ? undefined : sink.path;
  for (const output of [own, rejected, alerts, provisional]) {
    const why = output && ownedBy(output);
    if (!why) continue;
    throw new Error(
      `Cannot write to "${output}": ${why}. Restore its checkpoint to "${checkpoint}", or choose an ` +
        "output that is empty",
    );
  }
}

/** Says why an output is another's, if it is. */
function ownedBy(path: string): string | undefined {
  if (typeOf(path) === "a file") {
    return Deno.statSync(path).size > 0 ? "this query did not write what is in it" : undefined;
  }
  if (typeOf(path) === undefined) return undefined;
  const names = Array.from(Deno.readDirSync(path), ({ name }) => name);
  if (names.includes(OWNER)) return `"${join(path, OWNER)}" names another query`;
  const found = names.find((name) => !name.startsWith("."));
  return found && `it holds "${found}", which this query did not write`;
}

function typeOf(path: string): "a file" | "a folder" | "no plain file" | undefined {
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    return isFile ? "a file" : isDirectory ? "a folder" : "no plain file";
  } catch {
    return undefined; // what is wrong with it will be told by who uses it
  }
}
