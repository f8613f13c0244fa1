"""What from_spark.py promises beyond the two example models, checked on small cases; prints how many."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "models"))
import from_spark  # noqa: E402

checked = 0
random = np.random.default_rng(7)
for limit in [*random.normal(0, 5, 2000), *random.normal(0, 500, 2000), 0.0, 1.0, np.float64(np.float32(0.1)), 0.1]:
    split = from_spark.threshold(limit, 0.0, 1.0)
    assert split == np.float32(split)
    near = np.float32(limit)
    steps = [np.nextafter(near, np.float32("-inf")), near, np.nextafter(near, np.float32("inf"))]
    for value in steps:  # float32 values around the threshold go to the side that Spark's doubles go to
        assert (float(value) <= float(limit)) == (value <= np.float32(split)), (value, limit)
        checked += 1

for limit, shift, scale in zip(random.normal(0, 2, 500), random.normal(0, 9, 500), random.uniform(0.1, 9, 500)):
    split = from_spark.threshold(limit, shift, scale)
    for value in np.float32([split - 1e-3, split + 1e-3]):
        assert ((float(value) - shift) * scale <= limit) == (value <= np.float32(split))
        checked += 1
assert from_spark.threshold(0.5, 3.0, 0.0) == np.inf and from_spark.threshold(-0.5, 3.0, 0.0) == -np.inf

full = np.arange(1.0, 7.0).reshape(2, 3)
given = {"type": 1, "numRows": 2, "numCols": 3, "isTransposed": False, "values": full.flatten("F")}
by_column = {**given, "type": 0, "colPtrs": [0, 2, 4, 6], "rowIndices": [0, 1] * 3}
by_row = {**given, "type": 0, "isTransposed": True, "values": full.flatten(), "colPtrs": [0, 3, 6], "rowIndices": [0, 1, 2] * 2}
for form in (given, {**given, "isTransposed": True, "values": full.flatten()}, by_column, by_row):
    assert np.array_equal(from_spark.matrix(form), full), form
    checked += 1
assert np.array_equal(from_spark.dense({"type": 0, "size": 4, "indices": [1, 3], "values": [5.0, 6.0]}), [0, 5, 0, 6])
print(f"{checked} cases")
