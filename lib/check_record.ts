import { closestMatch } from "leven";
import * as v from "valibot";

/**
 * Checks a record against a schema of valibot. Throws a `TypeError` for a wrong type or an unknown
 * name, and for a value that is not allowed a `RangeError` or the class that the schema expects.
 */
export function checkRecord<T>(
  what: string,
  schema: v.GenericSchema<unknown, T>,
  given: unknown,
): T {
  const result = v.safeParse(schema, given);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const keys = issue.path?.map(({ key }) => String(key)) ?? [];
  let { message } = issue;
  if (issue.type === "strict_object") {
    const known = entriesOf(schema, keys.slice(0, -1));
    const missing = known[keys.at(-1) ?? ""];
    if (issue.expected === "never") {
      const names = Object.keys(known);
      const name = keys.at(-1)!;
      const near = closestMatch(name, names, { maxDistance: Math.ceil(name.length / 3) });
      throw new TypeError(
        `${what}: there is no ${name}, only ${names.join(", ")}` +
          (near === undefined ? "" : `. Did you mean ${near}?`),
      );
    }
    const isLeaf = missing !== undefined && missing.type !== "strict_object";
    const [absent] = isLeaf ? v.safeParse(missing, undefined).issues ?? [] : [];
    message = absent?.message ?? "an object";
  }
  const ErrorOf = ERRORS.get(issue.expected!) ??
    (issue.kind === "schema" ? TypeError : RangeError);
  const path = issue.path?.filter(({ key }, i) => key !== "options" || i === keys.length - 1) ?? [];
  const isOfAll = message.startsWith("{"); // then it says what the whole option should be
  const end = path.findIndex(({ key }, i) => i > 0 && (isOfAll || /^\d+$/.test(String(key))));
  const option = end < 0 ? path : path.slice(0, end);
  const name = option.map(({ key }) => key).join(".") || "this";
  const value = option.length > 0 ? option.at(-1)!.value : given;
  throw new ErrorOf(`${what}: ${name} must be ${message}, got ${show(value)}`);
}

const ERRORS = new Map([["SyntaxError", SyntaxError], ["RangeError", RangeError]]);

/** The options of the object that `keys` lead to. */
function entriesOf(schema: unknown, keys: readonly string[]): Record<string, v.GenericSchema> {
  const { wrapped = schema } = schema as { wrapped?: unknown };
  const { entries } = wrapped as { entries: Record<string, v.GenericSchema> };
  const [key, ...rest] = keys;
  return key === undefined ? entries : entriesOf(entries[key], rest);
}

function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : Deno.inspect(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
