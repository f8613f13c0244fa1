/** Behind what stays in place while a table scrolls: the page of the report, of JupyterLab, of VS Code. */
export const PAGE = "var(--jp-layout-color0,var(--vscode-editor-background,Canvas))";

/**
 * How tables look. It goes with each of them, since an output has no other style sheet that holds in
 * JupyterLab, in VS Code and in the exported report alike; their widths are those of the output.
 */
export const TABLE_STYLE =
  `<style>.kpi-table{container-type:inline-size;overflow-x:auto;margin:0 0 1em}
.kpi-table table{border-collapse:collapse;table-layout:auto;margin:0;font-size:13px;line-height:1.4;font-variant-numeric:tabular-nums}
.kpi-table :is(table,caption,tr,th,td){color:inherit;background:none;border:0}
.kpi-table caption{caption-side:top;text-align:left;padding:0 0 6px;font-weight:600}
.kpi-table caption span{position:sticky;left:0;display:inline-block;max-width:100cqw;white-space:normal}
.kpi-table :is(th,td){padding:3px 10px;text-align:left;white-space:nowrap;font-weight:400;vertical-align:top}
.kpi-table td.w{white-space:normal;min-width:14em}
.kpi-table .n{text-align:right;print-color-adjust:exact}
.kpi-table tr>th:first-child{position:sticky;left:0;z-index:1;background:${PAGE}}
.kpi-table :is(thead,tfoot) *{font-weight:600}.kpi-table tbody tr{border-bottom:1px solid #7f7f7f4d}
.kpi-table thead tr{border-bottom:1px solid}.kpi-table tfoot tr{border-top:1px solid}
.kpi-table button{all:unset;cursor:pointer;font:inherit;color:inherit}.kpi-table button:focus-visible{outline:2px solid #0072b2}
.kpi-table th[aria-sort] button::after{content:" ↑"}.kpi-table th[aria-sort=descending] button::after{content:" ↓"}
.kpi-table td button{text-decoration:underline dotted;text-underline-offset:3px;padding:4px 8px;margin:-4px -8px}.kpi-table td button[aria-expanded=true]{text-decoration:underline 2px}
.kpi-table .behind{position:sticky;left:0;width:100cqw;margin-top:6px}.kpi-table .behind:empty{margin:0}
.kpi-table .csv{position:sticky;left:0;font-size:11px;line-height:24px;text-decoration:underline dotted;padding:0 10px;outline-offset:-2px}
.kpi-table tbody tr.m{background:#009e7333}
.kpi-table tr.m>th:first-child{background:linear-gradient(#009e7333 0 0),${PAGE};box-shadow:inset 3px 0 #009e73}
@container (min-width:641px){.kpi-table caption span{width:max-content;max-width:min(60em,100cqw - 5em);margin-right:-60em}}
@container (max-width:640px){.kpi-table table{font-size:12px}.kpi-table :is(th,td){padding:3px 6px}}
@media print{.kpi-table{overflow:visible;break-inside:avoid;container-type:normal}.kpi-table tfoot{display:table-row-group}
.kpi-table caption span{max-width:none}.kpi-table tr>th:first-child{position:static}.kpi-table .csv{display:none}
.kpi-table th button{display:contents}.kpi-table td button{text-decoration:none}
.kpi-table table{font-size:10px}.kpi-table :is(th,td){padding:2px 5px}}</style>`;

/**
 * The attributes of what only a style shows. JupyterLab takes styles and drawings out of a notebook that is
 * not trusted and leaves their letters, which would stand there as a heap.
 */
export const SHOWN_BY_STYLE = 'hidden="hidden" data-drawn="1"';

/** How figures look, as `TABLE_STYLE`. */
export const FIGURE_STYLE =
  `<style>.kpi-figure{container-type:inline-size;margin:0 0 1.5em;max-width:760px;color:inherit;break-inside:avoid}
.kpi-figure>b{display:block;font-size:16px;font-weight:600;margin-bottom:4px}
.kpi-figure>div{font-size:13px;margin-bottom:8px}.kpi-figure>.plot{overflow-x:auto;margin:0}.kpi-figure>[data-drawn]{display:block!important}
.kpi-figure svg{max-width:100%;height:auto}.kpi-figure .said{display:block;min-height:1.5em;font-size:12px;font-variant-numeric:tabular-nums}
.kpi-figure svg:focus{outline:none}.kpi-figure svg:focus-visible{outline:2px solid #0072b2}.kpi-figure .now{stroke:currentColor;stroke-width:1.5}
.kpi-figure figcaption{font-size:12px;margin-top:4px}
@container (max-width:640px){.kpi-figure svg{font-size:14px!important}}
@container (max-width:480px){.kpi-figure svg{min-width:600px}}
@media print{.kpi-figure .said{display:none}.kpi-figure{container-type:normal}}</style>`;
