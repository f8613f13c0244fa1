import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { decompress } from "../../lib/kafka/codecs.ts";
import { broker, checksum, ignore, readInSteps, startBroker, withSource } from "./steps.ts";

startBroker();

Deno.test("every compression of a foreign producer is read, by checksum", { ignore }, async () => {
  await broker.createTopic("compressed");
  const expected = Number(await broker.foreign(["compressed", "compressed"]));
  await withSource("compressed", {}, async (source) => {
    const [read] = await readInSteps(source, await source.latestOffsets(), 333);
    assert.equal(read!.length, 5_000);
    assert.equal(checksum(read!), expected);
  });
});

Deno.test(
  "random frames of Kafka's own codecs decompress to what went in",
  { ignore },
  async () => {
    const seed = 1;
    const lines = (await broker.foreign(["frames", `${seed}`, "300"])).split("\n");
    assert.equal(lines.length, 300);
    for (const [i, line] of lines.entries()) {
      const [codec, data, length, crc] = line.split(" ");
      const name = `codec ${codec}, line ${i} of seed ${seed}`;
      let read: Uint8Array = new Uint8Array();
      assert.doesNotThrow(
        () => read = decompress(Number(codec), Buffer.from(data!, "base64")),
        name,
      );
      assert.deepEqual([read.length, crc32(read)], [Number(length), Number(crc)], name);
    }
  },
);
