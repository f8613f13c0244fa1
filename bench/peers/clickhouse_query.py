"""ClickHouse in process: one SQL query over the files, with the logistic formula. clickhouse_query.py TOPIC MODEL.onnx THRESHOLD"""

import json
import sys
import time

import chdb

from common import FEATURES, V, linear, report

folder, model, threshold = sys.argv[1:4]
weights, intercept = linear(model)
columns = {"event_time": "DateTime64(3, 'UTC')", **{f: "Float64" for f in ["Time", *V, "Amount"]}, "Class": "Int32"}
structure = ", ".join(f"{name} {kind}" for name, kind in columns.items()).replace("'", "\\'")
logit = " + ".join(f"({w!r}) * {f}" for w, f in zip(weights, FEATURES))
began = time.monotonic()
answer = chdb.query(
    f"""
    WITH 1 / (1 + exp(-({logit} + ({intercept!r})))) >= {threshold} AS is_alert
    SELECT toUnixTimestamp(toStartOfMinute(event_time)) * 1000 AS start, count(), countIf(is_alert), countIf(Class = 1),
      countIf(is_alert AND Class = 1), countIf(is_alert AND Class = 0), countIf(NOT is_alert AND Class = 1)
    FROM file('{folder}/*.jsonl', JSONEachRow, '{structure}') GROUP BY start
    SETTINGS max_threads = 2, date_time_input_format = 'best_effort'""",
    "JSONCompactEachRow",
)
windows = [json.loads(line) for line in str(answer).splitlines()]
report(windows, f"{chdb.engine_version}, chdb {chdb.__version__}", began=began)
