"""Spark's real-time mode and the query, from Kafka to Kafka.

spark_real_time.py BOOTSTRAP MODEL_DIR THRESHOLD OUT_DIR BATCH JARS PARTITIONS

If Spark refuses it in each output mode, the reasons are the last line on standard error.
"""

import sys

from pyspark.errors import AnalysisException, StreamingQueryException
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import SparkSession, functions as F
from pyspark.sql.types import DoubleType, IntegerType, StructField, StructType, TimestampType

from common import FEATURES

bootstrap, model, threshold, out, batch, jars, partitions = sys.argv[1:]
# A batch of the real-time mode has a task for each partition, and each needs a slot; windows need two more.
settings = {
    "spark.jars": jars,
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
spark = SparkSession.builder.master(f"local[{int(partitions) + 2}]").config(map=settings).getOrCreate()
spark.sparkContext.setLogLevel("OFF")
schema = StructType([
    StructField("event_time", TimestampType()),
    *(StructField(name, DoubleType()) for name in ["Time", *FEATURES]),
    StructField("Class", IntegerType()),
])
reader = spark.readStream.format("kafka").option("subscribe", "transactions")
messages = reader.option("kafka.bootstrap.servers", bootstrap).option("startingOffsets", "earliest").load()
rows = messages.select(F.from_json(F.col("value").cast("string"), schema).alias("data")).select("data.*")
scored = PipelineModel.load(model).transform(rows)
alert = (vector_to_array("probability")[1] >= float(threshold)).cast("int")
windows = scored.select("event_time", alert.alias("alert")).withWatermark("event_time", "30 seconds")
counts = windows.groupBy(F.window("event_time", "1 minute")).agg(F.count("*").alias("n"), F.sum("alert").alias("a"))
answers = counts.select(F.to_json(F.struct("window.start", "n", "a")).alias("value"))
refused = []
for mode in ["append", "update"]:
    writer = answers.writeStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("topic", "scored")
    writer = writer.option("checkpointLocation", f"{out}/checkpoint-{mode}").outputMode(mode)
    try:
        writer.trigger(realTime=batch).start().awaitTermination()
    except (AnalysisException, StreamingQueryException) as error:
        text = str(error)
        # "… terminated with exception: [CLASS] The sentences. SQLSTATE: …"
        refused.append(f"{mode}: " + text[text.index("[STREAMING_REAL_TIME_MODE"):].split(" SQLSTATE")[0])
    except KeyboardInterrupt:
        break
spark.stop()
if refused:
    sys.exit("; ".join(refused))
