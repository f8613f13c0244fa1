import { equal } from "node:assert/strict";
import { isoTime, timeOf } from "../../lib/core/time.ts";

Deno.test("timeOf() reads what isoTime() writes, in any year", () => {
  for (const ms of [0, -1, 1_704_103_200_123, 253_402_300_800_000, 8.64e15, -8.64e15, -6.3e13]) {
    equal(timeOf(isoTime(ms)), ms);
  }
  for (const nothing of [null, undefined, "", "noon"]) equal(timeOf(nothing), NaN);
});
