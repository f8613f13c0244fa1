import { Buffer } from "node:buffer";
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { openLines, sealLines } from "../../lib/checkpoint/lines.ts";

const LINES = [{ a: 1, conf: { text: 'é "checksum":"00000000"' } }, { t: { "0": 5 } }] as const;
const TEXT = Buffer.concat(sealLines("offsets/7", LINES[0], [JSON.stringify(LINES[1])])).toString();

function open(path: string, place: string, text: string): Record<string, unknown>[] {
  return [...openLines(path, place, Buffer.from(text))].flat();
}

Deno.test("openLines() reads what sealLines() wrote, as Spark would: v1, then JSON lines", () => {
  const [version, ...lines] = TEXT.split("\n");
  equal(version, "v1");
  deepEqual(lines.map((line) => JSON.parse(line)), open("f", "offsets/7", TEXT));
  const [{ checksum, ...first }, second] = open("f", "offsets/7", TEXT) as [
    Record<string, unknown>,
    unknown,
  ];
  deepEqual([first, second], LINES);
  equal(typeof checksum, "string");
});

Deno.test("openLines() names a file of which any character changed, is missing or was added", () => {
  for (let at = 0; at <= TEXT.length; at++) {
    const changed = [
      TEXT.slice(0, at) + TEXT.slice(at + 1),
      `${TEXT.slice(0, at)}0${TEXT.slice(at)}`,
    ];
    changed.push(`${TEXT.slice(0, at)}${TEXT[at] === "1" ? "2" : "1"}${TEXT.slice(at + 1)}`);
    for (const text of changed.filter((text) => text !== TEXT)) {
      throws(() => open("/x/offsets/7", "offsets/7", text), {
        name: "SyntaxError",
        message: /^Cannot read "\/x\/offsets\/7": .*(Restore it|newer program)/,
      }, text);
    }
  }
});

Deno.test("openLines() does not take a file for another one", () => {
  throws(() => open("f", "offsets/8", TEXT), /its checksum does not match/);
});

Deno.test("openLines() says that a file is of a newer version", () => {
  throws(() => open("f", "offsets/7", TEXT.replace("v1", "v2")), /has version v2.*reads v1/);
});

Deno.test("openLines() reads a file piece by piece: lines of any length, characters of several bytes", () => {
  const lines = ["é😀\ud800\n\r\u2028", "x".repeat(2 << 20), ""].flatMap((
    text,
  ) => [{ text }, { text }]);
  const rest = [...lines, ...Array.from({ length: 50_000 }, (_, i) => ({ i, text: "é" }))];
  const sealed = Buffer.concat(
    sealLines("state/7", LINES[0], rest.map((line) => JSON.stringify(line)), 2),
  );
  const read = (bytes: Uint8Array) => [...openLines("f", "state/7", bytes, 2)];
  const [first, ...pieces] = read(sealed);
  ok(pieces.length > 3);
  equal(first![0]!.a, 1);
  deepEqual(pieces.flat(), rest);
  for (const at of [0, 10, sealed.length >> 1, sealed.length - 1]) {
    const changed = sealed.with(at, sealed[at]! ^ 1);
    throws(() => read(changed), /Cannot read "f": .*(checksum does not match|newer program)/);
  }
  throws(() => read(sealed.subarray(0, -9)), /checksum/);
  throws(() => read(Uint8Array.of(0xef, 0xbb, 0xbf, ...sealed.subarray(0, 60))), /checksum/);
  throws(() => open("f", "offsets/7", `\ufeff${TEXT}`), /checksum/);
});
