"""The original's query on Spark, append to parquet with a checkpoint.

spark_query.py PLACE MODEL_DIR THRESHOLD udf|array OUT_DIR WATERMARK [MAX]

PLACE is a folder of JSON lines, or kafka:BOOTSTRAP (topic transactions). MAX limits a batch: files, or offsets.
"""

import json
import sys
import time

from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import SparkSession, functions as F
from pyspark.sql.types import DoubleType, IntegerType, StructField, StructType, TimestampType

from common import COUNTS, FEATURES, report

place, model, threshold, how, out, watermark, *limit = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
pipeline = PipelineModel.load(model)
schema = StructType([
    StructField("event_time", TimestampType()),
    *(StructField(name, DoubleType()) for name in ["Time", *FEATURES]),
    StructField("Class", IntegerType()),
])
if place.startswith("kafka:"):
    reader = spark.readStream.format("kafka").option("subscribe", "transactions")
    reader = reader.option("kafka.bootstrap.servers", place[6:]).option("startingOffsets", "earliest")
    messages = (reader.option("maxOffsetsPerTrigger", limit[0]) if limit else reader).load()
else:
    reader = spark.readStream.format("text").options(maxFileAge="100000d", pathGlobFilter="*.jsonl")
    messages = (reader.option("maxFilesPerTrigger", limit[0]) if limit else reader).load(place)


def extract_prob(vector):
    try:
        return float(vector[1])
    except Exception:
        return 0.0


probability = {
    "udf": F.udf(extract_prob, DoubleType())(F.col("probability")),
    "array": vector_to_array("probability")[1],
}[how]
rows = messages.select(F.from_json(F.col("value").cast("string"), schema).alias("data")).select("data.*")
scored = pipeline.transform(rows).withColumn("fraud_prob", probability)
scored = scored.withColumn("is_alert", F.when(F.col("fraud_prob") >= float(threshold), 1).otherwise(0))


def count_if(condition):
    return F.sum(F.when(condition, 1).otherwise(0))


alert, fraud = F.col("is_alert") == 1, F.col("Class") == 1
kpi = (
    scored.withWatermark("event_time", watermark)
    .groupBy(F.window("event_time", "1 minute"))
    .agg(
        F.count("*").alias("n_txn"),
        F.sum("is_alert").alias("n_alert"),
        count_if(fraud).alias("n_fraud_true"),
        count_if(alert & fraud).alias("tp"),
        count_if(alert & (F.col("Class") == 0)).alias("fp"),
        count_if((F.col("is_alert") == 0) & fraud).alias("fn"),
    )
    .withColumn("precision", F.when(F.col("n_alert") > 0, F.col("tp") / F.col("n_alert")))
    .withColumn("recall", F.when(F.col("n_fraud_true") > 0, F.col("tp") / F.col("n_fraud_true")))
    .withColumn("watermark", F.lit(watermark))
    .select("window.start", "window.end", "watermark", *COUNTS, "precision", "recall")
)
began = time.monotonic()
query = (
    kpi.writeStream.format("parquet")
    .option("path", f"{out}/kpi")
    .option("checkpointLocation", f"{out}/checkpoint")
    .outputMode("append")
    .trigger(availableNow=True)
    .start()
)
query.awaitTermination()
ended = time.monotonic()
batches = [json.loads(p.json) if hasattr(p, "json") else p for p in query.recentProgress]
starts = [(F.col("start").cast("double") * 1000).cast("long")]
windows = spark.read.parquet(f"{out}/kpi").select(*starts, *COUNTS).collect()
report(windows, spark.version, began=began, ended=ended, batches=[
    {"timestamp": b["timestamp"], "rows": b["numInputRows"]} for b in batches
])
spark.stop()
