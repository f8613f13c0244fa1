import { createHash } from "node:crypto";
import { join } from "node:path";
import pl from "polars";
import { COLUMNS } from "../../tools/replay/recording.ts";

export const START = Date.parse("2024-01-01T10:00:00Z");

export const DEFAULT_DISORDER = "2s:0.90,40s:0.08,4m:0.02";

export async function withFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync();
  try {
    await body(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** Column `c` of row `r` holds r + c / 10. */
export function cell(row: number, column: number): number {
  return Math.round(row * 10 + column) / 10;
}

export function makeParquet(dir: string, length: number, type: pl.DataType = pl.Float32): string {
  const columns = COLUMNS.map((name, c) => {
    const values = Array.from({ length }, (_, r) => name === "Class" ? r % 2 : cell(r, c));
    return pl.Series(name, values, name === "Class" ? pl.Int32 : type);
  });
  const file = join(dir, "recording.parquet");
  // Out of order and with one column too many, as other recordings may be.
  pl.DataFrame([...columns.reverse(), columns[0]!.alias("other")]).writeParquet(file);
  return file;
}

export function lines(dir: string, topic: string, partition: number): string[] {
  const text = Deno.readTextFileSync(join(dir, topic, `partition-${partition}.jsonl`));
  return text === "" ? [] : text.slice(0, -1).split("\n");
}

export function hash(dir: string, topic: string): string {
  const sha = createHash("sha256");
  for (
    const { name } of [...Deno.readDirSync(join(dir, topic))].sort((a, b) =>
      a.name < b.name ? -1 : 1
    )
  ) {
    sha.update(name).update(Deno.readFileSync(join(dir, topic, name)));
  }
  return sha.digest("hex");
}
