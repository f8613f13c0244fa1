import * as Plot from "@observablehq/plot";
import type { StreamingQueryProgress } from "lib";
import { timeOf } from "../lib/core/time.ts";
import { colorAt, GREY } from "./colors.ts";
import { count, type Displayable } from "./display.ts";
import { figure, HIT } from "./figure.ts";
import { position } from "./run.ts";

/** Most boxes of a lane: more are a few pixels wide, and make a page of many MB. */
const MOST_BOXES = 150;

/** Shows the batches before a stop and after the restart on one line of the rows that they read. */
export function restartTimeline(
  before: readonly StreamingQueryProgress[],
  after: readonly StreamingQueryProgress[],
): Displayable {
  const lanes = ["before the stop", "after the restart"];
  const cells = [before, after].map((progress, i) =>
    progress.map(({ batchId, timestamp, sources }) => {
      const [from, to] = [position(sources, "startOffset"), position(sources, "endOffset")];
      const at = timeOf(timestamp);
      const color = i === 0 ? GREY : colorAt(2);
      return { batchId, at, from, to, color, y: lanes[i] };
    })
  );
  const together = Math.max(1, ...cells.map(({ length }) => Math.ceil(length / MOST_BOXES)));
  const boxes = cells.flatMap((lane) =>
    lane.filter((_, i) => i % together === 0).map((cell, i) => {
      const last = lane.slice(i * together, (i + 1) * together).at(-1)!;
      return { ...cell, to: last.to, lastId: last.batchId };
    })
  );
  const most = cells.flat().reduce((end, { to }) => Math.max(end, to), 0);
  const named = boxes.filter(({ from, to }) => to - from >= most / 45); // room for two digits
  const [stop, next] = [cells[0]!.at(-1), cells[1]![0]];
  const box = { x1: "from", x2: "to", y: "y", fill: "color", stroke: "color", inset: 0.5 };
  const marks = [
    Plot.barX(boxes, { ...box, fillOpacity: 0.35 }),
    Plot.text(named, {
      x: ({ from, to }) => (from + to) / 2,
      y: "y",
      text: "batchId",
      fontSize: 10,
    }),
    Plot.ruleX(cells[0]!.slice(-1), { x: "to", strokeDasharray: "4,3" }),
    Plot.barX(boxes, {
      ...box,
      ...HIT,
      title: ({ batchId, lastId, y, from, to }) =>
        `batch ${batchId}${lastId > batchId ? ` to ${lastId}` : ""}, ${y}: rows ${count(from)} to ${
          count(to)
        } (${count(to - from)})`,
    }),
  ];
  const x = { label: "rows of the topic, all partitions" };
  const y = { label: null, tickSize: 0, domain: lanes };
  const says = () => {
    if (!stop || !next) return "no batch before the stop, or none after it";
    const pause = `${count((next.at - stop.at) / 1000, 1)} s`;
    const what = next.batchId === stop.batchId
      ? `batch ${stop.batchId} ran again ${pause} after it had first begun`
      : `batch ${next.batchId} began ${pause} after batch ${stop.batchId}`;
    const gap = next.from - stop.to;
    return `${what}: ${count(Math.max(0, gap))} rows skipped, ${
      count(Math.max(0, -gap))
    } read again`;
  };
  return figure("Did the restart go on where the stop left off?", {
    answers: [{ name: "restart", color: colorAt(2), says: says() }],
    note:
      `A box is ${
        together > 1 ? `${together} batches` : "a batch"
      }, as wide as its rows; wide ones ` +
      "have their id. " +
      "Boxes one above the other: read twice.",
    plots: [{ height: 130, marginLeft: 124, x, y, marks }],
  });
}
