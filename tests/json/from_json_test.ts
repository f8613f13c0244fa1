import fc from "fast-check";
import assert from "node:assert/strict";
import { seededRandom } from "../../lab/random.ts";
import { parseMessages } from "../../lib/json/from_json.ts";
import type {
  FieldType,
  NumberColumn,
  ParsedBatch,
  Schema,
  StringColumn,
} from "../../lib/core/types.ts";
import { messagesOf } from "./messages.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function schemaOf(fields: Readonly<Record<string, FieldType>>): Schema {
  return Object.entries(fields).map(([name, type]) => ({ name, type }));
}

const transaction = schemaOf({
  event_time: "timestamp",
  Time: "double",
  V1: "double",
  Amount: "double",
  Class: "integer",
});
const message = '{"event_time":"2024-01-01T10:00:00Z","Amount":1.5,"Class":1}';

function parse(texts: readonly (string | Uint8Array)[], schema = transaction): ParsedBatch {
  return parseMessages([messagesOf(texts)], schema);
}

/** Returns a field of a row, null where it is null. */
function cell({ columns }: ParsedBatch, row: number, name: string): number | string | null {
  const column: NumberColumn | StringColumn = columns[name]!;
  return "nulls" in column && column.nulls[row] ? null : column.values[row]!;
}

/** Returns the fields of a row that are not null. */
function fieldsOf(batch: ParsedBatch, row: number): Record<string, number | string | null> {
  return Object.fromEntries(
    Object.keys(batch.columns).map((name) => [name, cell(batch, row, name)] as const)
      .filter(([, value]) => value !== null),
  );
}

interface SparkCase {
  readonly json: string;
  readonly structNull?: boolean;
  readonly note?: string;
  /** Int64 microseconds. */
  readonly event_time_us?: bigint | null;
  readonly V1?: string | null;
  readonly Amount?: string | null;
  readonly Class?: number | null;
}

function floorToMillis(micros: bigint): number {
  return Number((micros - (micros % 1_000n + 1_000n) % 1_000n) / 1_000n);
}

Deno.test("parseMessages() reads the recorded strings as Spark's from_json did", () => {
  const file = new URL("../golden/from_json/cases.json", import.meta.url);
  const text = Deno.readTextFileSync(file)
    .replace(/("event_time_us": )(-?\d+)/g, '$1"$2"'); // beyond 2^53
  const cases: SparkCase[] = JSON.parse(text).cases
    .map((each: { event_time_us?: string | null }) => ({
      ...each,
      event_time_us: each.event_time_us == null ? null : BigInt(each.event_time_us),
    }));
  const batch = parse(cases.map(({ json }) => json));
  assert.ok(cases.length > 300);
  cases.forEach((each, row) => {
    const id = `case ${row}: ${each.json.slice(0, 200)}`;
    const micros = each.event_time_us ?? null;
    assert.deepEqual(
      [
        cell(batch, row, "event_time"),
        cell(batch, row, "V1"),
        cell(batch, row, "Amount"),
        cell(batch, row, "Class"),
      ],
      [
        micros === null ? null : floorToMillis(micros),
        each.V1 == null ? null : Number(each.V1),
        each.Amount == null ? null : Number(each.Amount),
        each.Class ?? null,
      ],
      id,
    );
    const reasons = batch.problems.filter((problem) => problem.row === row);
    assert.equal(reasons.some(({ reason }) => reason === "empty"), each.structNull === true, id);
    // Spark puts a time of day on the current date; here it is no timestamp.
    if (each.note) assert.equal(reasons[0]?.reason, "expected a timestamp", id);
  });
});

Deno.test("parseMessages() says why a message or a field was lost", () => {
  const cases: [text: string, problems: Record<string, string>][] = [
    [message, {}],
    ["{}", {}],
    ['{"event_time":null,"Class":null}', {}],
    ["", { "": "empty" }],
    [" \t\r\n", { "": "empty" }],
    ["garbage", { "": "not JSON" }],
    ["[1,", { "": "not JSON" }],
    ["nul", { "": "not JSON" }],
    ["l", { "": "not JSON" }], // no rest of the message before
    ...[
      "1e",
      "1e+",
      "1.",
      "1.e5",
      "-",
      "01",
      "-01",
      "+1",
      ".5",
      "[1 2]",
      "[1,]",
      "{1:2}",
      '{"a" 1}',
    ]
      .map((value): [string, Record<string, string>] => [`{"x":${value}}`, { "": "not JSON" }]),
    [message.slice(0, -1), { "": "not JSON" }],
    ["[{}]", { "": "not a JSON object" }],
    ["null", { "": "not a JSON object" }],
    ['"x" y', { "": "not a JSON object" }],
    ['{"Class":"x","Amount":"x"', { "": "not JSON" }],
    ['{"Class":"1","Amount":"1","event_time":"1"}', {
      Class: "expected an integer",
      Amount: "expected a double",
      event_time: "expected a timestamp",
    }],
    ['{"Class":"x","Class":1}', {}],
    ['{"Class":1,"Class":"x"}', {}],
    ['{"Class":"x","Class":1.5}', { Class: "expected an integer" }],
    ['{"Class":"x","Class":null}', { Class: "expected an integer" }],
    ["{} \r", {}],
    ...[" {}", "}", ",", "x", "\0"].map((more): [string, Record<string, string>] => {
      return [`${message}${more}`, { "": "text behind the object is not read" }];
    }),
  ];
  const { problems } = parse(cases.map(([text]) => text));
  cases.forEach(([text, expected], row) => {
    const got = problems.filter((problem) => problem.row === row)
      .map(({ field = "", reason }) => [field, reason]);
    assert.deepEqual(Object.fromEntries(got), expected, text);
  });
  assert.deepEqual(
    problems.map(({ row }) => row),
    problems.map(({ row }) => row).toSorted((a, b) => a - b),
  );
});

Deno.test("parseMessages() keeps the order of partitions and takes tombstones for rows", () => {
  const first = messagesOf(['{"Class":1}', '{"Class":2}'], Uint8Array.of(0, 1));
  const second = messagesOf(['{"Class":3}']);
  const batch = parseMessages([first, messagesOf([]), second], transaction);
  assert.equal(batch.length, 3);
  assert.deepEqual([0, 1, 2].map((row) => cell(batch, row, "Class")), [1, null, 3]);
  assert.deepEqual(batch.problems, [{ row: 1, reason: "no value" }]);
  assert.equal((batch.columns["Class"] as NumberColumn).nullCount, 1);
  assert.equal((batch.columns["V1"] as NumberColumn).nullCount, 3);
  assert.deepEqual(parseMessages([], transaction).length, 0);
  assert.deepEqual(parse(["{}", message], []).columns, {});
});

Deno.test("parseMessages() reads no byte of the next message", () => {
  const cuts = Array.from({ length: message.length }, (_, end) => message.slice(0, end));
  const numbers = [
    '{"Class":1',
    '{"Class":1e',
    '{"Class":-',
    '{"Class',
    '{"x":"\\',
    '{"x":"\\u00',
    "{",
  ];
  const texts = [...cuts, ...numbers].flatMap((cut) => [cut, message]);
  const batch = parse(texts);
  const whole = fieldsOf(parse([message]), 0);
  texts.forEach((text, row) => {
    assert.deepEqual(fieldsOf(batch, row), text === message ? whole : {}, text);
  });
});

Deno.test("parseMessages() finds fields in any order, however their names are spelt", () => {
  const schema = schemaOf({ V1: "double", V10: "double", é: "double", 'a"b': "double" });
  const cases: [text: string, fields: Record<string, number>][] = [
    ['{"V1":1,"V10":2}', { V1: 1, V10: 2 }],
    ['{"V10":2,"V1":1}', { V1: 1, V10: 2 }],
    ['{"x":0,"V1":1,"__proto__":{"V10":9},"constructor":0,"toString":[],"V10":2}', {
      V1: 1,
      V10: 2,
    }],
    ['{"V":0,"V11":0,"":0,"V1 ":0,"v1":0}', {}],
    [`{'V1':1,"\\u00561\\u0030":2,"\\u00e9":3}`, { V1: 1, V10: 2, é: 3 }],
    [`{"é":3,"a\\"b":4,'a"b':5}`, { é: 3, 'a"b': 5 }],
  ];
  const batch = parse(cases.map(([text]) => text), schema);
  cases.forEach(([text, fields], row) => assert.deepEqual(fieldsOf(batch, row), fields, text));
});

Deno.test("parseMessages() reads fields of strings, other values as their text", () => {
  const cases: [value: string, text: string | null][] = [
    ['"a\\u00e9\\n\\\\\\"\\/\'"', "aé\n\\\"/'"],
    [`'it\\'s "so"'`, `it's "so"`],
    ['""', ""],
    ["null", null],
    ["1.50", "1.50"],
    ["true", "true"],
    ['[1, {"a": "b"}]', '[1, {"a": "b"}]'],
    ['"\\u0041\\\\u0041"', "A\\u0041"],
    ['"\ufeffx"', "\ufeffx"],
  ];
  const batch = parse(cases.map(([value]) => `{"s":${value}}`), schemaOf({ s: "string" }));
  assert.deepEqual(batch.columns["s"]!.values, cases.map(([, text]) => text));
  assert.equal(batch.columns["s"]!.nullCount, 1);
  const broken = parse(['{"s":"a\\q,"s":"b"}', '{"s":"a\\q}'], schemaOf({ s: "string" }));
  assert.deepEqual(broken.columns["s"]!.values, ["b", null]);
  assert.deepEqual(broken.problems, [{ row: 1, field: "s", reason: "expected a string" }]);
});

Deno.test("parseMessages() reads on behind the wrong character of a field's string, as Spark does", () => {
  const cases: [text: string, fields: Record<string, number>][] = [
    ['{"Time":1,"V1":"a\\q,"Class":5}', { Time: 1, Class: 5 }],
    ['{"Time":1,"Class":"a\tb","Amount":2}', {}],
    ['{"Time":1,"Class":"\\é,"Amount":2}', { Time: 1, Amount: 2 }],
    ['{"Time":1,"Class":"\\u00g}', { Time: 1 }],
    ['{"Time":1,"Class":"\\u00gé}', {}],
    [`{"Time":1,'Class':'a\\q,"Amount":2}`, {}], // strings in single quotes are read at once
    ['{"Time":1,"x":"a\\q,"Amount":2}', {}], // and so are those of other fields
  ];
  const batch = parse(cases.map(([text]) => text));
  cases.forEach(([text, fields], row) => assert.deepEqual(fieldsOf(batch, row), fields, text));
});

Deno.test("parseMessages() keeps Jackson's limits: 1,000 levels, 1,000 digits", () => {
  const nested = (depth: number) => `{"Class":1,"x":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  const long = (digits: number) => `{"Class":1,"x":1.${"1".repeat(digits - 1)}}`;
  const batch = parse([nested(999), nested(1_000), long(1_000), long(1_001), nested(200_000)]);
  assert.deepEqual([0, 1, 2, 3, 4].map((row) => cell(batch, row, "Class")), [
    1,
    null,
    1,
    null,
    null,
  ]);
});

Deno.test("parseMessages() takes bytes that are not UTF-8 for replacement characters", () => {
  const broken = (before: string, bytes: number[], after: string) =>
    Uint8Array.from([...encoder.encode(before), ...bytes, ...encoder.encode(after)]);
  const schema = schemaOf({ s: "string", Class: "integer" });
  const batch = parse([
    broken('{"s":"a', [0xff], '","Class":1}'),
    broken('{"s":"a', [0xe2, 0x82], '","Class":1}'), // cut before the quote
    broken('{"Class":1', [0xc3], "}"),
    broken('{"Class":1,"s":"\\q', [0x80], "}"),
  ], schema);
  assert.deepEqual([0, 1, 2, 3].map((row) => fieldsOf(batch, row)), [
    { s: "a\ufffd", Class: 1 },
    { s: "a\ufffd", Class: 1 },
    {},
    {},
  ]);
});

Deno.test("parseMessages() reads integers up to the ends of int32", () => {
  const texts = [
    "2147483647",
    "-2147483648",
    "2147483648",
    "-2147483649",
    "-0",
    "4294967296",
    "1e1",
  ];
  const batch = parse(texts.map((text) => `{"Class":${text}}`));
  assert.deepEqual(
    texts.map((_, row) => cell(batch, row, "Class")),
    [2147483647, -2147483648, null, null, 0, null, null],
  );
});

function assertRounded(texts: readonly string[]): void {
  const batch = parse(texts.map((text) => `{"V1":${text}}`));
  texts.forEach((text, row) => assert.equal(cell(batch, row, "V1"), Number(text), text));
}

Deno.test("parseMessages() rounds doubles as Number() does", () => {
  const random = seededRandom(20240101);
  const texts = ["0.0", "-0.0", "9007199254740993.0", "9007199254740992.5", "1e400", "-1e-400"];
  while (texts.length < 100_000) {
    const value = (random() * 2 - 1) * 10 ** Math.floor(random() * 25 - 12);
    for (const digits of [15, 16, 17, 19]) texts.push(value.toPrecision(digits));
    texts.push(String(value), value.toExponential(16), (random() * 1e4).toFixed(2));
    const exponent = Math.floor(random() * 640 - 320);
    texts.push(`${(random() * 10).toFixed(16)}e${exponent}`, `1e${exponent}`);
    texts.push(
      `${Math.floor(random() * 2 ** 53)}.5`,
      `${Math.floor(random() * 1e10)}.${exponent ** 6}`,
    );
  }
  assertRounded(texts);
});

Deno.test("parseMessages() rounds decimals right that are all but half-way between two doubles", () => {
  // A middle between two doubles of [2^-14, 2^-13) is m / 2^67 with an odd m of 54 bits, which is
  // m * 5^22 / 2^45 units of 10^-22. Where that leaves a remainder of 1 or so, a whole number of
  // units, 18 digits, misses the middle by some 2^-52 of the doubles' distance.
  const power = 5n ** 22n;
  let inverse = 1n; // of 5^22 modulo 2^45, by Newton's method
  for (let i = 0; i < 6; i++) inverse = BigInt.asUintN(45, inverse * (2n - power * inverse));
  const texts: string[] = [];
  for (const remainder of [-5n, -3n, -1n, 1n, 3n, 5n]) {
    for (let m = BigInt.asUintN(45, remainder * inverse); m < 2n ** 54n; m += 2n ** 45n) {
      if (m < 2n ** 53n) continue;
      texts.push(`0.${String((m * power - remainder) / 2n ** 45n).padStart(22, "0")}`);
    }
  }
  assert.ok(texts.length > 1_000 && texts.every((text) => text.length === 24));
  assertRounded(texts);
});

Deno.test("parseMessages() reads whole numbers as seconds, and wraps microseconds at int64", () => {
  const cases: [seconds: string, millis: number | null][] = [
    ["-1", -1_000],
    ["1704103200", 1_704_103_200_000],
    ["18446744073709", -552], // -551,616 microseconds
    ["9223372036854775807", -1_000],
    ["9223372036854775808", null],
    ["1704103200.0", null],
  ];
  const batch = parse(cases.map(([seconds]) => `{"event_time":${seconds}}`));
  cases.forEach(([seconds, millis], row) => {
    assert.equal(cell(batch, row, "event_time"), millis, seconds);
  });
});

/** What a field becomes by way of JSON.parse. */
function convert(value: unknown, type: FieldType): number | null {
  if (type === "timestamp") {
    if (typeof value === "string") return instantOf(value) ?? null;
    return Number.isInteger(value) ? Number(value) * 1_000 : null;
  }
  if (typeof value !== "number") return null;
  return type === "double" || (value | 0) === value ? value : null;
}

Deno.test("parseMessages() equals JSON.parse and a conversion for any object", () => {
  const time = fc.date({
    min: new Date("0000-01-01"),
    max: new Date("9999-12-31"),
    noInvalidDate: true,
  })
    .map((date) => date.toISOString());
  const integer = fc.integer().map((n) => n | 0);
  const odd = fc.oneof(fc.jsonValue(), fc.double({ noDefaultInfinity: true, noNaN: true }));
  const object = fc.dictionary(
    fc.oneof(
      fc.constantFrom(...transaction.map(({ name }) => name)),
      fc.string({ unit: "binary" }),
    ),
    fc.oneof(time, integer, odd),
  );
  fc.assert(
    fc.property(object, fc.constantFrom(undefined, 1, "\t"), (record, space) => {
      const text = JSON.stringify(record, null, space);
      const parsed = JSON.parse(text);
      const batch = parse([text]);
      assert.ok(batch.problems.every(({ field }) => field !== undefined));
      for (const { name, type } of transaction) {
        const value: unknown = Object.hasOwn(parsed, name) ? parsed[name] : null;
        if (type === "double" && typeof value === "string") continue; // "NaN" and its like
        if (type === "timestamp" && typeof value === "string" && value.length !== 24) continue;
        // Numbers of 21 digits get an exponent from JSON.stringify: to Spark that is no integer.
        if (type === "timestamp" && Math.abs(Number(value)) >= 1e12) continue;
        assert.equal(cell(batch, 0, name), convert(value, type), name);
      }
    }),
    { seed: 42, numRuns: 2_000 },
  );
});

Deno.test("parseMessages() survives damaged messages, and equals JSON.parse where that reads them", () => {
  const random = seededRandom(7);
  const below = (n: number) => Math.floor(random() * n);
  const schema = schemaOf({
    event_time: "timestamp",
    V1: "double",
    V2: "double",
    Class: "integer",
  });
  const alphabet = encoder.encode("{}[]\",:'\\\t 0123456789eE+-.NaIfnultrsV\u0000é");
  const damaged = Array.from({ length: 20_000 }, (_, i) => {
    const bytes = Array.from(encoder.encode(JSON.stringify({
      event_time: new Date(1704103200000 + i * 997).toISOString(),
      V1: random() * 4 - 2,
      V2: -random() * 10 ** below(30),
      x: [{ 'a"': null }, "é€😀", true],
      Class: below(3),
    })));
    for (let n = below(3); n >= 0; n--) {
      const at = below(bytes.length);
      const byte = random() < 0.2 ? below(256) : alphabet[below(alphabet.length)]!;
      bytes.splice(at, below(2), ...(random() < 0.7 ? [byte] : []));
    }
    return Uint8Array.from(bytes);
  });
  const batch = parse(damaged, schema);
  const unread = new Set(batch.problems.filter(({ field }) => !field).map(({ row }) => row));
  for (const column of Object.values(batch.columns)) {
    assert.equal(column.values.length, damaged.length);
  }
  let compared = 0;
  damaged.forEach((bytes, row) => {
    const text = decoder.decode(bytes);
    let parsed: Record<string, unknown>;
    try {
      parsed = JSON.parse(text);
    } catch {
      return; // Spark also reads what JSON.parse does not, such as single quotes
    }
    assert.ok(!unread.has(row), text);
    for (const name of ["event_time", "V1", "V2"]) {
      const value = parsed[name] ?? null;
      if (text.split(`"${name}"`).length > 2) continue; // the later one may keep the earlier value
      const expected = name === "event_time" ? instantOf(value) : convert(value, "double");
      if (expected === undefined) continue;
      assert.equal(cell(batch, row, name), expected, text);
      compared++;
    }
  });
  assert.ok(compared > 10_000, `${compared} values compared`);
});

/** Reads what `Date` writes; undefined for other text, of which Spark may read more. */
function instantOf(value: unknown): number | undefined {
  const millis = Date.parse(String(value));
  return Number.isNaN(millis) || new Date(millis).toISOString() !== value ? undefined : millis;
}

Deno.test("parseMessages() keeps a value that is no string as it stands in a field of strings", () => {
  const values = ["1.50", "-0", "1e3", "[1, 2]", '{"a": 1}', "true", "NaN"];
  const parsed = parse(values.map((value) => `{"s":${value}}`), schemaOf({ s: "string" }));
  assert.deepEqual(values.map((_, row) => cell(parsed, row, "s")), values);
});
