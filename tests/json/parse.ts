import { parseMessages } from "../../lib/json/from_json.ts";
import type {
  FieldType,
  NumberColumn,
  ParsedBatch,
  Schema,
  StringColumn,
} from "../../lib/core/types.ts";
import { messagesOf } from "./messages.ts";

export function schemaOf(fields: Readonly<Record<string, FieldType>>): Schema {
  return Object.entries(fields).map(([name, type]) => ({ name, type }));
}

export const transaction = schemaOf({
  event_time: "timestamp",
  Time: "double",
  V1: "double",
  Amount: "double",
  Class: "integer",
});

export const message = '{"event_time":"2024-01-01T10:00:00Z","Amount":1.5,"Class":1}';

export function parse(texts: readonly (string | Uint8Array)[], schema = transaction): ParsedBatch {
  return parseMessages([messagesOf(texts)], schema);
}

/** Returns a field of a row, null where it is null. */
export function cell({ columns }: ParsedBatch, row: number, name: string): number | string | null {
  const column: NumberColumn | StringColumn = columns[name]!;
  return "nulls" in column && column.nulls[row] ? null : column.values[row]!;
}

/** Returns the fields of a row that are not null. */
export function fieldsOf(batch: ParsedBatch, row: number): Record<string, number | string | null> {
  return Object.fromEntries(
    Object.keys(batch.columns).map((name) => [name, cell(batch, row, name)] as const)
      .filter(([, value]) => value !== null),
  );
}
