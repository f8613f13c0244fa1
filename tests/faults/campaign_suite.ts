import { equal } from "node:assert/strict";
import { join } from "node:path";
import { readFile } from "../../lib/files.ts";
import { missingTools } from "../../tools/kafka/install.ts";
import { runHistory, type Told, type Way, WAYS } from "./campaign.ts";
import { nameOf } from "./campaign_settings.ts";
import { inWorker } from "./in_worker.ts";
import { openKafkaTopics } from "./kafka.ts";
import { SAME } from "./kills.ts";
import { type FaultTable, inMemory } from "./program.ts";

const WORKER = new URL("./campaign_worker.ts", import.meta.url);

export type CampaignShares = Readonly<Record<Way, number>>;

export interface CampaignOptions {
  readonly dir: string;
  readonly table: FaultTable;
  readonly seed: number;
  readonly kills: number;
  /** Where histories are told as they end; those that are there already are not run again. */
  readonly log?: string;
  /** How the kills are divided; without kills of the program there is no Kafka either. */
  readonly shares?: CampaignShares;
}

/** Of all kills, those of the program at an effect, and those of `deno task kpi` at a time. */
const SHARES: CampaignShares = {
  [WAYS[0]]: 0.97,
  [WAYS[1]]: 0.02,
  [WAYS[2]]: 0.01,
};

/** What a worker is asked for: kills, in histories of the seeds `seed`, `seed + step` and so on. */
export interface CampaignPart {
  readonly dir: string;
  readonly way: Way;
  readonly kills: number;
  readonly seed: number;
  readonly step: number;
  /** Seeds of histories that were run before. */
  readonly done: readonly number[];
  readonly bootstrap: string | undefined;
}

/** Kills so often, on all processors, and tells how far it is. */
export async function campaignSuite(
  { dir, table, seed, kills, log, shares = SHARES }: CampaignOptions,
): Promise<void> {
  const before = log === undefined ? [] : await readTold(log);
  const left = (way: Way) =>
    before.reduce((sum, told) => told.way === way ? sum - told.kills : sum, kills * shares[way]);
  const missing = shares[WAYS[0]] < 1 ? await missingTools() : undefined;
  const withKafka = shares[WAYS[0]] < 1 && WAYS.some((way) => left(way) > 0) && !missing;
  const kafka = withKafka ? await openKafkaTopics(dir) : undefined;
  if (missing) table.add("kills, Kafka", `SKIPPED: ${missing}`);
  const wrong: string[] = [];
  const began = performance.now();
  let [sum, shown, histories] = [0, 0, 0];
  const add = (told: Told) => {
    if (log !== undefined) {
      Deno.writeTextFileSync(log, `${JSON.stringify(told)}\n`, { append: true });
    }
    count(told);
  };
  const count = (told: Told) => {
    histories++;
    sum += told.kills;
    addRows(table, told);
    if (told.wrong !== undefined) wrong.push(told.wrong), console.error(told.wrong);
    if (sum < shown + 500 && sum < kills) return;
    shown = sum;
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    console.error(
      `${sum} of ${kills} kills in ${histories} histories, ${seconds} s, ${wrong.length} wrong`,
    );
  };
  try {
    const workers = navigator.hardwareConcurrency;
    before.forEach(count);
    const part = { dir, bootstrap: kafka?.bootstrap, done: before.map(({ seed }) => seed) };
    // Not at once with the others: a process that is being started shares all open files, and so holds their locks, for a moment.
    for (const [i, way] of WAYS.slice(1).entries()) {
      const first = seed * 1_000_000 + (i + 1) * 300_000;
      await killSome({ ...part, way, kills: left(way), seed: first, step: 1 }, add);
    }
    await inMemory(async (dir) => { // what is in a page cache outlives a process
      const most = Math.ceil(left(WAYS[0]) / workers);
      await Promise.all(Array.from({ length: workers }, (_, i) => {
        const way = { ...part, dir, way: WAYS[0], kills: most, step: workers };
        return inWorker(WORKER, { ...way, seed: seed * 1_000_000 + i }, add);
      }));
    });
  } finally {
    await kafka?.close();
  }
  equal(wrong.join("\n"), "");
}

/** Runs histories until there are so many kills. */
export async function killSome(
  { dir, way, kills, seed, step, done, bootstrap }: CampaignPart,
  add: (told: Told) => void,
): Promise<void> {
  const { warn } = console;
  if (way === WAYS[0]) console.warn = () => {}; // that a lock was taken over
  try {
    for (let [sum, next] = [0, seed]; sum < kills; next += step) {
      if (done.includes(next)) continue;
      const told = await runHistory({ dir: join(dir, String(next)), way, seed: next, bootstrap });
      sum += told.kills;
      add(told);
      if (told.wrong !== undefined && told.kills === 0) throw new Error(told.wrong);
    }
  } finally {
    console.warn = warn;
  }
}

function addRows(table: FaultTable, { way, source, drawn, kills, wrong }: Told): void {
  const outcome = wrong === undefined ? SAME : "WRONG";
  table.add(`${way}, ${source}, ${nameOf(drawn)}`, outcome, kills);
  const with_ = {
    "rejected and late rows kept": drawn.keepsAside,
    "alerts kept": drawn.keepsAlerts,
    "windows that overlap": drawn.slide !== undefined,
    "a group a row": drawn.keys.includes("number:integer"),
    "at most 5 batches retained": drawn.retained <= 5,
  };
  for (const [name, is] of Object.entries(with_)) {
    if (is) table.add(`of all these: ${name}`, outcome, kills);
  }
}

async function readTold(log: string): Promise<Told[]> {
  const text = await readFile(log) ?? "";
  return text.split(/(?<=\n)/).filter((line) => line.endsWith("\n")).map((line) =>
    JSON.parse(line)
  );
}
