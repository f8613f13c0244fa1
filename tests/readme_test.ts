/** What the README says to type is typed, as it stands there, in a copy of the project. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { dirname, join } from "node:path";
import { parseCommand } from "../tools/command_line.ts";
import { COMMANDS } from "../tools/dev/commands.ts";
import { ROOT } from "../tools/jupyter/env.ts";

/** Commands of shell blocks that take too long or need more than this machine, with the test that runs what they start. */
const ELSEWHERE: Readonly<Record<string, readonly [test: string, holds: string]>> = {
  "npx -y deno@2.8.1 task report": ["tests/notebook_test.ts", "task_d.ipynb"],
  "npx -y deno@2.8.1 task test": ["tests/tools/test_test.ts", "closingLine"],
  [`TASK_D_PARAMETERS='{"pace": "live"}' npx -y deno@2.8.1 task report`]: [
    "tests/browser/lab_test.ts",
    'pace: "live"',
  ],
  [`TASK_D_PARAMETERS='{"source": "kafka"}' npx -y deno@2.8.1 task report`]: [
    "tests/kafka/kafka_test.ts",
    "kafka",
  ],
};

/** What each command that is run prints on standard output; on standard error it prints nothing. */
const PRINTS: Readonly<Record<string, RegExp>> = {
  replay: /^replay: sent 60000 of 60000 rows to log:data\/topics cards \(partition 0: .*\)\n$/,
  kpi: new RegExp(
    "^kpi: done in [\\d.]+ s, 41 batches: 60000 rows read = 56301 counted \\+ 699 late \\+ " +
      "0 rejected \\+ 3000 in 1 open window; 19 windows written to parquet:data/kpi, late and " +
      "rejected rows kept in data/rejected\n$",
  ),
};

const readme = await Deno.readTextFile(join(ROOT, "README.md"));

/** The commands of a shell block, each as one line without its comment. */
function commandsOf(block: string): string[] {
  return block.replaceAll(/\\\n\s*/g, "").split("\n").map((line) => line.replace(/\s+# .*$/, ""))
    .filter((line) => line.trim() !== "");
}

const blocks = [...readme.matchAll(/^```(\w*)\n([^]*?)^```$/gm)];
const commands = blocks.filter(([, language]) => language === "sh").flatMap(([, , text]) =>
  commandsOf(text!)
);

Deno.test("every block of the README is run: by the shell here, as an example, or by another test", async () => {
  const languages = new Set(blocks.map(([, language]) => language));
  deepEqual([...languages].sort(), ["sh", "text", "ts"]); // text: a picture; ts: run with the examples
  deepEqual(Object.keys(ELSEWHERE).filter((command) => !commands.includes(command)), []);
  for (const [file, holds] of Object.values(ELSEWHERE)) {
    ok((await Deno.readTextFile(join(ROOT, file))).includes(holds), `${file}: ${holds}`);
  }
});

Deno.test("every command that the pages mention is one that its task understands", async () => {
  let checked = 0;
  for (const page of ["README.md", "docs/kafka.md", "docs/scale.md", "docs/watermarks.md"]) {
    const text = (await Deno.readTextFile(join(ROOT, page))).replaceAll(/\\\n\s*/g, "");
    for (const [, name, rest] of text.matchAll(/deno task ([a-z:]+) (--\w[^`#|…>\n]+)/g)) {
      const table = COMMANDS.get(name!);
      ok(table, `${page}: there is no task ${name}`);
      const required = Object.entries(table.options).filter(([, option]) => option.required)
        .flatMap(([option]) => [`--${option}`, "x"]);
      const words = rest!.match(/"[^"]*"|'[^']*'|[^\s"']+/g)!;
      parseCommand(table, [...required, ...words]);
      checked++;
    }
  }
  ok(checked >= 5, `${checked} commands were found`);
});

Deno.test({
  name: "the README's shell blocks run as they stand there, and print nothing unexpected",
  ignore: Deno.build.os === "windows",
  async fn() {
    const dir = await copyOfProject();
    try {
      await Deno.mkdir(join(dir, "data/topics/transactions"), { recursive: true }); // the report's
      const ran: string[] = [];
      for (const command of commands.filter((command) => !(command in ELSEWHERE))) {
        const name = /^deno task (\w+)/.exec(command)?.[1] ?? "";
        const { code, stdout, stderr } = await new Deno.Command("sh", {
          args: ["-c", command],
          cwd: dir,
          env: { PATH: `${join(dir, "bin")}:${Deno.env.get("PATH")}`, NO_COLOR: "1" },
          stdin: "null",
        }).output();
        const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
        // Without --quiet, deno task itself says what it starts.
        equal(err!.replace(/^Task .*\n/, ""), "", command);
        equal(code, 0, command);
        match(out!, PRINTS[name]!);
        ran.push(name);
      }
      deepEqual(ran, Object.keys(PRINTS));
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

/** Copies what git knows of, with node_modules as links to the same files, and puts this Deno into `bin`. */
async function copyOfProject(): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "readme-" });
  const run = async (command: string, ...args: string[]) => {
    const output = await new Deno.Command(command, { args, cwd: ROOT }).output();
    return { ...output, text: new TextDecoder().decode(output.stdout) };
  };
  const listed = await run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard");
  ok(listed.success, "the test copies what git ls-files lists");
  for (const path of listed.text.split("\0").filter((path) => path !== "")) {
    await Deno.mkdir(join(dir, dirname(path)), { recursive: true });
    await Deno.copyFile(join(ROOT, path), join(dir, path)).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // removed, and git not told yet
    });
  }
  const [from, to] = [join(ROOT, "node_modules"), join(dir, "node_modules")];
  const linked = await run("cp", "-al", from, to); // not on macOS or to another disk
  if (!linked.success) ok((await run("cp", "-R", from, to)).success);
  await Deno.mkdir(join(dir, "bin"));
  await Deno.symlink(Deno.execPath(), join(dir, "bin", "deno"));
  return dir;
}
