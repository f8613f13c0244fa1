/// <reference lib="dom" />

// Written into the page by its source, so it uses nothing outside itself.

/**
 * Shows the values of a figure's marks, their titles, in a line below it: of the nearest mark under the
 * pointer, and by the arrow keys, Home and End once a chart has the focus. A page without scripts shows
 * the titles as the browser does.
 */
export function enlivenFigure(box: HTMLElement): void {
  const said = document.createElement("output");
  said.className = "said";
  box.querySelector(".plot")!.after(said);
  for (const svg of box.querySelectorAll<SVGSVGElement>(".plot svg")) {
    const marks = [...svg.querySelectorAll("title")].map((title) => {
      const mark = title.parentElement as unknown as SVGGraphicsElement;
      const text = title.textContent!;
      title.remove(); // or the browser would show it as well
      return { mark, text };
    });
    if (marks.length === 0) continue;
    let at = -1;
    const show = (index: number) => {
      marks[at]?.mark.classList.remove("now");
      at = index;
      marks[at]?.mark.classList.add("now");
      said.textContent = marks[at]?.text ?? "";
    };
    const rects = () => marks.map(({ mark }) => mark.getBoundingClientRect());
    svg.addEventListener("pointermove", ({ clientX, clientY }) => {
      const away = rects().map(({ left, right, top, bottom }) =>
        Math.hypot(
          Math.max(left - clientX, 0, clientX - right),
          Math.max(top - clientY, 0, clientY - bottom),
        )
      );
      const nearest = away.reduce((best, d, i) => d < (away[best] ?? Infinity) ? i : best, 0);
      show(away[nearest]! <= 30 ? nearest : -1);
    });
    svg.addEventListener("pointerleave", () => show(-1));
    svg.tabIndex = 0;
    svg.setAttribute("aria-description", "The arrow keys say the values of its marks.");
    svg.addEventListener("focus", () => {
      if (!svg.matches(":focus-visible")) return;
      show(Math.max(at, 0));
      said.textContent += " (← → for more)";
    });
    svg.addEventListener("blur", () => show(-1));
    svg.addEventListener("keydown", (event) => {
      const last = marks.length - 1;
      const to = {
        ArrowRight: Math.min(at + 1, last),
        ArrowDown: Math.min(at + 1, last),
        ArrowLeft: Math.max(at - 1, 0),
        ArrowUp: Math.max(at - 1, 0),
        Home: 0,
        End: last,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation(); // JupyterLab moves between cells by the same keys
      show(to);
    });
  }
}

/** The script behind a figure, which finds it as the element before itself. */
export const FIGURE_SCRIPT: string =
  `<script>(()=>{const box=document.currentScript?.previousElementSibling;` +
  `for(const f of box?[box]:document.querySelectorAll(".kpi-figure:not([data-live])"))` +
  `if(!f.dataset.live){f.dataset.live="1";(${enlivenFigure})(f)}})()</script>`;
