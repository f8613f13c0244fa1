/** `deno task inspect DIR`: see `INSPECT`. It only reads, so a running query is not disturbed. */
import { describeInspection, inspectCheckpoint } from "../lab/inspect.ts";
import { runCommand } from "./command_line.ts";
import { showWhile } from "./status_line.ts";
import { INSPECT } from "./tasks.ts";

if (import.meta.main) {
  Deno.exit(
    await runCommand(INSPECT, Deno.args, async ({ values, operands: [dir] }) => {
      const found = await showWhile(`Reading ${dir}`, () => inspectCheckpoint(dir!));
      console.log(values.json ? JSON.stringify(found, null, 2) : describeInspection(found));
      return found.problems.length > 0 ? 1 : 0;
    }),
  );
}
