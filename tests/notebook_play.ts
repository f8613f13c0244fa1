/** Plays cells of a notebook in a kernel, as readers do, for the tests that run them again. */
import { equal } from "node:assert/strict";
import { join } from "node:path";
import { ensureEnvironment, ROOT } from "../tools/jupyter/env.ts";

/** What a cell shows, as plain text, and its error. */
export type Shown = Readonly<Record<string, { readonly text: string; readonly error: string }>>;
/** "all", "restart", the id of a cell, code of a cell of its own, or for the cell `edit`, null for its old one. */
export type Step = string | { readonly code: string | null; readonly edit?: string };

/**
 * Returns a function that runs steps in one kernel and returns what the notebook shows after each, and one that changes
 * parameters as an edit of their cell does. `variable` overrides the notebook's parameters by `given`.
 */
export async function openNotebook(name: string, variable: string, given: object) {
  const { python, variables } = await ensureEnvironment();
  const notebook = join(ROOT, "notebooks", name);

  async function play(steps: readonly Step[], parameters: object = {}): Promise<readonly Shown[]> {
    const child = new Deno.Command(python, {
      args: [join(ROOT, "tests", "notebook_steps.py"), notebook],
      env: { ...variables, [variable]: JSON.stringify({ ...given, ...parameters }) },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(steps)));
    await writer.close();
    const { stdout, stderr, code } = await child.output();
    equal(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
  }

  function change(parameters: object): Step {
    const merged = `{...JSON.parse(Deno.env.get(name)), ...${JSON.stringify(parameters)}}`;
    return {
      code: `{ const name = "${variable}"; Deno.env.set(name, JSON.stringify(${merged})); }`,
    };
  }
  return { play, change };
}

/** The cells that ended with an error. */
export function errorsOf(shown: Shown): string[] {
  return Object.entries(shown).filter(([, { error }]) => error !== "").map(([id]) => id);
}
