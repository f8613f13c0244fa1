/** Looks again and again whether something has happened; throws after half a minute. */
export async function until(happened: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !await happened();) {
    if (Date.now() > end) throw new Error("It has not happened within 30 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Whether a file has more than so many lines. */
export async function hasLines(path: string, lines: number): Promise<boolean> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text.split("\n").length > lines;
}
