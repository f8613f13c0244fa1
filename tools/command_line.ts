/**
 * The command line of every task: from one table of options come parsing, `--help`, the answer to a misspelt option and
 * the lists of docs/commands.md. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import { parseArgs } from "node:util";
import leven, { closestMatch } from "leven";

/** One option, `--name VALUE`, or a flag if it takes no value. */
export interface Option {
  /** Stands for the value, such as `DIR`; absent for a flag. */
  readonly value?: string;
  /** Its text if the option is not given; an option may also explain its default in `help`. */
  readonly default?: string;
  readonly required?: true;
  readonly repeated?: true;
  /** One line. */
  readonly help: string;
}

type Options = Readonly<Record<string, Option>>;

/** What one task takes. */
export interface Command<O extends Options = Options> {
  /** As in deno.json. */
  readonly name: string;
  /** What it does: one sentence without its full stop. */
  readonly does: string;
  /** The arguments that are no options. */
  readonly operands?: {
    readonly value: string;
    readonly help: string;
    readonly least: number;
    readonly most: number;
  };
  readonly options: O;
  /** Who takes the arguments that the table does not name. */
  readonly passesOn?: string;
  /** What a user types after `deno task`, with the name. */
  readonly examples: readonly string[];
}

/** The values of a command's options: texts, lists of texts, and flags. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends { value: string }
    ? O[K] extends { repeated: true } ? readonly string[]
    : O[K] extends { default: string } | { required: true } ? string
    : string | undefined
    : boolean;
};

/** What a command line gives. */
export interface Given<O extends Options> {
  readonly values: Values<O>;
  readonly operands: readonly string[];
  /** All arguments as they came, for one who takes what the table does not name. */
  readonly args: readonly string[];
}

/** A wrong command line: its message is shown with the usage, exit code 2. */
export class UsageError extends Error {}

/** Returns the table as it is, with its type: `const KPI = command({ … })`. */
export function command<const O extends Options>(table: Command<O>): Command<O> {
  return table;
}

/** Reads the arguments. Throws a `UsageError` for what the table does not allow. */
export function parseCommand<O extends Options>(
  { options, operands: expected, passesOn }: Command<O>,
  args: readonly string[],
): Given<O> {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { value }]) => [name, {
      type: value === undefined ? "boolean" as const : "string" as const,
    }]),
  );
  const { tokens } = parseArgs({
    args: [...args],
    options: config,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values: Record<string, unknown> = {};
  for (const [name, { value, default: text, repeated }] of Object.entries(options)) {
    values[name] = value === undefined ? false : repeated ? [] : text;
  }
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name]! : undefined;
    if (option === undefined || !token.rawName.startsWith("--")) {
      if (passesOn !== undefined) continue;
      throw new UsageError(`Unknown option ${token.rawName}${nearest(token.name, options)}`);
    }
    if (option.value === undefined) {
      if (token.value !== undefined) {
        throw new UsageError(`--${token.name} takes no value, got "${token.value}"`);
      }
      values[token.name] = true;
    } else if (!token.value || !token.inlineValue && token.value.startsWith("--")) {
      throw new UsageError(`--${token.name} needs a value: --${token.name} ${option.value}`);
    } else if (option.repeated) (values[token.name] as string[]).push(token.value);
    else values[token.name] = token.value;
  }
  for (const [name, { required, value }] of Object.entries(options)) {
    if (required && values[name] === undefined) {
      throw new UsageError(`--${name} is missing: --${name} ${value}`);
    }
  }
  if (passesOn === undefined) checkOperands(operands, expected);
  return { values: values as Values<O>, operands, args };
}

function checkOperands(operands: readonly string[], expected: Command["operands"]): void {
  const { least = 0, most = 0, value = "" } = expected ?? {};
  if (operands.length < least) throw new UsageError(`${value} is missing`);
  if (operands.length > most) {
    throw new UsageError(`"${operands[most]}" is one argument too many`);
  }
}

/** Asks for the option that was probably meant, if there is one. */
function nearest(name: string, options: Options): string {
  const known = closestMatch(name, [...Object.keys(options), "help"]);
  const most = Math.min(name.length - 1, Math.max(2, known?.length! / 3));
  return known !== undefined && leven(name, known) <= most ? `: did you mean --${known}?` : "";
}

/** The line that begins with `Usage:`. */
export function usageOf({ name, options, operands, passesOn }: Command): string {
  const required = Object.entries(options).filter(([, option]) => option.required)
    .map(([name, { value }]) => `--${name} ${value}`);
  const operand = operands && (operands.least > 0 ? operands.value : `[${operands.value}]`);
  const more = operands !== undefined && operands.most > 1 ? "…" : "";
  const rest = Object.keys(options).length > required.length ? ["[options]"] : [];
  const others = passesOn === undefined ? [] : [`[options of ${passesOn}]`];
  const words = [...required, ...operand ? [operand + more] : [], ...rest, ...others];
  return `Usage: deno task ${[name, ...words].join(" ")}`;
}

/** What `--help` prints: what the task does, its options one a line, examples. */
export function helpOf(command: Command): string {
  const { does, options, operands, examples } = command;
  const rows = [
    ...operands ? [[operands.value, operands.help] as const] : [],
    ...Object.entries(options).map(([name, option]) =>
      [`--${name}${option.value ? ` ${option.value}` : ""}`, explanation(option)] as const
    ),
    ["--help", "shows this and ends"] as const,
  ];
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    `${does[0]!.toUpperCase()}${does.slice(1)}.`,
    "",
    usageOf(command),
    "",
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
    "",
    examples.length > 1 ? "Examples:" : "Example:",
    ...examples.map((example) => `  deno task ${example}`),
    "",
    "Exit code: 0 done, 1 failed, 2 wrong usage.",
  ].join("\n");
}

function explanation({ help, default: text, required, repeated }: Option): string {
  const notes = [
    ...required ? ["required"] : [],
    ...repeated ? ["may be repeated"] : [],
    ...text === undefined ? [] : [`default: ${text}`],
  ];
  return notes.length === 0 ? help : `${help} (${notes.join(", ")})`;
}

/**
 * Runs a task to its exit code: prints its help, or one line for a wrong usage (2) or a failure (1). `action` returns an
 * exit code, or nothing for 0.
 */
export async function runCommand<O extends Options>(
  command: Command<O>,
  args: readonly string[],
  action: (given: Given<O>) => Promise<number | void>,
): Promise<number> {
  const isEnd = args.indexOf("--");
  const own = isEnd < 0 ? args : args.slice(0, isEnd);
  if (own.includes("--help") || own.includes("-h")) {
    console.log(helpOf(command));
    return 0;
  }
  try {
    return await action(parseCommand(command, args)) ?? 0;
  } catch (error) {
    console.error(sentenceOf(error));
    if (!(error instanceof UsageError)) return 1;
    console.error(`${usageOf(command)}\ndeno task ${command.name} --help explains the options`);
    return 2;
  }
}

const VERBS: Readonly<Record<string, string>> = {
  mkdir: "make the folder",
  readfile: "read",
  writefile: "write",
};
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/No such file/, "check the path"],
  [/Is a directory/, "name a file in it"],
  [/Not a directory/, "part of the path is a file: check it"],
  [/Read-only|Permission denied|not permitted/, "choose another place, or make this one writable"],
  [/No space/, "make room, or choose another place"],
];

/** Says what happened; where the system says it, also where and what to do. */
function sentenceOf(error: unknown): string {
  const { message } = error instanceof Error ? error : new Error(String(error));
  const [, what, verb, path] = /^([^:]+) \(os error \d+\): (\w+) '(.+)'$/.exec(message) ?? [];
  if (what === undefined) return message;
  const [, remedy = "check it"] = REMEDIES.find(([pattern]) => pattern.test(what)) ?? [];
  return `Cannot ${VERBS[verb!] ?? verb} "${path}": ${what}; ${remedy}`;
}

/** Reads a number that an option gives. Throws a `UsageError` if `holds` does not; `rule` says what it should be. */
export function numberOf(
  name: string,
  text: string,
  { rule = "a number", holds = () => true }: {
    rule?: string;
    holds?: (value: number) => boolean;
  } = {},
): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && holds(value)) return value;
  throw new UsageError(`--${name} should be ${rule}, got "${text}"`);
}

/** Reads a whole number >= 1. */
export function countOf(name: string, text: string): number {
  const holds = (value: number) => Number.isSafeInteger(value) && value >= 1;
  return numberOf(name, text, { rule: "a whole number of at least 1", holds });
}

/** Reads one of several words. */
export function choiceOf<T extends string>(name: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((choice) => choice === text);
  if (choice !== undefined) return choice;
  throw new UsageError(`--${name} should be one of ${choices.join(", ")}, got "${text}"`);
}
