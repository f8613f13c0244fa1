import { type Displayable, paragraphs } from "./display.ts";

/** How a part of the page came out. */
interface Part {
  /** The parameters that it was made with, as JSON; absent if it holds with any. */
  readonly parameters?: string;
  /** Why there is no value; with `needs`, only because of those parts. */
  readonly problem?: string;
  readonly needs?: readonly string[];
  readonly value?: unknown;
}

/** Where the parts of a page are made: the name of each with its section. */
export type Sections = Readonly<Record<string, string>>;

/** A part that was cut short says how, such as "after 3,000 of 60,000 rows". */
interface Interruptible {
  readonly interrupted?: string;
}

/**
 * Knows of what the page is made. In a notebook a cell that fails leaves the constants of an earlier
 * run behind, and the cells after it still run: so what a page says is not taken from constants but
 * from here, and only if every part was made, whole, with the parameters that hold now.
 */
export class Report {
  readonly #show: (answer: Displayable) => Promise<unknown>;
  readonly #parts = new Map<string, Part>();
  #parameters = "";
  #sections: Sections = {};

  /** `show` puts an answer at the top of the page, in place of the last one. */
  constructor({ show = showAnswer }: { show?: (answer: Displayable) => Promise<unknown> } = {}) {
    this.#show = show;
  }

  /**
   * Takes the parameters that `read` returns, and where the parts of the page are made. While it
   * throws, there are none, and nothing that was made counts.
   */
  async begin<P extends object>(read: () => P, sections: (parameters: P) => Sections): Promise<P> {
    const before = this.#parameters;
    this.#parameters = "";
    try {
      const parameters = read();
      this.#sections = sections(parameters);
      this.#parameters = JSON.stringify(parameters);
      return parameters;
    } finally {
      if (this.#parameters === "") await this.#show(refusal([NO_PARAMETERS]));
      else if (this.#parameters !== before) await this.reset();
    }
  }

  /**
   * Begins the page anew: what was made before counts no longer. The first cells call it, so that in a run
   * of all cells nothing of the run before stands in for a cell that does not even begin: one with a
   * syntax error.
   */
  restart(): void {
    this.#parts.clear();
    this.#parameters = "";
  }

  /** Notes that a cell has run which only defines something. */
  define(name: string): void {
    this.#parts.set(name, {});
  }

  /** Makes a part of the page, see `parts`. */
  async part<T>(
    name: string,
    make: () => T | Promise<T>,
    options: { readonly needs?: readonly string[] } = {},
  ): Promise<T> {
    const [value] = await this.parts([name], async () => [await make()], options);
    return value!;
  }

  /**
   * Makes parts of the page, a value for each name. What was made before is forgotten first, so that a
   * failure, which is thrown on, leaves none. Throws if one of the parts that they `needs` is not there.
   */
  async parts<T>(
    names: readonly string[],
    make: () => Promise<readonly T[]>,
    { needs = [] }: { readonly needs?: readonly string[] } = {},
  ): Promise<readonly T[]> {
    const parameters = this.#parameters;
    const set = (part: (i: number) => Omit<Part, "parameters">) =>
      names.forEach((name, i) => this.#parts.set(name, { parameters, ...part(i) }));
    const missing = this.problems({ of: needs });
    set(() => missing.length > 0 ? { problem: "is not made yet", needs } : UNFINISHED);
    if (missing.length > 0) throw new Error(missing.join(" "));
    try {
      const values = await make();
      set((i) => ({ value: values[i] }));
      return values;
    } catch (error) {
      const [line] = (error instanceof Error ? error.message : String(error)).split("\n");
      set(() => ({ problem: `failed (${line})` }));
      throw error;
    }
  }

  /** Returns a part that was made with the parameters that hold now; undefined if there is none. */
  valueOf(name: string): unknown {
    const isValid = this.#parameters !== "" && this.#problemOf(name) === undefined;
    return isValid ? this.#parts.get(name)!.value : undefined;
  }

  /** The names of all parts: those of the sections, then what else was made with these parameters. */
  get names(): string[] {
    const made = [...this.#parts].filter(([, part]) => part.parameters === this.#parameters);
    return [...new Set([...Object.keys(this.#sections), ...made.map(([name]) => name)])];
  }

  /** Says of each part that is missing, failed, cut short or made with other parameters what to do. */
  problems({ of = this.names, mayBeInterrupted = false } = {} as {
    of?: readonly string[];
    mayBeInterrupted?: boolean;
  }): string[] {
    if (this.#parameters === "") return [NO_PARAMETERS];
    const problems = of.flatMap((name) => {
      const { value, needs = [] } = this.#parts.get(name) ?? {};
      const { interrupted } = (value ?? {}) as Interruptible;
      const cut = interrupted === undefined || mayBeInterrupted
        ? undefined
        : `was interrupted ${interrupted}`;
      const problem = this.#problemOf(name) ?? cut;
      if (problem === undefined) return [];
      const causes = this.problems({ of: needs });
      if (causes.length > 0) return causes;
      const section = this.#sections[name];
      const where = section === undefined ? "run its cell again" : `run section "${section}" again`;
      return [`${name} ${problem}: ${where}.`];
    });
    return [...new Set(problems)];
  }

  /** Shows what `draw` returns, or, where parts are not as they should be, what to run again. */
  show(draw: () => Displayable, options: Parameters<Report["problems"]>[0] = {}): Displayable {
    const problems = this.problems(options);
    return problems.length > 0 ? refusal(problems) : draw();
  }

  /** Puts the answer at the top of the page, or what is missing for one. */
  async answer(draw: () => Displayable): Promise<void> {
    await this.#show(this.show(draw));
  }

  /** Takes the answer back. */
  async reset(): Promise<void> {
    await this.#show(paragraphs(["It appears here when the last cell has run."]));
  }

  /** Throws if a part is not as it should be. */
  check(options: Parameters<Report["problems"]>[0] = {}): void {
    const problems = this.problems(options);
    if (problems.length > 0) throw new Error(`The page is not complete. ${problems.join(" ")}`);
  }

  #problemOf(name: string): string | undefined {
    const part = this.#parts.get(name);
    if (part === undefined) return "is not made yet";
    if (part.parameters !== undefined && part.parameters !== this.#parameters) {
      return `was made with other parameters (${difference(part.parameters, this.#parameters)})`;
    }
    return part.problem;
  }
}

const UNFINISHED = { problem: "did not come to its end" };
const NO_PARAMETERS =
  `There are no valid parameters: mend the parameters cell and run it, then all below it.`;

function refusal(problems: readonly string[]): Displayable {
  return paragraphs([`**Nothing is shown here.** ${problems.join(" ")}`]);
}

function difference(before: string, now: string): string {
  if (before === "") return "none that were valid";
  const [was, is] = [before, now].map((text) => JSON.parse(text) as Record<string, unknown>);
  const names = Object.keys({ ...was, ...is })
    .filter((name) => JSON.stringify(was![name]) !== JSON.stringify(is![name]));
  return names.map((name) => `${name} was ${JSON.stringify(was![name])}`).join(", ");
}

async function showAnswer(answer: Displayable): Promise<void> {
  await Deno.jupyter.display(answer, { display_id: "short-answer", update: true });
}
