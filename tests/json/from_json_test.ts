import fc from "fast-check";
import assert from "node:assert/strict";
import { seededRandom } from "../../lab/random.ts";
import { parseMessages } from "../../lib/json/from_json.ts";
import type { FieldType, NumberColumn } from "../../lib/core/types.ts";
import { messagesOf } from "./messages.ts";
import { cell, fieldsOf, message, parse, schemaOf, transaction } from "./parse.ts";

const encoder = new TextEncoder();

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

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
