/** Writes a share as a percentage with two digits that count: what is lost is often less than 0.1%. */
export function percent(share: number): string {
  return Number.isFinite(share)
    ? `${Number((share * 100).toPrecision(share < 0.01 ? 2 : 3))}%`
    : "–";
}
