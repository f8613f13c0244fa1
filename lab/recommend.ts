import { seededRandom } from "./random.ts";
import { compareShares } from "./chance.ts";
import type { Count, Sweep } from "./sweep.ts";
import { count, many, percent } from "../view/display.ts";

/** What a user accepts to lose: a share of the transactions, or frauds a day of the rows' own clock. */
export type Accepted = { readonly maxLoss: number } | { readonly maxFraudsPerDay: number };

/** What some windows lose at a delay. */
export interface Loss {
  readonly windows: number;
  readonly rows: number;
  readonly lost: number;
  /** Whether that is no more than is accepted. */
  readonly holds: boolean;
}

/** Delays in ms; null where no delay judged is long enough. */
export interface Recommendation {
  /** The upper end of the interval: what just holds on one recording fails on half of the others. */
  readonly delay: number | null;
  /** The shortest delay that loses no more than is accepted on the windows learnt on. */
  readonly shortest: number | null;
  /** 95% of the resampled recordings ask for a delay from here to `delay`. */
  readonly low: number | null;
  /** The accepted loss as a share of rows. */
  readonly maxLoss: number;
  /** The windows learnt on, and those after them that were final at `delay`: the check. */
  readonly learnt: Loss;
  readonly checked: Loss;
  /** The delay that the later windows would have needed. */
  readonly needed: number | null;
  /** Whether the check was passed, as a few words for a chart. */
  readonly verdict: string;
  readonly words: string;
}

/**
 * Recommends a delay from the first part of a recording (`learn`, of its windows) and checks it on the
 * rest. The interval is a bootstrap by window, since rows of one window are late together.
 *
 * Frauds are few, so what they would lose is not counted but expected: as large a share of them as of
 * all rows. `words` says whether they were late more often than others, beyond chance. Only delays at
 * which all windows learnt on were final are judged: an open window loses nothing yet. Throws a
 * `RangeError` if there is no window.
 */
export function recommend(
  { window, delays, newest, windows, pace }: Sweep,
  { learn = 0.6, resamples = 1000, seed = 1, ...accepted }: Accepted & {
    learn?: number;
    resamples?: number;
    seed?: number;
  },
): Recommendation {
  if (windows.start.length === 0) {
    throw new RangeError(
      "There is nothing to advise from: no row with an event time was read. Publish to the topic first",
    );
  }
  const order = Array.from(windows.start, (_, w) => w);
  const first = order.slice(0, Math.ceil(order.length * learn));
  const all = (name: Count, of: readonly number[] = first) =>
    of.reduce((sum, w) => sum + windows.all[name][w]!, 0);
  const lost = (name: Count, d: number, of: readonly number[] = first) =>
    of.reduce((sum, w) => sum + windows.lost[name][w * delays.length + d]!, 0);
  const span = (windows.start[first.length - 1] ?? 0) - (windows.start[0] ?? 0) + window.size;
  const fraudsPerDay = all("n_fraud_true") / (span * pace) * 86_400_000;
  const maxLoss = "maxLoss" in accepted
    ? accepted.maxLoss
    : Math.min(1, accepted.maxFraudsPerDay / fraudsPerDay);
  const lossOf = (of: readonly number[], d: number): Loss => {
    const [rows, gone] = [all("n_txn", of), lost("n_txn", d, of)];
    return { windows: of.length, rows, lost: gone, holds: gone <= maxLoss * rows };
  };
  const last = newest.at(-1) ?? 0;
  const isFinal = (w: number, d: number) => windows.start[w]! + window.size + delays[d]! <= last;
  const judged = delays.filter((_, d) => first.every((w) => isFinal(w, d))).length;
  /** The loss falls with the delay, so halving finds the first that holds; `judged` if none does. */
  const shortest = (of: readonly number[]): number => {
    let [low, high] = [0, judged];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lossOf(of, middle).holds) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const later = (d: number) => order.slice(first.length).filter((w) => isFinal(w, d));
  const random = seededRandom(seed);
  const draws = Int32Array.from(
    { length: resamples },
    () => shortest(first.map(() => first[Math.floor(random() * first.length)]!)),
  ).sort();
  const ms = (d: number) => d < judged ? delays[d]! : null;
  const upper = Math.max(shortest(first), draws[Math.ceil(resamples * 0.975) - 1]!);
  const d = Math.max(0, Math.min(upper, judged - 1));
  const found = {
    delay: ms(upper),
    shortest: ms(shortest(first)),
    low: ms(draws[Math.floor(resamples * 0.025)]!),
    maxLoss,
    learnt: lossOf(first, d),
    checked: lossOf(later(d), d),
    needed: delays.find((_, d) => lossOf(later(d), d).holds) ?? null,
  };
  const [frauds, lateFrauds] = [all("n_fraud_true"), lost("n_fraud_true", 0)];
  const comparison = compareShares(
    { hits: lateFrauds, of: frauds },
    { hits: lost("n_txn", 0) - lateFrauds, of: all("n_txn") - frauds },
  );
  const basis = "maxLoss" in accepted
    ? ""
    : ` At ${count(fraudsPerDay)} frauds a day${
      pace === 1 ? "" : " by the field \`Time\`"
    } that is ` +
      `${
        percent(maxLoss)
      } of them, if they come as late as other rows. Late without any delay, frauds ` +
      `against other rows: ${comparison.words}.`;
  const words = wordsOf(found, accepted, ms(judged - 1) ?? 0) + basis;
  return { ...found, verdict: verdictOf(found), words };
}

type Found = Omit<Recommendation, "words" | "verdict">;

function verdictOf({ checked, needed }: Found): string {
  if (checked.windows === 0) return "not checked: no later window was final";
  const more = needed === null ? "no delay was enough" : `${needed / 1000} s was needed`;
  return checked.holds ? "passed its check" : `failed its check: ${more}`;
}

function wordsOf(
  { delay, shortest, low, learnt, checked, needed }: Found,
  accepted: Accepted,
  longest: number,
): string {
  const goal = "maxLoss" in accepted
    ? `${percent(accepted.maxLoss)} of transactions`
    : `${many(accepted.maxFraudsPerDay, "fraud")} a day`;
  if (delay === null) {
    return `No delay up to ${longest / 1000} s surely loses at most ${goal} in the first ` +
      `${learnt.windows} windows: accept more, or record for longer to judge longer delays.`;
  }
  const loss = ({ lost, rows }: Loss) =>
    `${count(lost)} of ${count(rows)} rows (${percent(lost / rows)})`;
  const [wait, windows] = [`${delay / 1000} s`, `${learnt.windows} windows`];
  const margin = shortest === delay
    ? `which is also just enough for them as they are, so there is no margin in it`
    : `${shortest! / 1000} s is just enough for them as they are`;
  return `To lose at most ${goal}, wait ${wait}: the upper end of what resampling the first ${windows} ` +
    `asks for, ${low! / 1000} s to ${wait} (95%); ${margin}. At ${wait} they lose ${
      loss(learnt)
    }. ` +
    (checked.windows === 0
      ? "No later window was final by then, so nothing checks it."
      : `The next ${checked.windows} windows, not learnt from, lose ${loss(checked)}: ` +
        (checked.holds
          ? "it held."
          : needed === null
          ? "it did not hold, and no delay tried would have."
          : `it did not hold, they needed ${needed / 1000} s.`));
}
