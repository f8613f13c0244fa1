/**
 * Loaded before a program that `tools/run.ts` starts: ends it when the launcher is gone, also by SIGKILL. The launcher holds
 * the other end of standard input, which then ends. A query takes that as it takes any crash.
 */
async function watch(): Promise<void> {
  const bytes = new Uint8Array(64);
  while (await Deno.stdin.read(bytes) !== null);
  Deno.exit(1);
}

// Later, since the program waits for all that is begun here.
Deno.unrefTimer(setTimeout(watch, 0));
