import assert from "node:assert/strict";
import fc from "fast-check";
import { parseMessages } from "../../lib/json/from_json.ts";
import { readPlainRows } from "../../lib/json/rows.ts";
import type { NumberColumn, Schema } from "../../lib/core/types.ts";
import { messagesOf } from "./messages.ts";

const encoder = new TextEncoder();
const seed = 1;

const schema: Schema = [
  { name: "event_time", type: "timestamp" },
  { name: "V1", type: "double" },
  { name: "Amount", type: "double" },
  { name: "Class", type: "integer" },
  { name: "merchant", type: "string" },
];
const row = '{"event_time":"2024-02-29T23:59:59.999Z","V1":-1.3598071336738,"Amount":149.62,' +
  '"Class":0,"merchant":"Café"}';

Deno.test("readPlainRows() reads rows as programs write them, and no others", () => {
  const isPlain = (text: string) =>
    readPlainRows([messagesOf([text])], { length: 1, schema }).left.length === 0;
  const plain = [
    row,
    JSON.stringify(JSON.parse(row), null, 2),
    row.replaceAll(/([:,])/g, "$1 ").replace("23: 59: 59", "23:59:59"),
    JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(row)).reverse())),
    row.replace("{", '{"id":"x-1","kept":true,"left":false,"note":null,"n":-1.5e3,'),
    row.replace("-1.3598071336738", "null"),
    '{"V1":1.7976931348623157e1}',
    row + " \r",
    '{"V1": 1,"Amount": 2}',
    row.replace("999Z", "999000+00:00"),
    " " + row,
  ];
  for (const text of plain) assert.ok(isPlain(text), text);
  const others = [
    "",
    "{}",
    "[1]",
    "null",
    '{"V1":1e999}',
    '{"V1":01}',
    '{"V1":1.}',
    '{"V1":NaN}',
    '{"V1":"1"}',
    '{"V1":18446744073709551616}',
    '{"V1":18446744073709551616.0}',
    '{"V1":18446744073709551616.05}',
    `{"V1":1${"0".repeat(64)}.0}`,
    `{"V1":0.${"0".repeat(1_000)}5e1000}`,
    '{,"V1":1}',
    '{,"V1":1"Amount":2}',
    '{"V1":1,,"Amount":2}',
    '{"V1":0.' + "0".repeat(1_000) + "}",
    '{"Class":1.0}',
    '{"Class":2147483648}',
    '{"merchant":"a\\"b"}',
    '{"merchant":1}',
    '{"x":[1],"V1":1}',
    "{'V1':1}",
    '{"event_time":"2023-02-29T00:00:00Z"}',
    '{"event_time":"2024-01-01T24:00:00Z"}',
    '{"event_time":"2024-01-01T00:00:00+01:00"}',
    '{"event_time":"2024-01-01T00:00:00+00:00}',
    '{"event_time":"2024-01-01"}',
    row.slice(0, -1),
    row + " behind",
    row + row,
    row + "\0",
  ];
  for (const text of others) assert.ok(!isPlain(text), text);
});

Deno.test("readPlainRows() rounds numbers as JSON.parse does", () => {
  const digits = fc.tuple(
    fc.bigInt({ min: 0n, max: 10n ** 19n - 1n }),
    fc.integer({ min: -27, max: 22 }),
  ).map(([mantissa, exponent]) => `${mantissa}e${exponent}`);
  // Halfway between two doubles, and next to it.
  const halves = fc.tuple(
    fc.bigInt({ min: 2n ** 52n, max: 2n ** 53n - 1n }),
    fc.constantFrom(-1n, 0n, 1n),
    fc.integer({ min: 0, max: 10 }),
  ).map(([mantissa, more, shift]) => `${((2n * mantissa + 1n) << BigInt(shift)) + more}`);
  const doubles = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String);
  const floats = fc.float({ noNaN: true, noDefaultInfinity: true }).map(String);
  const long = fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 140n }), fc.constantFrom(".0", ".05", ""))
    .map(([whole, rest]) => `${whole}${rest}`);
  const powers = fc.nat(140).map((bits) => `${2n ** BigInt(bits)}.0`);
  const points = fc.tuple(fc.integer(), fc.bigInt({ min: 0n, max: 10n ** 20n })).map(
    ([whole, fraction]) => `${whole}.${fraction}`,
  );
  let read = 0;
  const property = fc.property(
    fc.array(fc.oneof(digits, halves, doubles, floats, points, long, powers), {
      minLength: 100,
      maxLength: 100,
    }),
    (numbers) => {
      const messages = [messagesOf(numbers.map((number) => `{"V1":${number}}`))];
      const rows = readPlainRows(messages, { length: numbers.length, schema });
      const left = new Set(rows.left.map(({ row }) => row));
      numbers.forEach((number, i) => {
        if (left.has(i)) return;
        read++;
        const expected = Number(number);
        assert.ok(Object.is(rows.numbers[1]![i], Object.is(number, "-0") ? 0 : expected), number);
      });
    },
  );
  fc.assert(property, { seed, numRuns: 1_100 });
  assert.ok(read > 50_000, `only ${read} of 110,000 numbers were plain`);
});

Deno.test("parseMessages() reads a row alike with and without the fast path", () => {
  const bytes = encoder.encode(row);
  const noise = [
    ..."0123456789.eE+-{}[]\"',: \\\n\tntfuZTé".split("").map((c) => encoder.encode(c)),
  ];
  const change = fc.tuple(
    fc.nat(bytes.length - 1).map((i) => i + 1), // behind `{`
    fc.nat(3),
    fc.array(fc.constantFrom(...noise), { maxLength: 3 }),
  );
  const property = fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
    let text = bytes;
    for (const [at, cut, added] of changes) {
      text = new Uint8Array([
        ...text.subarray(0, at),
        ...added.flatMap((part) => [...part]),
        ...text.subarray(at + cut),
      ]);
    }
    // A nested value is no plain one.
    const nested = text.indexOf(125) === 1 ? '{"":[]' : '{"":[],'; // `{}` has nothing to part from
    const slow = new Uint8Array([...encoder.encode(nested), ...text.subarray(1)]);
    const batch = parseMessages([messagesOf([text, slow, row])], schema);
    assert.equal(readPlainRows([messagesOf([slow])], { length: 1, schema }).left.length, 1);
    for (const [name, column] of Object.entries(batch.columns)) {
      const { values, nulls } = column as NumberColumn;
      const got = [0, 1].map((i) => nulls?.[i] === 1 ? null : values[i]);
      assert.ok(Object.is(got[0], got[1]), `${name} of ${new TextDecoder().decode(text)}`);
    }
    const reasons = (i: number) =>
      batch.problems.filter(({ row }) => row === i).map(({ row: _, ...problem }) => problem);
    assert.deepEqual(reasons(0), reasons(1));
    assert.deepEqual(reasons(2), []);
  });
  fc.assert(property, { seed, numRuns: 20_000 });
});
