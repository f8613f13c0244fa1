"""Runs a KPI query on Apache Spark 4 or 3.5, from the JSON that `deno task kpi --write-spec FILE` writes.

    spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0 \\
      tools/spark/kpi_job.py --spec FILE --sink parquet:DIR --checkpoint DIR

The same ONNX file scores the rows, through onnxruntime on each executor. The table is the one that
`deno task kpi` writes. A topic log, which Spark cannot tail, is copied into one file a micro-batch
with the bounds the other engine would choose: for trying the job without a broker.
"""

import argparse
import hashlib
import json
import math
import os
import re
from itertools import chain, islice
from pathlib import Path
from typing import Iterator, Tuple

import pandas as pd
from pyspark import SparkFiles
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQuery
from pyspark.sql.types import DoubleType, IntegerType, StringType, StructField, StructType, TimestampType

FEATURES = [f"V{i}" for i in range(1, 29)] + ["Amount"]
TYPES = {"timestamp": TimestampType(), "double": DoubleType(), "integer": IntegerType(), "string": StringType()}
# Without these the table would have other times or another type of time.
CONF = {"spark.sql.session.timeZone": "UTC", "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MILLIS"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spec", type=Path, required=True, help="the query, written by --write-spec")
    parser.add_argument("--sink", required=True, help="parquet:DIR (append only) or batches:DIR, a folder a batch")
    parser.add_argument("--checkpoint", required=True, help="where a restart goes on from")
    parser.add_argument("--handover", type=Path, help="what deno task spark --from-checkpoint wrote; CHECKPOINT has it")
    parser.add_argument("--trigger", default="available-now", help='available-now or such as "10 seconds"')
    parser.add_argument("--kafka", action="append", default=[], metavar="KEY=VALUE", help="a Kafka option")
    args = parser.parse_args()
    spark = session(SparkSession.builder.appName("kpi"))
    handover = args.handover or Path(args.checkpoint) / "handover.json"
    spec = {**json.loads(args.spec.read_text()), **(json.loads(handover.read_text()) if handover.exists() else {})}
    kafka = dict(option.split("=", 1) for option in args.kafka)
    query = start(spark, spec, args.sink, args.checkpoint, trigger=args.trigger, kafka=kafka)
    query.awaitTermination()
    spark.stop()


def session(builder: SparkSession.Builder) -> SparkSession:
    for key, value in CONF.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def start(
    spark: SparkSession, spec: dict, sink: str, checkpoint: str, trigger: str = "available-now", kafka: dict = {}
) -> StreamingQuery:
    """Starts the query of a spec; `sink` is parquet:DIR or batches:DIR."""
    kind, folder = sink.split(":", 1)
    mode = spec["outputMode"]
    if kind not in ("parquet", "batches"):
        raise SystemExit(f"--sink must be parquet:DIR or batches:DIR, got {sink}")
    if kind == "parquet" and mode != "append":
        raise SystemExit(f"parquet:DIR does not support {mode} output mode: use batches:DIR")
    table = kpis(scored(spark, parsed(messages(spark, spec, checkpoint, trigger, kafka), spec), spec), spec)
    writer = table.writeStream.outputMode(mode).option("checkpointLocation", checkpoint)
    writer = writer.trigger(**({"availableNow": True} if trigger == "available-now" else {"processingTime": trigger}))
    if kind == "parquet":
        return writer.format("parquet").option("path", folder).start()

    def add_batch(rows: DataFrame, batch_id: int) -> None:
        # A batch that runs again after a crash replaces its own folder.
        rows.coalesce(1).sortWithinPartitions("window_start").write.mode("overwrite").parquet(
            f"{folder}/batch={batch_id:09}"
        )

    return writer.foreachBatch(add_batch).start()


def messages(spark: SparkSession, spec: dict, checkpoint: str, trigger: str, kafka: dict) -> DataFrame:
    """Reads the topic."""
    if spec["source"]["kind"] == "log":
        if trigger != "available-now":
            raise SystemExit("A topic log is read with --trigger available-now only: publish to Kafka to go on")
        folder = stage(spec, Path(checkpoint) / "topic")
        # One staged file is one micro-batch; without lineSep a \\r would end a message too.
        options = {"maxFilesPerTrigger": 1, "lineSep": "\n", "maxFileAge": "100000d"}
        return spark.readStream.format("text").options(**options).load(str(folder))
    offsets = spec["startingOffsets"]
    options = {
        "kafka.bootstrap.servers": spec["source"]["address"],
        "subscribe": spec["topic"],
        "startingOffsets": offsets if isinstance(offsets, str) else json.dumps({spec["topic"]: offsets}),
        "failOnDataLoss": spec.get("failOnDataLoss", True),
        **kafka,
    }
    if "maxOffsetsPerTrigger" in spec:
        options["maxOffsetsPerTrigger"] = spec["maxOffsetsPerTrigger"]
    return spark.readStream.format("kafka").options(**options).load()


def parsed(messages: DataFrame, spec: dict) -> DataFrame:
    """Reads messages against the schema: a field that cannot be read is null."""
    schema = StructType([StructField(field["name"], TYPES[field["type"]]) for field in spec["schema"]])
    text = F.col("value").cast("string")
    return messages.select(F.from_json(text, schema).alias("row")).select("row.*")


def scored(spark: SparkSession, rows: DataFrame, spec: dict) -> DataFrame:
    """Adds fraud_prob and is_alert."""
    path = Path(spec["model"]["path"])
    if not path.exists():
        path = Path(path.name)  # where spark-submit --files puts it
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != spec["model"]["sha256"]:
        raise SystemExit(f"{path} is not the model of the spec: its SHA-256 is {found}")
    spark.sparkContext.addFile(str(path.resolve()))
    alert = F.col("fraud_prob") >= spec["threshold"]
    return rows.withColumn("fraud_prob", fraud_prob(path.name)).withColumn("is_alert", F.when(alert, 1).otherwise(0))


def fraud_prob(model: str) -> Column:
    """Scores batches of Arrow columns; a row with a null or NaN feature, or result, gets 0.0."""

    @F.pandas_udf("double")
    def score(batches: Iterator[Tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # Spark runs a task a core
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(SparkFiles.get(model), options, providers=["CPUExecutionProvider"])
        for columns in batches:
            rows = np.column_stack([column.to_numpy(dtype="float64") for column in columns])
            with np.errstate(over="ignore"):  # a double beyond float32 is infinite
                (pairs,) = session.run(["probabilities"], {"features": rows.astype(np.float32)})
            fraud = pairs[:, 1].astype(np.float64)
            fraud[np.isnan(rows).any(axis=1) | np.isnan(fraud)] = 0.0
            yield pd.Series(fraud)

    return score(*FEATURES)


def kpis(rows: DataFrame, spec: dict) -> DataFrame:
    """Counts by window, as lib/kpi/kpi.ts does."""
    time = F.col("event_time")
    if "maxAhead" in spec:
        limit = F.current_timestamp() + F.expr(f"interval '{spec['maxAhead']}'")
        rows = rows.withColumn("event_time", F.when(time <= limit, time))
    alert, fraud = F.col("is_alert") == 1, F.col("Class") == 1

    def count_if(condition: Column) -> Column:
        return F.sum(F.when(condition, 1).otherwise(0))

    def ratio(part: str, whole: str) -> Column:
        return F.when(F.col(whole) > 0, F.col(part) / F.col(whole))

    keys = [F.col(f"`{key}`") for key in spec.get("keys", [])]
    counts = {
        "n_txn": F.count("*"),
        "n_alert": F.sum("is_alert"),
        "n_fraud_true": count_if(fraud),
        "tp": count_if(alert & fraud),
        "fp": count_if(alert & (F.col("Class") == 0)),
        "fn": count_if(~alert & fraud),
    }
    table = (
        rows.withWatermark("event_time", spec["watermark"])
        .groupBy(F.window("event_time", spec["window"], spec.get("slide", spec["window"])), *keys)
        .agg(*[value.alias(name) for name, value in counts.items()])
    )
    if spec.get("finalUntil") is not None:  # the other engine wrote them, and not all of their rows are read again
        table = table.where(F.unix_millis(F.col("window.end")) > spec["finalUntil"])
    return table.select(
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        *keys,
        F.lit(spec["watermark"]).alias("watermark"),
        *counts,
        ratio("tp", "n_alert").alias("precision"),
        ratio("tp", "n_fraud_true").alias("recall"),
    )


def stage(spec: dict, folder: Path) -> Path:
    """Copies what is new in a topic log into one file a micro-batch; its bounds stand in _offsets/N."""
    log = Path(spec["source"]["address"]) / spec["topic"]
    names = [(re.fullmatch(r"partition-(\d+)\.jsonl", path.name), path) for path in log.iterdir()]
    paths = {match[1]: path for match, path in sorted(names, key=str) if match}
    latest = {partition: path.read_bytes().count(b"\n") for partition, path in paths.items()}
    topic, at = {partition: path.open("rb") for partition, path in paths.items()}, dict.fromkeys(paths, 0)
    bounds = folder / "_offsets"
    bounds.mkdir(parents=True, exist_ok=True)
    batch = 0
    end = starting_offsets(spec["startingOffsets"], latest)
    while True:
        begin = end
        planned = bounds / str(batch)
        if planned.exists():
            end = json.loads(planned.read_text())
        else:
            begin = {**dict.fromkeys(latest, 0), **begin}
            end = limit_offsets(begin, latest, spec.get("maxOffsetsPerTrigger"))
            if end == begin:
                return folder
            if batch == 0:
                write(bounds / "start", json.dumps(begin).encode())
            write(planned, json.dumps(end).encode())
        file = folder / f"batch-{batch:09}.jsonl"
        if not file.exists():
            lines = [islice(topic[p], begin.get(p, 0) - at[p], end[p] - at[p]) for p in sorted(end, key=int)]
            write(file, b"".join(chain(*lines)))
            at = {**at, **end}
            os.utime(file, (batch, batch))  # Spark takes files in order of their times
        batch += 1


def write(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all; Spark passes over names with a dot in front."""
    part = path.with_name(f".{path.name}")
    part.write_bytes(content)
    part.rename(path)


def starting_offsets(given: "str | dict", latest: dict) -> dict:
    if given == "latest":
        return latest
    chosen = {} if given == "earliest" else given
    marks = {p: chosen.get(p, -2) for p in latest}
    return {p: 0 if mark == -2 else latest[p] if mark == -1 else mark for p, mark in marks.items()}


def limit_offsets(start: dict, latest: dict, most: "int | None") -> dict:
    """Splits a limit over the partitions by backlog, as Spark's Kafka source and lib/core/offsets.ts do."""
    sizes = {p: max(0, end - start[p]) for p, end in latest.items()}
    total = sum(sizes.values())
    if most is None or total <= most:
        return latest

    def taken(share: float) -> int:
        return math.ceil(share) if share < 1 else math.floor(share)

    return {p: min(latest[p], start[p] + taken(most * (size / total))) for p, size in sizes.items()}


if __name__ == "__main__":
    main()
