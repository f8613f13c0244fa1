/** The Gregorian calendar repeats after 400 years. */
const CYCLE_MS = 146_097 * 86_400_000;
const MAX_DATE_MS = 8.64e15;

/**
 * Writes epoch milliseconds as ISO 8601 in UTC, as `Date.toISOString` does, and in all years that an event time can
 * have: a `Date` ends in the year 275760, Spark's timestamps in 294247.
 */
export function isoText(ms: number): string {
  const beyond = Math.max(0, Math.abs(ms) - MAX_DATE_MS);
  const cycles = Math.sign(ms) * Math.ceil(beyond / CYCLE_MS);
  const text = new Date(ms - cycles * CYCLE_MS).toISOString();
  return cycles === 0 ? text : text.replace(/^[+-]\d{6}/, (year) => {
    const far = Number(year) + 400 * cycles;
    return `${far < 0 ? "-" : "+"}${String(Math.abs(far)).padStart(6, "0")}`;
  });
}

/** Writes epoch milliseconds as ISO 8601 in UTC; beyond the years of `Date`, its last instant. */
export function isoTime(ms: number): string {
  const bounded = Math.max(-MAX_DATE_MS, Math.min(MAX_DATE_MS, ms));
  return new Date(bounded).toISOString().replace(/^\+0*/, "");
}

/** Reads what `isoTime` wrote: epoch milliseconds; NaN if there is nothing to read. */
export function timeOf(iso: string | null | undefined): number {
  return Date.parse((iso ?? "").replace(/^\d{5,6}-/, (year) => `+${year.padStart(7, "0")}`));
}
