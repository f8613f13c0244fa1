import { crc32 } from "node:zlib";

const PLACEHOLDER = "00000000";
const CHECKSUM = /"checksum":"([0-9a-f]{8})"/;

/**
 * Returns the text of a log file in Spark's form, `v1` and then JSON lines (`rest` is JSON), with a checksum in its
 * first object, where Spark passes over it. The checksum is over the text and the file's place
 * below the checkpoint, such as `offsets/7`: a file in the place of another is not taken for it.
 */
export function sealLines(place: string, first: object, rest: readonly string[] = []): string {
  const text = ["v1", JSON.stringify({ ...first, checksum: PLACEHOLDER }), ...rest].join("\n");
  return text.replace(`"checksum":"${PLACEHOLDER}"`, `"checksum":"${checksumOf(place + text)}"`);
}

/**
 * Reads the JSON lines of a sealed file.
 *
 * Throws a `SyntaxError` that names the file if it is torn, changed, or of another version.
 */
export function openLines(path: string, place: string, text: string): Record<string, unknown>[] {
  const [version, ...lines] = text.split("\n");
  if (version !== "v1" && /^v\d+$/.test(version!)) {
    throw new SyntaxError(
      `Cannot read "${path}": it has version ${version} and this program reads v1. ` +
        `Use the newer program that wrote it`,
    );
  }
  const [, checksum] = CHECKSUM.exec(lines[0] ?? "") ?? [];
  const blank = text.replace(CHECKSUM, `"checksum":"${PLACEHOLDER}"`);
  if (version !== "v1" || checksum === undefined || checksumOf(place + blank) !== checksum) {
    throw damaged(path, "its checksum does not match");
  }
  return lines.map((line) => JSON.parse(line));
}

/** Returns the error for a file that is not what was written. */
export function damaged(path: string, why: string): SyntaxError {
  return new SyntaxError(
    `Cannot read "${path}": ${why}, so it is torn or was changed. ` +
      `Restore it from a copy, or start over with a new checkpoint`,
  );
}

/** CRC-32 over the UTF-8 bytes: it shows damage, it does not resist an attacker. */
function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
