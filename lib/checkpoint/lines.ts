import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";

const PLACEHOLDER = "00000000";
/** Characters that become bytes at once, and bytes that become characters. */
const PIECE = 1 << 20;
const LINE_END = 10;
const CHECKSUM = /"checksum":"([0-9a-f]{8})"/;

/**
 * Returns the bytes of a log file in Spark's form, `v1` and then JSON lines (`rest` is JSON), with a checksum in its
 * first object, where Spark passes over it. The checksum is over the text and the file's place
 * below the checkpoint, such as `offsets/7`: a file in the place of another is not taken for it. They
 * come in pieces: all of them may be more than a string can hold.
 */
export function sealLines(
  place: string,
  first: object,
  rest: Iterable<string> = [],
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
 * Reads the JSON lines of a sealed file of a version up to `newest`, in pieces: its first line, then
 * many lines at a time. Throws a `SyntaxError` that names the file if it is torn, changed, or newer.
 */
export function* openLines(
  path: string,
  place: string,
  bytes: Uint8Array,
  newest: 1 | 2 = 1,
): Generator<Record<string, unknown>[]> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // one before the version is a change
  const endOf = (from: number) => {
    const end = bytes.indexOf(LINE_END, from);
    return end < 0 ? bytes.length : end;
  };
  const versionEnd = endOf(0);
  const headEnd = endOf(versionEnd + 1);
  const head = decoder.decode(bytes.subarray(0, headEnd));
  const [, version = "", number] = /^(v([1-9]\d*))\n/.exec(head) ?? [];
  if (Number(number) > newest) {
    throw new SyntaxError(
      `Cannot read "${path}": it has version ${version} and this program reads v${newest}. ` +
        `Use the newer program that wrote it`,
    );
  }
  const [, checksum] = CHECKSUM.exec(head) ?? [];
  const blank = place + head.replace(CHECKSUM, `"checksum":"${PLACEHOLDER}"`);
  if (checksum === undefined || checksum !== hex(crc32(bytes.subarray(headEnd), crc32(blank)))) {
    throw damaged(path, "its checksum does not match");
  }
  yield [JSON.parse(head.slice(version.length))];
  for (let at = headEnd + 1; at < bytes.length;) {
    const end = endOf(at + PIECE);
    const lines = decoder.decode(bytes.subarray(at, end));
    yield JSON.parse(`[${lines.replaceAll("\n", ",")}]`);
    at = end + 1;
  }
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
