import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { InferenceSession } from "onnxruntime-node";
import pl from "polars";
import type { NumberColumn } from "../../lib/core/types.ts";
import { OnnxModel } from "../../lib/model/onnx.ts";
import reference from "../../models/reference.json" with { type: "json" };
import summary from "../../models/model_selection_summary.json" with { type: "json" };
import { LR_FILE, MODELS, NAMES, withModel } from "./models.ts";

const RECORDING = new URL("../../data/transactions_60k.parquet", import.meta.url);

/** Turns rows of features into columns; a null becomes a null. */
function toColumns(rows: readonly (readonly (number | null)[])[]): Record<string, NumberColumn> {
  return Object.fromEntries(reference.features.map((name, i) => {
    const nulls = Uint8Array.from(rows, (row) => row[i] === null ? 1 : 0);
    // A null's value is not meant to be read: 7 would be a plausible feature.
    const values = Float64Array.from(rows, (row) => row[i] ?? 7);
    return [name, { values, nulls, nullCount: nulls.reduce((a, b) => a + b, 0) }];
  }));
}

const REFERENCE_COLUMNS = toColumns(reference.rows.map((row) => row.features));

Deno.test("score() gives a row the same bits in a batch of any size", async () => {
  const recording = pl.readParquet(fileURLToPath(RECORDING));
  const part = (from: number, length: number) =>
    Object.fromEntries(reference.features.map((name): [string, NumberColumn] => {
      const values = Float64Array.from(recording.getColumn(name).slice(from, length).toArray());
      return [name, { values, nulls: new Uint8Array(length), nullCount: 0 }];
    }));
  const rows = 3_000;
  for (const name of NAMES) {
    await withModel(name, async (model) => {
      const { probabilities } = await model.score(part(0, rows), rows);
      for (const size of [2, 17, 60, 1_000]) { // alone, a row may differ: its product is another kind
        for (let from = 0; from < Math.min(rows, 20 * size); from += size) {
          const alone = await model.score(part(from, size), size);
          assert.deepEqual(alone.probabilities, probabilities.slice(from, from + size));
        }
      }
    });
  }
});

Deno.test("score() gives scikit-learn's own probabilities within 1e-6", async () => {
  assert.ok(reference.rows.length >= 24, "a reference of a few dozen rows");
  for (const name of NAMES) {
    await withModel(name, async (model) => {
      assert.deepEqual([...model.features], reference.features);
      const scores = await model.score(REFERENCE_COLUMNS, reference.rows.length);
      assert.equal(scores.unscored, 0);
      for (const [i, row] of reference.rows.entries()) {
        const difference = Math.abs(scores.probabilities[i]! - row.probability[name]);
        assert.ok(difference <= 1e-6, `${name}, row ${row.row}: off by ${difference}`);
      }
    });
  }
});

Deno.test("score() of the whole recording gives the counts of the model card", async () => {
  const recording = pl.readParquet(fileURLToPath(RECORDING));
  const [from, to] = summary.split.recording.rows as [number, number];
  assert.equal(recording.height, to - from);
  const columns = Object.fromEntries(
    reference.features.map((name): [string, NumberColumn] => {
      const values = Float64Array.from(recording.getColumn(name).toArray());
      return [name, { values, nulls: new Uint8Array(values.length), nullCount: 0 }];
    }),
  );
  for (const { row, features } of reference.rows) {
    const streamed = reference.features.map((name) => columns[name]!.values[row]);
    assert.deepEqual(streamed, features.map(Math.fround), `row ${row} of the recording`);
  }
  const fraud = recording.getColumn("Class").toArray();
  for (const name of NAMES) {
    await withModel(name, async (model) => {
      const expected = summary.metrics[name].recording;
      const { probabilities } = await model.score(columns, recording.height);
      const counts = { tp: 0, fp: 0, fn: 0 };
      for (const [row, p] of probabilities.entries()) {
        if (p >= expected.threshold) counts[fraud[row] === 1 ? "tp" : "fp"]++;
        else if (fraud[row] === 1) counts.fn++;
      }
      assert.deepEqual(counts, { tp: expected.tp, fp: expected.fp, fn: expected.fn });
    });
  }
});

Deno.test("score() leaves a row with a null or NaN feature unscored, and its neighbours alone", async () => {
  const rows: (number | null)[][] = reference.rows.slice(0, 5).map((row) => [...row.features]);
  rows[1]![13] = null;
  rows[3]![28] = NaN;
  for (const name of NAMES) {
    await withModel(name, async (model) => {
      const plain = await model.score(REFERENCE_COLUMNS, 5);
      const scores = await model.score(toColumns(rows), 5);
      assert.equal(scores.unscored, 2);
      assert.deepEqual([...scores.unscoredRows], [0, 1, 0, 1, 0]);
      const expected = plain.probabilities.map((p, i) => i % 2 ? 0 : p);
      assert.deepEqual(scores.probabilities, expected);
    });
  }
});

Deno.test("score() gives infinite features to the model, and counts a row it answers with NaN", async () => {
  // Of the regression's sum, +infinity from V1 and -infinity from V4 leave NaN.
  const rows = [0, 1, 2].map(() => Array<number>(29).fill(0));
  rows[0]![28] = Infinity;
  rows[1]![0] = rows[1]![3] = Infinity;
  await withModel("Logistic Regression", async (model) => {
    const scores = await model.score(toColumns(rows), 3);
    assert.equal(scores.probabilities[0], 1);
    assert.equal(scores.probabilities[1], 0);
    assert.deepEqual([...scores.unscoredRows], [0, 1, 0]);
    assert.equal(scores.unscored, 1);
  });
  // A tree sends -infinity where it sends any value below all of its thresholds.
  const low = [-Infinity, -1e30].map((v14) =>
    Array.from({ length: 29 }, (_, i) => i === 13 ? v14 : 0)
  );
  await withModel("Random Forest", async (model) => {
    const { probabilities, unscored } = await model.score(toColumns(low), 2);
    assert.equal(unscored, 0);
    assert.equal(probabilities[0], probabilities[1]);
    assert.ok(probabilities[0]! > 0);
  });
});

Deno.test("score() runs the session once a batch, and not at all for an empty one", async () => {
  const other = await InferenceSession.create(await Deno.readFile(new URL(LR_FILE, MODELS)));
  const prototype: { run: (...args: unknown[]) => unknown } = Object.getPrototypeOf(other);
  await other.release();
  const run = prototype.run;
  let runs = 0;
  prototype.run = function (...args) {
    runs++;
    return run.apply(this, args);
  };
  try {
    await withModel("Logistic Regression", async (model) => {
      assert.deepEqual(await model.score(toColumns([]), 0), {
        probabilities: new Float64Array(0),
        unscored: 0,
        unscoredRows: new Uint8Array(0),
      });
      assert.equal(runs, 0);
      await model.score(REFERENCE_COLUMNS, reference.rows.length);
      assert.equal(runs, 1);
    });
  } finally {
    prototype.run = run;
  }
});

Deno.test("score() names the column that the schema lacks or holds as text", async () => {
  const { V17: _, ...without } = REFERENCE_COLUMNS;
  const asText = { ...REFERENCE_COLUMNS, V17: { values: ["0.5"], nullCount: 0 } };
  await withModel("Logistic Regression", async (model) => {
    for (const columns of [without, asText]) {
      await assert.rejects(model.score(columns, 1), { name: "TypeError", message: /"V17"/ });
    }
  });
});

Deno.test("close() releases the session", async () => {
  const model = await OnnxModel.load(fileURLToPath(new URL(LR_FILE, MODELS)));
  await model.score(REFERENCE_COLUMNS, 1);
  await model.close();
  await assert.rejects(model.score(REFERENCE_COLUMNS, 1), /disposed/);
});
