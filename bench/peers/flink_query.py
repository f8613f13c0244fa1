"""Apache Flink: one SQL query with the logistic formula. flink_query.py PLACE MODEL.onnx THRESHOLD ROWS

PLACE is a folder of JSON lines, read in batch mode, or a Kafka bootstrap address, whose topic streams under the
watermark. KAFKA_JAR is the connector.
"""

import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment

from common import FEATURES, V, linear, report

place, model, threshold = sys.argv[1:4]
weights, intercept = linear(model)
streams = not Path(place).is_dir()
if streams:
    connector = f"""'connector' = 'kafka', 'topic' = 'transactions', 'properties.bootstrap.servers' = '{place}',
      'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'"""
else:
    connector = f"""'connector' = 'filesystem', 'path' = '{Path(place).as_uri()}',
      'source.path.regex-pattern' = '.*[.]jsonl'"""
mode = EnvironmentSettings.in_streaming_mode if streams else EnvironmentSettings.in_batch_mode
table = TableEnvironment.create(mode())
settings = {"parallelism.default": "2", "table.local-time-zone": "UTC", "rest.bind-address": "127.0.0.1"}
if streams:
    settings["pipeline.jars"] = Path(os.environ["KAFKA_JAR"]).as_uri()
for key, value in settings.items():
    table.get_config().set(key, value)
doubles = ", ".join(f"{name} DOUBLE" for name in ["`Time`", *V, "Amount"])
logit = " + ".join(f"({w!r}) * {f}" for w, f in zip(weights, FEATURES))
began = time.monotonic()
table.execute_sql(f"""
    CREATE TABLE transactions (event_time TIMESTAMP_LTZ(3), {doubles}, Class INT,
      WATERMARK FOR event_time AS event_time - INTERVAL '30' SECOND)
    WITH ({connector}, 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')""")
windows = table.execute_sql(f"""
    WITH scored AS (
      SELECT event_time, Class, 1 / (1 + EXP(-({logit} + ({intercept!r})))) >= {threshold} AS is_alert
      FROM transactions)
    SELECT 1000 * UNIX_TIMESTAMP(DATE_FORMAT(window_start, 'yyyy-MM-dd HH:mm:ss')), COUNT(*), COUNT(*) FILTER (WHERE is_alert),
      COUNT(*) FILTER (WHERE Class = 1), COUNT(*) FILTER (WHERE is_alert AND Class = 1),
      COUNT(*) FILTER (WHERE is_alert AND Class = 0), COUNT(*) FILTER (WHERE NOT is_alert AND Class = 1)
    FROM TABLE(TUMBLE(TABLE scored, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end""")
with windows.collect() as rows:
    report([list(row) for row in rows], version("apache-flink"), began=began)
