/** A case file is data of other projects: its shape is known only as far as a player reads it. */
// deno-lint-ignore no-explicit-any
export type Json = any;

/** What one check of a case asked for and got. */
export interface Check {
  readonly check: string;
  readonly got: unknown;
  readonly want: unknown;
  readonly ok: boolean;
}

/** Raised for a case that this engine has no counterpart for; the message says why. */
export class NotRun extends Error {}

/** What a case says of itself. */
const PROSE = ["id", "suite", "name", "source", "note"];

/** Throws a `NotRun` that names the first setting of a case that is not `known`, a list of words. */
export function refuseUnknown(c: Json, known: string, what = "the setting"): void {
  const names = [...PROSE, ...known.split(" ")];
  const unknown = Object.keys(c).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new NotRun(`${what} ${unknown}`);
}

/** Compares a value as JSON. */
export function equals(check: string, got: unknown, want: unknown): Check {
  return { check, got, want, ok: canonical(got) === canonical(want) };
}

/** Compares rows in any order. */
export function sameRows(check: string, got: readonly unknown[], want: readonly unknown[]): Check {
  const sorted = (rows: readonly unknown[]) => rows.map(canonical).sort();
  return { check, got, want, ok: canonical(sorted(got)) === canonical(sorted(want)) };
}

/** Runs an action that should fail, and shows how it did. `isRight` judges the error. */
export async function fails(
  check: string,
  action: () => unknown,
  { want, isRight }: { want: string; isRight: (error: Error) => boolean },
): Promise<Check> {
  try {
    await action();
    return { check, got: "no error", want, ok: false };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { check, got: `${error.name}: ${error.message}`, want, ok: isRight(error) };
  }
}

function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, part) =>
      part !== null && typeof part === "object" && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  ) ?? "undefined";
}
