import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { type Displayable, jupyterDisplay, paragraphs } from "../../view/display.ts";
import { Report } from "../../view/report.ts";

const textOf = (shown: Displayable) => shown[jupyterDisplay]()["text/plain"];

interface Parameters {
  readonly delay: number;
}

/** A page of a topic, two runs of it and nothing else; `answers` is what stood at its top. */
function page() {
  const answers: string[] = [];
  const show = (answer: Displayable) => Promise.resolve(answers.push(textOf(answer)));
  const report = new Report({ show });
  const begin = (delay: number) =>
    report.begin((): Parameters => {
      if (delay < 0) throw new RangeError("delay should be 0 or more");
      return { delay };
    }, () => ({ topic: "1", first: "2", second: "3" }));
  const make = async () => {
    await report.part("topic", () => "made");
    for (const name of ["first", "second"]) {
      await report.part(name, () => "made", { needs: ["topic"] });
    }
  };
  return { report, answers, begin, make };
}

Deno.test("a page whose parts were all made says what it has", async () => {
  const { report, answers, begin, make } = page();
  await begin(30);
  await make();
  report.check();
  await report.answer(() => paragraphs(["All is well."]));
  equal(answers.at(-1), "All is well.");
  equal(report.valueOf("first"), "made");
});

Deno.test("a part made with other parameters is refused by name, with its section and what differed", async () => {
  const { report, answers, begin, make } = page();
  await begin(30);
  await make();
  await begin(60);
  match(answers.at(-1)!, /when the last cell has run/, "the old answer is taken back");
  await report.part("topic", () => "made");
  deepEqual(report.problems(), [
    'first was made with other parameters (delay was 30): run section "2" again.',
    'second was made with other parameters (delay was 30): run section "3" again.',
  ]);
  throws(() => report.check(), /not complete.*delay was 30/);
  match(textOf(report.show(() => paragraphs(["old"]))), /Nothing is shown here.*run section "2"/);
  equal(report.valueOf("first"), undefined);
  await begin(30); // what was made with these holds again, but for the topic
  deepEqual(report.problems().length, 1);
});

Deno.test("wrong parameters leave none: nothing is shown, made or answered", async () => {
  const { report, answers, begin, make } = page();
  await begin(30);
  await make();
  await rejects(begin(-1), RangeError);
  match(answers.at(-1)!, /There are no valid parameters/);
  throws(() => report.check(), /no valid parameters/);
  await rejects(report.part("topic", () => "made"), /no valid parameters/);
  equal(report.valueOf("first"), undefined);
});

Deno.test("a part that fails is forgotten, and what needs it names the cause once", async () => {
  const { report, begin, make } = page();
  await begin(30);
  await make();
  await rejects(
    report.part("topic", () => Promise.reject(new Error("no broker\n  at x"))),
    /no broker/,
  );
  await rejects(
    report.part("first", () => "made", { needs: ["topic"] }),
    /topic failed \(no broker\)/,
  );
  deepEqual(report.problems(), ['topic failed (no broker): run section "1" again.']);
  await report.part("topic", () => "made");
  deepEqual(report.problems(), ['first is not made yet: run section "2" again.']);
});

Deno.test("a part that was interrupted may be looked at, but nothing is concluded from it", async () => {
  const { report, begin, make } = page();
  await begin(30);
  await make();
  await report.part("first", () => ({ interrupted: "after 3 of 9 rows" }));
  match(report.problems({ of: ["first"] })[0]!, /first was interrupted after 3 of 9 rows/);
  deepEqual(report.problems({ of: ["first"], mayBeInterrupted: true }), []);
  throws(() => report.check(), /interrupted/);
});

Deno.test("a part beside the sections counts while the parameters hold, and is dropped with them", async () => {
  const { report, begin, make } = page();
  await begin(30);
  await make();
  await rejects(report.part("third", () => Promise.reject(new Error("oh"))));
  match(report.problems()[0]!, /third failed \(oh\): run its cell again/);
  await begin(60);
  await make();
  report.check();
});

Deno.test("a page that begins anew has nothing of the page before, and no parameters", async () => {
  const { report, begin, make } = page();
  await begin(30);
  await make();
  report.restart();
  deepEqual(report.problems(), [
    "There are no valid parameters: mend the parameters cell and run it, then all below it.",
  ]);
  await begin(30);
  match(report.problems({ of: ["first"] }).join(), /^first is not made yet/);
});

Deno.test("what a cell defines holds with any parameters, until the page begins anew", async () => {
  const { report, begin } = page();
  await begin(30);
  await rejects(report.part("topic", () => "made", { needs: ["first"] }), /first is not made yet/);
  report.define("first");
  await begin(60);
  equal(await report.part("topic", () => "made", { needs: ["first"] }), "made");
  report.restart();
  await begin(60);
  match(report.problems({ of: ["first"] }).join(), /^first is not made yet: run section "2" again/);
});
