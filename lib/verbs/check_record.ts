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
  checkField(what, schema, given, []);
  return given as T;
}

/** Checks one field; of a record each of its own, so that the error tells of the one that is wrong. */
function checkField(
  what: string,
  schema: v.GenericSchema,
  value: unknown,
  path: readonly string[],
): void {
  const { issues: [issue] = [] } = v.safeParse(schema, value);
  if (issue === undefined) return;
  const named = path.filter((name, i) => name !== "options" || i === path.length - 1).join(".");
  const must = (be: string) => `${what}: ${named || "this"} must be ${be}, got ${show(value)}`;
  const { type, entries } = ("wrapped" in schema ? schema.wrapped : schema) as {
    type: string;
    entries: Record<string, v.GenericSchema>;
  };
  if (type !== "strict_object") {
    const ErrorOf = issue.kind === "schema" ? TypeError : RangeError;
    throw new (ERRORS.get(issue.expected!) ?? ErrorOf)(must(issue.message));
  }
  if (typeof value !== "object" || value === null) throw new TypeError(must("an object"));
  const names = Object.keys(entries);
  for (const name of Object.keys(value)) {
    if (names.includes(name)) continue;
    const near = closestMatch(name, names, { maxDistance: Math.ceil(name.length / 3) });
    const hint = near === undefined ? "" : `. Did you mean ${near}?`;
    throw new TypeError(`${what}: there is no ${name}, only ${names.join(", ")}${hint}`);
  }
  for (const name of names) {
    checkField(what, entries[name]!, (value as Record<string, unknown>)[name], [...path, name]);
  }
}

const ERRORS = new Map([["SyntaxError", SyntaxError], ["RangeError", RangeError]]);

function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : Deno.inspect(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
