import { deepEqual, match } from "node:assert/strict";
import { join } from "node:path";
import { TopicLog } from "../../lib/topic_log/topic_log.ts";
import { values, withTopic } from "./topic.ts";

Deno.test("TopicLog sees a last line only once it ends", () =>
  withTopic(async (dir, append) => {
    append(0, "a\nb");
    const log = await TopicLog.open(dir, "t");
    deepEqual(await log.latestOffsets(), { "0": 1 });
    append(0, "b");
    deepEqual(await log.latestOffsets(), { "0": 1 });
    append(0, "b\nc");
    deepEqual(await log.latestOffsets(), { "0": 2 });
    deepEqual((await log.getBatch({ "0": 1 }, { "0": 2 })).map(values), [["bbb"]]);
  }));

Deno.test("TopicLog lets an unfinished last line be taken back", () =>
  withTopic(async (dir, append) => {
    append(0, "a\nunfinished");
    const log = await TopicLog.open(dir, "t");
    deepEqual(await log.latestOffsets(), { "0": 1 });
    Deno.truncateSync(join(dir, "t", "partition-0.jsonl"), 2);
    deepEqual(await log.latestOffsets(), { "0": 1 });
    append(0, "b\n");
    deepEqual((await log.getBatch({ "0": 0 }, { "0": 2 })).map(values), [["a", "b"]]);
  }));

/** What `run` warns of. */
async function warningsOf(run: () => Promise<unknown>): Promise<string[]> {
  const { warn } = console;
  const warnings: string[] = [];
  console.warn = (text: string) => warnings.push(text);
  await run().finally(() => console.warn = warn);
  return warnings;
}

Deno.test("TopicLog warns of a last line that waits for its end, once", () =>
  withTopic(async (dir, append) => {
    append(0, "a\nb");
    append(1, "c\n");
    append(2, "d");
    const files = [0, 2].map((p) => join(dir, "t", `partition-${p}.jsonl`));
    const log = await TopicLog.open(dir, "t");
    const look = () => log.latestOffsets();
    deepEqual(await warningsOf(look), [], "someone may be writing it now");
    const past = new Date(Date.now() - 60_000);
    for (const file of files) Deno.utimeSync(file, past, past);
    const warnings = await warningsOf(look);
    deepEqual(warnings.sort().reverse(), [
      `Line 2 of "${files[0]}" is not read: its 1 bytes do not end with "\\n" yet. ` +
      "If the line is complete, append one before anything else",
      `Line 1 of "${files[1]}" is not read: its 1 bytes do not end with "\\n" yet. ` +
      "If the line is complete, append one before anything else",
    ]);
    deepEqual(await warningsOf(look), []);
    append(2, "\n");
    deepEqual(await warningsOf(() => log.close()), []);
    append(0, "\ne\nf");
    append(1, "g\n");
    const [warning, ...others] = await warningsOf(() => log.close());
    match(warning!, /^Line 4 of .*partition-0.jsonl" is not read: its 1 bytes/);
    deepEqual(others, []);
  }));
