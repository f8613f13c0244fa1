import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";

const PLACEHOLDER = "00000000";
/** Characters that become bytes at once. */
const PIECE = 1 << 20;
const CHECKSUM = /"checksum":"([0-9a-f]{8})"/;

/**
 * Returns the text of a log file in Spark's form, `v1` and then JSON lines (`rest` is JSON), with a checksum in its
 * first object, where Spark passes over it. The checksum is over the text and the file's place
 * below the checkpoint, such as `offsets/7`: a file in the place of another is not taken for it.
 */
export function sealLines(place: string, first: object, rest: readonly string[] = []): string {
  return new TextDecoder().decode(Buffer.concat(sealPieces(place, first, rest)));
}

/** Returns the bytes of such a text in pieces: all of it may be more than a string can hold. */
export function sealPieces(
  place: string,
  first: object,
  rest: Iterable<string>,
  version: 1 | 2 = 1,
): Uint8Array[] {
  const encoder = new TextEncoder();
  const head = `v${version}\n${JSON.stringify({ ...first, checksum: PLACEHOLDER })}`;
  let checksum = crc32(place + head);
  const pieces: Uint8Array[] = [];
  let text = "";
  const add = () => {
    const piece = encoder.encode(text);
    checksum = crc32(piece, checksum);
    pieces.push(piece);
    text = "";
  };
  for (const line of rest) {
    text += `\n${line}`;
    if (text.length > PIECE) add();
  }
  add();
  const sealed = head.replace(`"checksum":"${PLACEHOLDER}"`, `"checksum":"${hex(checksum)}"`);
  return [Buffer.concat([encoder.encode(sealed), pieces[0]!]), ...pieces.slice(1)];
}

/**
 * Reads the JSON lines of a sealed file.
 *
 * Throws a `SyntaxError` that names the file if it is torn, changed, or of another version.
 */
export function openLines(path: string, place: string, text: string): Record<string, unknown>[] {
  return checkedLines(path, place, text).map((line) => JSON.parse(line));
}

/** Checks a sealed file, of a version up to `newest`, as `openLines` does; returns its lines as they are. */
export function checkedLines(
  path: string,
  place: string,
  text: string,
  newest: 1 | 2 = 1,
): string[] {
  const [version = "", header = ""] = text.split("\n", 2);
  const [, number] = /^v([1-9]\d*)$/.exec(version) ?? [];
  if (Number(number) > newest) {
    throw new SyntaxError(
      `Cannot read "${path}": it has version ${version} and this program reads v${newest}. ` +
        `Use the newer program that wrote it`,
    );
  }
  const [, checksum] = CHECKSUM.exec(header) ?? [];
  const blank = `${place}${version}\n${header.replace(CHECKSUM, `"checksum":"${PLACEHOLDER}"`)}`;
  const rest = text.slice(version.length + 1 + header.length);
  if (number === undefined || checksum !== hex(crc32(rest, crc32(blank)))) {
    throw damaged(path, "its checksum does not match");
  }
  return text.slice(version.length + 1).split("\n");
}

/** Returns the error for a file that is not what was written. */
export function damaged(path: string, why: string): SyntaxError {
  return new SyntaxError(
    `Cannot read "${path}": ${why}, so it is torn or was changed. ` +
      `Restore it from a copy, or start over with a new checkpoint`,
  );
}

/** CRC-32 over UTF-8 bytes shows damage, it does not resist an attacker. */
function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}
