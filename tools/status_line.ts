const TICK_MS = 200;
let isShown = false;

/** A line that says how far something is. Disposing of it clears the line. */
export interface StatusLine extends Disposable {
  /** Writes the line now. */
  update(): void;
}

/**
 * Keeps one line of a terminal up to date, on standard error: `render` is asked five times a second for its fields, the
 * most important first; those for which there is no room are left out. Writes nothing where standard error is no terminal.
 *
 * ```ts ignore
 * using _status = showStatus(() => [`${rows} of ${totalRows} rows`]);
 * ```
 */
export function showStatus(render: () => readonly string[]): StatusLine {
  if (!Deno.stderr.isTerminal()) return { update() {}, [Symbol.dispose]() {} };
  const update = () => {
    const columns = Deno.consoleSize().columns || 80;
    write(`\r\x1b[K${fit(render(), columns - 1)}`);
    isShown = true;
  };
  const timer = setInterval(update, TICK_MS);
  Deno.unrefTimer(timer);
  return {
    update,
    [Symbol.dispose]() {
      clearInterval(timer);
      clearStatus();
    },
  };
}

/** Joins the first fields that have room in a line; cuts only a first one that is too long by itself. */
export function fit(fields: readonly string[], columns: number): string {
  const [first = "", ...others] = fields;
  let line = first.slice(0, columns);
  for (const field of others) {
    if (line.length + 2 + field.length > columns) break;
    line += `  ${field}`;
  }
  return line;
}

/** Shows `label` and the seconds it takes while `action` runs, as `showStatus` does. */
export async function showWhile<T>(label: string, action: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
  using _status = showStatus(() => [`${label} (${seconds()} s)`]);
  return await action();
}

/** Clears the line, so that other text can be written to the terminal. */
export function clearStatus(): void {
  if (isShown) write("\r\x1b[K");
  isShown = false;
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
