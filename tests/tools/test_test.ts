import assert from "node:assert/strict";
import { closingLine, readSummary } from "../../tools/dev/test.ts";

Deno.test("readSummary() reads the last summary of deno test", () => {
  const cases = [
    ["ok | 4 passed | 0 failed (12ms)", { passed: 4, failed: 0, skipped: 0 }],
    ["ok | 4 passed (9 steps) | 0 failed | 2 ignored (1s)", { passed: 4, failed: 0, skipped: 2 }],
    ["FAILED | 3 passed | 1 failed (2 steps) | 1 ignored | 5 filtered out (1m12s)", {
      passed: 3,
      failed: 1,
      skipped: 1,
    }],
    ["\x1b[0m\x1b[32mok\x1b[0m | 7 passed | 0 failed \x1b[0m\x1b[38;5;245m(3ms)\x1b[0m", {
      passed: 7,
      failed: 0,
      skipped: 0,
    }],
  ] as const;
  for (const [line, counts] of cases) {
    assert.deepEqual(readSummary(`ok | 99 passed | 0 failed (1ms)\n${line}\n\nerror: x\n`), counts);
  }
});

Deno.test("readSummary() gives undefined where the runner printed no summary", () => {
  assert.equal(readSummary("error: Type checking failed.\n"), undefined);
});

Deno.test("closingLine() names skipped tests only if there are any", () => {
  assert.equal(closingLine({ passed: 3, failed: 0, skipped: 0 }), "3 passed, 0 failed");
  assert.equal(closingLine({ passed: 3, failed: 1, skipped: 2 }), "3 passed, 1 failed, 2 skipped");
});
