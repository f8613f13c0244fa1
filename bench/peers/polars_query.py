"""Polars: one lazy query over the files, with the logistic formula. polars_query.py TOPIC MODEL.onnx THRESHOLD"""

import sys
import time

import polars as pl

from common import FEATURES, V, linear, report

folder, model, threshold = sys.argv[1:4]
weights, intercept = linear(model)
doubles = {name: pl.Float64 for name in ["Time", *V, "Amount"]}
schema = {"event_time": pl.String, **doubles, "Class": pl.Int32}
began = time.monotonic()
logit = sum((pl.col(f) * w for f, w in zip(FEATURES, weights)), pl.lit(intercept))
alert, fraud = pl.col("is_alert"), pl.col("Class") == 1
windows = (
    pl.scan_ndjson(f"{folder}/*.jsonl", schema=schema)
    .with_columns(
        time=pl.col("event_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms"),
        is_alert=1 / (1 + (-logit).exp()) >= float(threshold),
    )
    .group_by(pl.col("time").dt.truncate("1m"))
    .agg(pl.len(), alert.sum(), fraud.sum().alias("fraud"), (alert & fraud).sum().alias("tp"),
         (alert & (pl.col("Class") == 0)).sum().alias("fp"), (~alert & fraud).sum().alias("fn"))
    .with_columns(pl.col("time").dt.epoch("ms"))
    .collect(engine="streaming")
)
report(windows.rows(), pl.__version__, began=began)
