/** For what belongs to no watermark. Like all colours here at least 3:1 on white and on #111. */
export const GREY = "#808080";
const COLORS = ["#d55e00", "#0072b2", "#00876a", "#a35fa8", "#8a7400", "#6b6fd6", "#c2487a"];

/** Returns the colour of a run by its place among the runs, from 0; the first seven differ. */
export function colorAt(position: number): string {
  return COLORS[position % COLORS.length]!;
}
