import { deepEqual, equal } from "node:assert/strict";
import { KpiRun } from "../../tools/kpi/kpi_run.ts";
import { fit } from "../../tools/status_line.ts";

Deno.test("fit() keeps whole fields from the first on", () => {
  const cases = [
    [["rows 12", "late 3", "open 4"], 23, "rows 12  late 3  open 4"],
    [["rows 12", "late 3", "open 4"], 22, "rows 12  late 3"],
    [["rows 12", "late 3333333", "open 4"], 16, "rows 12"], // no field is skipped
    [["rows 12"], 4, "rows"],
    [[], 79, ""],
  ] as const;
  for (const [fields, columns, line] of cases) equal(fit(fields, columns), line);
});

Deno.test("80 columns show how far kpi is, what it is behind, its watermark and the late rows", () => {
  const run = new KpiRun();
  const offsets = (n: number) => ({ transactions: { "0": n } });
  run.add(
    {
      batchId: 40,
      numInputRows: 1_200_000,
      eventTime: { watermark: "2024-01-01T10:19:27.000Z" },
      rows: {
        malformed: 0,
        total: { read: 1_200_000, counted: 0, late: 3850, rejected: 12, open: 0 },
      },
      stateOperators: [{ numRowsTotal: 4 }],
      sources: [{ endOffset: offsets(1_200_000), latestOffset: offsets(1_500_000) }],
      sink: { numOutputRows: 0 },
    } as unknown as Parameters<KpiRun["add"]>[0],
  );
  const fields = run.status().map((field) => field.replace(/^[\d.]+\/s$/, "450000/s"));
  deepEqual(fit(fields, 79).split("  "), [
    "1200000 rows",
    "450000/s",
    "behind 300000",
    "watermark 2024-01-01T10:19:27",
    "late 3850",
  ]);
});
