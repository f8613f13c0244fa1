"""DuckDB: one SQL query over the files, with the logistic formula. duckdb_query.py TOPIC MODEL.onnx THRESHOLD"""

import glob
import sys
import time

import duckdb

from common import FEATURES, V, linear, report

folder, model, threshold = sys.argv[1:4]
weights, intercept = linear(model)
columns = {"event_time": "TIMESTAMP", "Time": "DOUBLE", **{v: "DOUBLE" for v in V}, "Amount": "DOUBLE", "Class": "INTEGER"}
logit = " + ".join(f"{w!r} * {f}" for w, f in zip(weights, FEATURES))
files = sorted(glob.glob(f"{folder}/*.jsonl"))
began = time.monotonic()
connection = duckdb.connect(config={"threads": 2})
windows = connection.execute(
    f"""
    WITH scored AS (
      SELECT event_time, Class, (1 / (1 + exp(-({logit} + {intercept!r}))) >= {threshold})::INTEGER AS is_alert
      FROM read_json(?, format = 'newline_delimited', columns = {columns}))
    SELECT epoch_ms(date_trunc('minute', event_time)), count(*), sum(is_alert), count_if(Class = 1),
      count_if(is_alert = 1 AND Class = 1), count_if(is_alert = 1 AND Class = 0), count_if(is_alert = 0 AND Class = 1)
    FROM scored GROUP BY 1""",
    [files],
).fetchall()
report(windows, duckdb.__version__, began=began)
