import assert from "node:assert/strict";
import { cell, fieldsOf, message, parse, schemaOf } from "./parse.ts";

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

Deno.test("parseMessages() keeps a value that is no string as it stands in a field of strings", () => {
  const values = ["1.50", "-0", "1e3", "[1, 2]", '{"a": 1}', "true", "NaN"];
  const parsed = parse(values.map((value) => `{"s":${value}}`), schemaOf({ s: "string" }));
  assert.deepEqual(values.map((_, row) => cell(parsed, row, "s")), values);
});
