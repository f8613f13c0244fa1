import type { Expr } from "polars";
import type { Schema } from "./core/types.ts";
import type { KeptRows } from "./options.ts";
import type { RowPlan } from "./plan.ts";
import type { Aggregation } from "./windows/aggregation.ts";

/** Returns the fields that expressions or the aggregation read; the model takes its features elsewhere. */
export function fieldsRead(
  { schema, model, columns: steps }: RowPlan,
  { keys, results }: Pick<Aggregation, "keys" | "results">,
  kept?: Pick<KeptRows, "where" | "columns">,
): Schema {
  const inputs = results.flatMap(({ of }) => typeof of === "object" ? [of] : []);
  const reads = [...steps.flat(), ...inputs, ...kept ? [kept.where] : []].map(readsOf);
  if (reads.some(({ columns }) => columns === "any")) return schema;
  const named = new Set([
    ...keys.map(({ name }) => name),
    ...results.map(({ of }) => of),
    ...kept?.columns ?? [],
    ...reads.flatMap(({ columns }) => [...columns]),
  ]);
  const fields = schema.filter(({ name }) => named.has(name));
  return fields.length > 0 || model ? fields : schema.slice(0, 1); // without columns it had no rows
}

/** Parts of an expression that look at several rows. */
const ACROSS =
  /^(Agg|Over|Window|Rolling|Sort|SortBy|Gather|Filter|Slice|Len|Explode|Any|All|Random)$/;

/**
 * Finds the columns that an expression reads, by its structure as Polars gives it away, a tree in JSON.
 * Of an expression that it does not give away (some functions of text) nothing is known.
 */
export function readsOf(expr: Expr): { columns: Set<string> | "any"; isOfOneRow: boolean } {
  const columns = new Set<string>();
  let readsAny = false;
  let isOfOneRow = true;
  const visit = (kind: string, part: unknown): void => {
    if (kind === "Literal" || kind === "FieldByName") return; // text that is no part of the structure
    if (kind === "Column") columns.add(String(part));
    else if (kind === "Selector") readsAny = true;
    else if (kind === "Alias") visit("", (part as [expr: unknown, name: string])[0]);
    else {
      if (ACROSS.test(kind) || part === "Len" || isInColumn(part)) isOfOneRow = false;
      if (typeof part !== "object" || part === null) return;
      for (const [key, inner] of Object.entries(part)) visit(key, inner);
    }
  };
  let tree: string;
  try {
    tree = String(expr.serialize("json"));
  } catch {
    return { columns: "any", isOfOneRow };
  }
  visit("", JSON.parse(tree));
  return { columns: readsAny ? "any" : columns, isOfOneRow };
}

/** Whether a part looks for a value in all rows of a column. */
function isInColumn(part: unknown): boolean {
  const { function: called, input } = (part ?? {}) as {
    function?: { Boolean?: { IsIn?: object } };
    input?: readonly { Literal?: unknown }[];
  };
  return called?.Boolean?.IsIn !== undefined && input![1]!.Literal === undefined;
}
