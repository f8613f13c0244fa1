import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import { join } from "node:path";
import { topicFolder, TopicLog } from "../../lib/topic_log/topic_log.ts";
import { withTopic } from "./topic.ts";

Deno.test("TopicLog.open() gives the log an id, which goes with its folder", () =>
  withTopic(async (dir, append) => {
    const [folder, idFile] = [join(dir, "t"), join(dir, "t", "topic.id")];
    append(0, "a\n");
    const log = await TopicLog.open(dir, "t");
    const id = log.identity;
    match(id!, /^[0-9a-f-]{36}$/);
    equal((await TopicLog.open(dir, "t")).identity, id);
    Deno.renameSync(folder, join(dir, "moved"));
    equal((await TopicLog.open(dir, "moved")).identity, id, "the same log in another place");
    Deno.mkdirSync(folder);
    append(0, "x\ny\nz\n");
    await TopicLog.open(dir, "t");
    deepEqual(await log.latestOffsets(), { "0": 3 });
    notEqual(log.identity, id, "one that is open sees that it is another");
    Deno.writeTextFileSync(idFile, ""); // torn, where the id was never relied on
    equal((await TopicLog.open(dir, "t")).identity, undefined);
    Deno.removeSync(idFile);
    Deno.chmodSync(folder, 0o555);
    const { open } = Deno;
    Deno.open = (path, options) =>
      // as root may write anywhere
      options?.createNew
        ? Promise.reject(new Deno.errors.PermissionDenied(`${path}`))
        : open(path, options);
    try {
      equal((await TopicLog.open(dir, "t")).identity, undefined);
    } finally {
      Deno.open = open;
      Deno.chmodSync(folder, 0o755);
    }
  }));

Deno.test("TopicLog.open() refuses a topic that is not there", () =>
  withTopic(async (dir, append) => {
    const advice =
      /^RangeError: Cannot open the topic "(u|t)": there is no .*partition-0.jsonl; publish/;
    await rejects(TopicLog.open(dir, "u"), advice);
    await rejects(TopicLog.open(dir, "t"), advice);
    append(0, "");
    deepEqual(await (await TopicLog.open(dir, "t")).latestOffsets(), { "0": 0 });
  }));

Deno.test("TopicLog.open() takes the names Kafka takes and no path", async () => {
  const dir = Deno.makeTempDirSync();
  for (const topic of ["", ".", "..", "a/b", "a\\b", "../t", "ä", "a b", "a\n", "x".repeat(250)]) {
    await rejects(
      TopicLog.open(dir, topic),
      /^RangeError: A topic's name should be 1 to 249 /,
      topic,
    );
  }
  for (const topic of ["...", "a.b_C-9", "x".repeat(249)]) {
    equal(topicFolder("d", topic), join("d", topic));
  }
  Deno.removeSync(dir);
});
