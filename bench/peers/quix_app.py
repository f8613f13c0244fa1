"""Quix Streams: the query over a Kafka topic. quix_app.py BOOTSTRAP MODEL.onnx THRESHOLD ROWS

Its windows are by message key: the bench gives each partition one key, and the counts are added up here.
"""

import sys
import tempfile
import time
import uuid
from collections import defaultdict
from datetime import datetime
from importlib.metadata import version

import numpy as np
from quixstreams import Application

from common import FEATURES, counts_of, linear, report

bootstrap, model, threshold, rows = sys.argv[1:5]
weights, intercept = linear(model)
weights = np.array(weights)
cut = np.log(float(threshold) / (1 - float(threshold)))


def event_time(value: dict, *_: object) -> int:
    return round(datetime.fromisoformat(value["event_time"]).timestamp() * 1000)


def score(value: dict) -> list:
    global left
    left -= 1
    if left == 0:
        app.stop()  # its own `count` does not stop before a time-out
    logit = np.array([value[f] for f in FEATURES]) @ weights + intercept
    return counts_of(bool(logit >= cut), value["Class"])


results: list = []
left = int(rows)
with tempfile.TemporaryDirectory() as state:
    app = Application(
        broker_address=bootstrap, consumer_group=str(uuid.uuid4()), auto_offset_reset="earliest",
        state_dir=state, loglevel="ERROR")
    topic = app.topic("transactions", value_deserializer="json", timestamp_extractor=event_time)
    frame = app.dataframe(topic).apply(score).tumbling_window(60_000, grace_ms=30_000)
    frame = frame.reduce(lambda a, b: [x + y for x, y in zip(a, b)], lambda first: first).final()
    frame.update(results.append)
    began = time.monotonic()
    app.run()
    ended = time.monotonic()
keys: dict = defaultdict(list)
for result in results:
    keys[result["start"]].append(result["value"])
partitions = max(map(len, keys.values()))
# A window that only some of the keys have closed is not final.
windows = [(start, *map(sum, zip(*parts))) for start, parts in keys.items() if len(parts) == partitions]
report(windows, version("quixstreams"), began=began, ended=ended)
