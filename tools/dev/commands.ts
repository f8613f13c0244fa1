/** `deno task commands [--check]`: docs/commands.md, docs/reference.md and the README's list of tasks, from the code. */
import { reference } from "./reference.ts";
import { join } from "node:path";
import { type Command, helpOf, runCommand } from "../command_line.ts";
import { ROOT } from "../jupyter/env.ts";
import { formatted } from "./formatted.ts";
import * as spark from "../spark/tasks.ts";
import * as tasks from "../tasks.ts";
import * as developers from "./tasks.ts";

const USERS: readonly Command[] = Object.values<Command>({ ...tasks, ...spark })
  .sort((a, b) => a.name < b.name ? -1 : 1);
const DEVELOPERS: readonly Command[] = Object.values(developers);

/** The tables of all tasks, by the task's name. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  [...USERS, ...DEVELOPERS].map((command) => [command.name, command]),
);

/** Returns the text that each file should have, by its path from the root. */
export async function pages(): Promise<Readonly<Record<string, string>>> {
  const section = (command: Command) =>
    `## deno task ${command.name}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`;
  const commands = [
    "# The tasks and their options\n\nMade by `deno task commands` of the tables that the tasks read.\n",
    ...USERS.map(section),
    "# For those who change this project\n",
    ...DEVELOPERS.map(section),
  ].join("\n");
  const readme = await Deno.readTextFile(join(ROOT, "README.md"));
  const list = USERS.map(({ name, does }) => `- \`deno task ${name}\` ${does}.`).join("\n");
  const block = /(<!-- tasks[^\n]*-->\n)[^]*(<!-- end of tasks -->)/;
  return {
    "docs/commands.md": commands,
    "docs/reference.md": await reference(),
    "README.md": readme.replace(block, (_, begin, end) => `${begin}\n${list}\n\n${end}`),
  };
}

async function main(isCheck: boolean): Promise<number> {
  for (const [path, text] of Object.entries(await pages())) {
    const tidy = await formatted(text, "md");
    const file = join(ROOT, path);
    if (await Deno.readTextFile(file).catch(() => "") === tidy) continue;
    if (isCheck) {
      console.error(`${path} is not what the code gives: run \`deno task commands\``);
      return 1;
    }
    await Deno.writeTextFile(file, tidy);
  }
  return 0;
}

if (import.meta.main) {
  Deno.exit(await runCommand(developers.COMMANDS, Deno.args, ({ values }) => main(values.check)));
}
