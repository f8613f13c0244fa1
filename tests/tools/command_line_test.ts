import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { command, helpOf, parseCommand, UsageError } from "../../tools/command_line.ts";
import { COMMANDS, pages } from "../../tools/dev/commands.ts";
import { ROOT } from "../../tools/jupyter/env.ts";

const TRY = command({
  name: "try",
  does: "tries the table",
  operands: { value: "DIR", help: "a folder", least: 1, most: 2 },
  options: {
    from: { value: "FILE", required: true, help: "where rows come from" },
    watermark: { value: "DURATION", default: "30 seconds", help: "how late a row may come" },
    conf: { value: "KEY=VALUE", repeated: true, help: "a setting" },
    seed: { value: "N", help: "a number" },
    json: { help: "prints JSON" },
  },
  examples: ["try a --from b"],
});
const GOOD = ["a", "--from", "b"];

Deno.test("parseCommand() gives texts, lists, flags, defaults and operands; the last value counts", () => {
  const values = { from: "b", watermark: "30 seconds", conf: [], seed: undefined, json: false };
  const none = parseCommand(TRY, GOOD);
  deepEqual([none.values, none.operands], [values, ["a"]]);
  const given = ["--conf=a=1", "--conf", "b=2", "--seed", "-5", "--json", "--from", "c", "d"];
  const all = parseCommand(TRY, [...GOOD, ...given]);
  const set = { ...values, conf: ["a=1", "b=2"], seed: "-5", json: true, from: "c" };
  deepEqual([all.values, all.operands], [set, ["a", "d"]]);
});

Deno.test("parseCommand() says what is wrong, and which option was probably meant", () => {
  const wrong: [args: string[], says: RegExp][] = [
    [[...GOOD, "--watermrk", "x"], /^Unknown option --watermrk: did you mean --watermark\?$/],
    [[...GOOD, "--water-mark=x"], /^Unknown option --water-mark: did you mean --watermark\?$/],
    [[...GOOD, "-p"], /^Unknown option -p$/], // it is as far from all of them
    [[...GOOD, "--hlep"], /^Unknown option --hlep: did you mean --help\?$/],
    [[...GOOD, "--phase-of-moon"], /^Unknown option --phase-of-moon$/],
    [[...GOOD, "--constructor"], /^Unknown option --constructor$/],
    [[...GOOD, "-j"], /^Unknown option -j$/],
    [[...GOOD, "--seed"], /^--seed needs a value: --seed N$/],
    [[...GOOD, "--seed", "--json"], /^--seed needs a value: --seed N$/],
    [[...GOOD, "--seed="], /^--seed needs a value: --seed N$/],
    [[...GOOD, "--json=yes"], /^--json takes no value, got "yes"$/],
    [["a"], /^--from is missing: --from FILE$/],
    [["--from", "b"], /^DIR is missing$/],
    [[...GOOD, "c", "d"], /^"d" is one argument too many$/],
  ];
  for (const [args, says] of wrong) {
    throws(() => parseCommand(TRY, args), (error: Error) => {
      match(error.message, says);
      return error instanceof UsageError;
    });
  }
});

Deno.test("helpOf() explains one option a line, with its default, and gives an example", () => {
  equal(
    helpOf(TRY),
    `Tries the table.

Usage: deno task try --from FILE DIR… [options]

  DIR                   a folder
  --from FILE           where rows come from (required)
  --watermark DURATION  how late a row may come (default: 30 seconds)
  --conf KEY=VALUE      a setting (may be repeated)
  --seed N              a number
  --json                prints JSON
  --help                shows this and ends

Example:
  deno task try a --from b

Exit code: 0 done, 1 failed, 2 wrong usage.`,
  );
});

const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));

Deno.test("every task of deno.json has its table", () => {
  deepEqual([...COMMANDS.keys()].sort(), Object.keys(tasks).sort());
});

for (const [name, table] of COMMANDS) {
  Deno.test(`deno task ${name} --help explains it on standard output, starts nothing, ends with 0`, async () => {
    const help = await task(name, "--help");
    deepEqual(help, { code: 0, stdout: `${helpOf(table)}\n`, stderr: "" });
    if (table.passesOn !== undefined) return;
    const wrong = await task(name, "--hlep");
    equal(wrong.code, 2);
    equal(wrong.stdout, "");
    match(wrong.stderr, /^Unknown option --hlep: did you mean --help\?\nUsage: deno task /);
  });
}

async function task(name: string, option: string) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", name, option],
    cwd: ROOT,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("the lists of options in the docs are those of the tables", async () => {
  for (const [path, text] of Object.entries(await pages())) {
    const there = await Deno.readTextFile(`${ROOT}/${path}`);
    const words = (text: string) => text.split(/\s+/).filter((word) => word !== "");
    deepEqual(words(there), words(text), `${path}: run deno task commands`);
  }
  ok((await Deno.readTextFile(`${ROOT}/README.md`)).includes("`deno task kpi` runs the KPI query"));
});
