"""Bytewax: a dataflow over the files, scored a batch at a time. bytewax_flow.py TOPIC MODEL.onnx THRESHOLD"""

import sys
import time
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
import numpy as np
import orjson
from bytewax.connectors.files import DirSource
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main

from common import FEATURES, counts_of, linear, report

folder, model, threshold = sys.argv[1:4]
weights, intercept = linear(model)
weights = np.array(weights)
cut = np.log(float(threshold) / (1 - float(threshold)))


def score(lines: list) -> list:
    rows = [orjson.loads(line) for line in lines]
    logits = np.array([[row[f] for f in FEATURES] for row in rows]) @ weights + intercept
    alerts = (logits >= cut).tolist()
    return [("all", (datetime.fromisoformat(r["event_time"]), a, r["Class"])) for r, a in zip(rows, alerts)]


def add(counts: list, event: tuple) -> list:
    for i, hit in enumerate(counts_of(event[1], event[2])):
        counts[i] += hit
    return counts


results: list = []
flow = Dataflow("kpi")
rows = op.flat_map_batch("score", op.input("read", flow, DirSource(Path(folder), "*.jsonl")), score)
# It does not read the files evenly, so it waits longer than the other programs for late rows.
clock = win.EventClock(lambda event: event[0], wait_for_system_duration=timedelta(minutes=5))
epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
windower = win.TumblingWindower(length=timedelta(minutes=1), align_to=epoch)
merge = lambda a, b: [x + y for x, y in zip(a, b)]
windows = win.fold_window("kpi", rows, clock, windower, lambda: [0] * 6, add, merge)
op.output("write", windows.down, TestingSink(results))
began = time.monotonic()
run_main(flow)
report([(window * 60_000, *counts) for _, (window, counts) in results], version("bytewax"), began=began)
