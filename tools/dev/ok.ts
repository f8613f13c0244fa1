/** `deno task ok`: the one gate before a change is handed in; ends at the first step that fails. */
import { runCommand } from "../command_line.ts";
import { ROOT } from "../jupyter/env.ts";
import { OK } from "./tasks.ts";

const STEPS = [
  "fmt --check",
  "lint",
  "check lib view lab tools tests bench",
  "task -q commands --check",
  "task -q notebooks:check",
  "task -q test",
];

async function main(): Promise<number> {
  for (const step of STEPS) {
    console.error(`deno ${step}`);
    const child = new Deno.Command(Deno.execPath(), { args: step.split(" "), cwd: ROOT }).spawn();
    const { code } = await child.status;
    if (code !== 0) return code;
  }
  return 0;
}

if (import.meta.main) Deno.exit(await runCommand(OK, Deno.args, main));
