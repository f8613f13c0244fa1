import { clearStatus, showStatus } from "../tools/status_line.ts";

/** Tells how far a benchmark is: one line in place on a terminal, and a line for each run that has ended. */
export class Progress {
  readonly #began = performance.now();
  readonly #total: number;
  #done = 0;

  /** So many runs are to be, with those that were kept. */
  constructor(total: number) {
    this.#total = total;
  }

  /** Counts a run that was kept. */
  skip(): void {
    this.#done++;
  }

  /** Runs something and says what came of it. */
  async during<T>(what: string, action: () => Promise<T>, told: (result: T) => string): Promise<T> {
    const began = performance.now();
    using _status = showStatus(
      () => [`${this.#place()} ${what}: ${clock(performance.now() - began)}`],
    );
    const result = await action();
    this.#done++;
    this.say(`${this.#place()} ${what}: ${told(result)}`);
    return result;
  }

  /** Says something on a line of its own. */
  say(text: string): void {
    clearStatus();
    console.error(text);
  }

  #place(): string {
    return `[${this.#done} of ${this.#total} runs, ${clock(performance.now() - this.#began)}]`;
  }
}

/** Writes ms as minutes and seconds. */
function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
