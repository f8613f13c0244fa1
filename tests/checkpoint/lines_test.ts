import { deepEqual, equal, throws } from "node:assert/strict";
import { openLines, sealLines } from "../../lib/checkpoint/lines.ts";

const LINES = [{ a: 1, conf: { text: 'é "checksum":"00000000"' } }, { t: { "0": 5 } }] as const;
const TEXT = sealLines("offsets/7", LINES[0], [JSON.stringify(LINES[1])]);

Deno.test("openLines() reads what sealLines() wrote, as Spark would: v1, then JSON lines", () => {
  const [version, ...lines] = TEXT.split("\n");
  equal(version, "v1");
  deepEqual(lines.map((line) => JSON.parse(line)), openLines("f", "offsets/7", TEXT));
  const [{ checksum, ...first }, second] = openLines("f", "offsets/7", TEXT) as [
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
      throws(() => openLines("/x/offsets/7", "offsets/7", text), {
        name: "SyntaxError",
        message: /^Cannot read "\/x\/offsets\/7": .*(Restore it|newer program)/,
      }, text);
    }
  }
});

Deno.test("openLines() does not take a file for another one", () => {
  throws(() => openLines("f", "offsets/8", TEXT), /its checksum does not match/);
});

Deno.test("openLines() says that a file is of a newer version", () => {
  throws(() => openLines("f", "offsets/7", TEXT.replace("v1", "v2")), /has version v2.*reads v1/);
});
