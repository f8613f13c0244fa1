"""Reads the strings of from_json/cases.json with Spark's from_json again and prints each that differs.
usage: from_json.py FILE"""
import json, sys
from pyspark.sql import SparkSession, functions as F

SCHEMA = "event_time timestamp, Time double, V1 double, Amount double, Class int"
with open(sys.argv[1]) as f:
    cases = [c for c in json.load(f)["cases"] if "note" not in c]  # a time of day depends on the day
spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
         .config("spark.sql.session.timeZone", "UTC").config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
         .config("spark.sql.legacy.timeParserPolicy", "CORRECTED").getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
rows = spark.createDataFrame([(i, c["json"]) for i, c in enumerate(cases)], "i int, json string")
data = F.from_json("json", SCHEMA)
got = rows.select("i", data.isNull().alias("structNull"), F.unix_micros(data["event_time"]).alias("event_time_us"),
                  data["V1"].cast("string").alias("V1"), data["Amount"].cast("string").alias("Amount"), data["Class"].alias("Class")).collect()
differ = 0
for row in got:
    case = cases[row["i"]]
    want = {k: case[k] for k in ("structNull", "event_time_us", "V1", "Amount", "Class")}
    have = {k: row[k] for k in want}
    if any(str(have[k]) != str(want[k]) for k in want):
        differ += 1
        print("differs:", case["json"], "have", have, "want", want)
print("strings: %d, differ: %d" % (len(cases), differ))
spark.stop()
