import { dirname } from "node:path";
import { readFile, syncFolder, writeFile } from "../files.ts";

/** The file in a folder that names the query whose rows it holds. */
export const OWNER = "_query.json";

/**
 * Makes `output` a query's own by the file `owner`. Throws if it is another's, if it holds something
 * that nobody owns, or if what earlier batches wrote there is gone.
 */
export async function claim(
  output: string,
  owner: string,
  { queryId, isNew, found }: { queryId: string; isNew: boolean; found: string | undefined },
): Promise<void> {
  const mine = JSON.stringify({ queryId });
  const text = await readFile(owner);
  // What a start finds and relies on may not be durable yet: it may go on from a killed one.
  if (text === mine && (isNew || found !== undefined)) return await syncFolder(dirname(owner));
  if (text === undefined && isNew && found === undefined) return await writeFile(owner, mine);
  const why = text !== undefined && text !== mine
    ? `"${owner}" names another query`
    : found === undefined
    ? "the rows of the earlier batches are gone"
    : `it holds "${found}", which this query did not write`;
  throw new Error(
    `Cannot write to "${output}": ${why}. Restore it, or start over with a new checkpoint and an ` +
      `output that is empty`,
  );
}
