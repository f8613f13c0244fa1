/** Runs a program; a missing one is a failure that says so. */
export async function run(command: string, args: readonly string[]) {
  try {
    const done = await new Deno.Command(command, { args: [...args], stdin: "null" }).output();
    return { success: done.success, output: [done.stdout, done.stderr].map(text).join("") };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { success: false, output: `${command} was not found` };
  }
}

/** Runs a program that fetches something, and throws with the end of what it said if it fails. */
export async function must(command: string, args: readonly string[]): Promise<void> {
  const { success, output } = await run(command, args);
  if (success) return;
  const end = output.trim().split("\n").slice(-12).join("\n");
  throw new Error(`${command} failed; the first installation needs a network. It said:\n${end}`);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
