import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { closestMatch } from "leven";
import * as v from "valibot";
import { parseDuration } from "lib";

/** What a duration may be. */
export const duration = v.pipe(
  v.string('a duration such as "30 seconds"'),
  v.check(isDuration, 'a duration such as "30 seconds"'),
);
/** What a window or its slide may be. */
export const span = v.pipe(
  v.string('a duration above 0 such as "1 minute"'),
  v.check(
    (text) => isDuration(text) && parseDuration(text) > 0,
    'a duration above 0 such as "1 minute"',
  ),
);
/** A list of delays that differ. */
export const delays = v.pipe(
  v.array(duration, 'a list of durations such as ["30 seconds", "2 minutes"]'),
  v.minLength(1, "a list of at least one duration"),
  v.check((texts) => areDistinct(texts), "a list of durations that differ"),
);
export const text = v.pipe(v.string("text"), v.nonEmpty("text that is not empty"));
export const topic = v.pipe(
  v.string("the name of a topic"),
  v.regex(/^(?!\.\.?$)[\w.-]+$/, "the name of a topic: letters, digits, -, _ and ."),
);
export const share = v.pipe(
  v.number("a number from 0 to 1"),
  v.minValue(0, "a number from 0 to 1"),
  v.maxValue(1, "a number from 0 to 1"),
);
export const positive = v.pipe(
  v.number("a number above 0"),
  v.finite("a number above 0"),
  v.gtValue(0, "a number above 0"),
);
export const wholeNumber = v.pipe(
  v.number("a whole number from 1 on"),
  v.safeInteger("a whole number from 1 on"),
  v.minValue(1, "a whole number from 1 on"),
);
/** A recording that is there, as a path from the project's folder or an absolute one. */
export const recording = file(/\.(parquet|csv)$/i, "a .parquet or .csv file that exists");

/** A file that is there; `what` says so in words. */
export function file(name: RegExp, what: string) {
  const isThere = (path: string) => name.test(path) && existsSync(resolve("..", path));
  return v.pipe(v.string(what), v.check(isThere, what));
}

/** What the parameters of a notebook may be. */
export interface ParameterRules<P> {
  /** The environment variable whose JSON object overrides them. */
  readonly variable: string;
  /** The rule of each; its message says what is allowed. */
  readonly rules: Readonly<Record<keyof P, v.GenericSchema>>;
  /** Says what else is wrong with parameters that keep the rules. */
  readonly check?: (parameters: P) => readonly string[];
}

/**
 * Merges what the environment overrides into `defaults` and checks all of it. Throws one `RangeError`
 * for all that is wrong.
 */
export function readParameters<P extends object>(
  defaults: P,
  { variable, rules, check = () => [] }: ParameterRules<P>,
): P {
  const parameters = { ...defaults, ...overrides(variable) };
  const names = Object.keys(rules);
  const problems = Object.entries(parameters).flatMap(([name, value]) => {
    if (!Object.hasOwn(rules, name)) {
      const near = closestMatch(name, names);
      return [`${name} is no parameter (did you mean ${near}? There are ${names.join(", ")})`];
    }
    const rule = rules[name as keyof P];
    const { issues = [] } = v.safeParse(rule, value, { abortPipeEarly: true });
    return issues.slice(0, 1).map(({ message, path }) => {
      const within = path?.map(({ key }) => `[${key}]`).join("") ?? "";
      const got = path === undefined ? value : issues[0]!.input;
      return `${name}${within} should be ${message}, got ${JSON.stringify(got) ?? got}`;
    });
  });
  if (problems.length === 0) problems.push(...check(parameters));
  if (problems.length > 0) {
    throw new RangeError(`The parameters cannot be used. ${problems.join("; ")}.`);
  }
  return parameters;
}

function overrides(variable: string): object {
  const text = Deno.env.get(variable);
  if (text === undefined || text.trim() === "") return {};
  const what = `${variable} should be a JSON object such as {"topic": "my_topic"}`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RangeError(`${what}, got ${text}: ${(cause as Error).message}`, { cause });
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new RangeError(`${what}, got ${text}`);
  }
  return value;
}

function isDuration(text: string): boolean {
  try {
    return parseDuration(text) >= 0;
  } catch {
    return false; // the rule's message says what a duration is
  }
}

function areDistinct(texts: readonly string[]): boolean {
  return new Set(texts.map((text) => isDuration(text) ? parseDuration(text) : text)).size ===
    texts.length;
}
