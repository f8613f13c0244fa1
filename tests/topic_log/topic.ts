import { join } from "node:path";
import type { Messages } from "../../lib/core/types.ts";

/** Runs `body` in a folder of its own with an empty topic `t`; `append` is what `cat >>` does. */
export async function withTopic(
  body: (dir: string, append: (partition: number, text: string) => void) => Promise<void>,
): Promise<void> {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(join(dir, "t"));
    await body(dir, (partition, text) => {
      Deno.writeTextFileSync(join(dir, "t", `partition-${partition}.jsonl`), text, {
        append: true,
      });
    });
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

export function values({ bytes, starts, ends }: Messages): string[] {
  return Array.from(starts, (start, i) => new TextDecoder().decode(bytes.subarray(start, ends[i])));
}
