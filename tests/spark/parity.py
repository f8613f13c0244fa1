"""Runs the queries of parity_test.ts in one Spark session: its start costs more than they do."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools" / "spark"))
import kpi_job  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

plan = json.load(sys.stdin)
builder = SparkSession.builder.master("local[2]")
for setting in plan["conf"]:
    builder = builder.config(*setting.split("=", 1))
spark = kpi_job.session(builder)


def run(job: dict) -> None:
    kpi_job.start(spark, job["spec"], job["sink"], job["checkpoint"]).awaitTermination()


def score(job: dict) -> None:
    messages = spark.read.option("lineSep", "\n").text(job["file"]).coalesce(1)
    rows = kpi_job.scored(spark, kpi_job.parsed(messages, job["spec"]), job["spec"])
    rows.select("fraud_prob").write.parquet(job["out"])


with ThreadPoolExecutor(2) as pool:
    list(pool.map(run, plan["runs"]))
    list(pool.map(score, plan["scores"]))
spark.stop()
