/**
 * `deno task inspect DIR [--json]`: what a checkpoint holds, ours or one that Spark 3.5 wrote: batches, offsets,
 * watermarks, open windows, and what a restart will do. It only reads, so a running query is not disturbed.
 */
import { parseArgs } from "node:util";
import { describeInspection, inspectCheckpoint } from "../lab/inspect.ts";

const USAGE = "Usage: deno task inspect DIR [--json]";

async function main(args: string[]): Promise<number> {
  let dir: string | undefined, json: boolean | undefined;
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { json: { type: "boolean" } },
      allowPositionals: true,
    });
    [dir, json] = [positionals.length === 1 ? positionals[0] : undefined, values.json];
  } catch { /* the usage says it */ }
  if (dir === undefined) {
    console.error(USAGE);
    return 2;
  }
  try {
    const found = await inspectCheckpoint(dir);
    console.log(json ? JSON.stringify(found, null, 2) : describeInspection(found));
    return found.problems.length > 0 ? 1 : 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
