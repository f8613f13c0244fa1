import type { Field, FieldType, Schema } from "../core/types.ts";
import { FEATURES } from "../model/features.ts";

const double = (name: string): Field => ({ name, type: "double" });

/** The schema of a transaction: event_time, Time, V1 to V28, Amount, Class. */
export const TRANSACTION_SCHEMA: Schema = [
  { name: "event_time", type: "timestamp" },
  double("Time"),
  ...FEATURES.map(double),
  { name: "Class", type: "integer" },
];

/** Columns that the query or its tables have beside the fields; `window` is Spark's, `batchId` of JSON lines. */
export const MADE_COLUMNS: readonly string[] = [
  ...["window", "batchId", "window_start", "window_end", "watermark", "fraud_prob", "is_alert"],
  ...["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn", "precision", "recall"],
  ...["batch_id", "partition", "offset", "event_time", "outcome"],
];

/** No timestamps: Spark groups by their microseconds, which are not kept here. */
const KEY_TYPES: readonly FieldType[] = ["string", "integer", "double"];

/**
 * Reads keys such as `merchant:string`: fields of a message beyond those of a transaction. Throws an
 * error that begins with `keys` for another form, an unknown type and a name that is in use.
 */
export function keyFields(texts: readonly string[]): Field[] {
  const fields = texts.map((text) => {
    const [, name, type] = /^\s*([\p{L}_][\p{L}\p{N}_-]*)\s*:\s*(\w+)\s*$/u.exec(text) ?? [];
    if (name === undefined) {
      throw new SyntaxError(
        `keys should be NAME:TYPE, such as merchant:string, a name of letters, digits, _ and -, ` +
          `got "${text}"`,
      );
    }
    return { name, type: type as FieldType };
  });
  checkKeys([...TRANSACTION_SCHEMA, ...fields], fields.map(({ name }) => name));
  return fields;
}

/** Throws an error that begins with `keys` if a query over a schema cannot be grouped by them, here and on Spark. */
export function checkKeys(schema: Schema, keys: readonly string[]): void {
  for (const key of keys) {
    const wrong = (why: string, todo: string) => {
      throw new TypeError(`keys cannot name "${key}": ${why}. ${todo}`);
    };
    const isKey = (name: string) => name.toLowerCase() === key.toLowerCase(); // as Spark compares them
    const field = schema.find(({ name }) => name === key);
    if (field === undefined) wrong("the schema has no such field", "Add it there");
    if (MADE_COLUMNS.some(isKey) || key === "__proto__") {
      wrong("the query has a column of this name", "Give the field another one");
    }
    if (schema.filter(({ name }) => isKey(name)).length > 1 || keys.filter(isKey).length > 1) {
      wrong("the name is in use already", "Give the field another one");
    }
    if (!KEY_TYPES.includes(field!.type)) {
      wrong(`its type is ${field!.type}`, `A key is of type ${KEY_TYPES.join(", ")}`);
    }
  }
}
