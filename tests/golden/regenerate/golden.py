"""Runs the scenarios on Apache Spark and writes OUTDIR/<scenario>/{input/,expected.json}.
usage: golden.py OUTDIR [--only part-of-a-name,…] [--partitions 2] [--drives step,backlog] [--conf key=value]"""
import os, json, shutil, tempfile, time, argparse, threading
from concurrent.futures import ThreadPoolExecutor
from scenarios import S
from pyspark.sql import SparkSession, functions as F
from pyspark.sql.types import *
ap = argparse.ArgumentParser()
ap.add_argument("out"); ap.add_argument("--only", default=""); ap.add_argument("--partitions", default="2")
ap.add_argument("--drives", default=""); ap.add_argument("--noinput", action="store_true"); ap.add_argument("--threads", type=int, default=3); ap.add_argument("--conf", action="append", default=[])
a = ap.parse_args()
WORK = tempfile.mkdtemp(prefix="golden-")
b = (SparkSession.builder.master("local[2]").appName("golden")
  .config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", a.partitions)
  .config("spark.sql.session.timeZone", "UTC").config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
  .config("spark.local.dir", WORK + "/local").config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
  .config("spark.ui.showConsoleProgress", "false").config("spark.sql.streaming.numRecentProgressUpdates", "1000"))
for c in a.conf:
    k, v = c.split("=", 1); b = b.config(k, v)
spark = b.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
SCHEMA = StructType([StructField("event_time", TimestampType()), StructField("Class", IntegerType()), StructField("fraud_prob", DoubleType())])
THR = 0.5

def kpi(indir, wm, window, slide):
    raw = spark.readStream.format("text").option("maxFilesPerTrigger", 1).load(indir)
    parsed = raw.selectExpr("CAST(value AS STRING) AS json_str").select(F.from_json(F.col("json_str"), SCHEMA).alias("data")).select("data.*")
    scored = parsed.withColumn("is_alert", F.when(F.col("fraud_prob") >= THR, 1).otherwise(0))
    w = F.window("event_time", window, slide) if slide else F.window("event_time", window)
    return (scored.withWatermark("event_time", wm).groupBy(w).agg(
             F.count("*").alias("n_txn"),
             F.sum("is_alert").alias("n_alert"),
             F.sum(F.when(F.col("Class") == 1, 1).otherwise(0)).alias("n_fraud_true"),
             F.sum(F.when((F.col("is_alert") == 1) & (F.col("Class") == 1), 1).otherwise(0)).alias("tp"),
             F.sum(F.when((F.col("is_alert") == 1) & (F.col("Class") == 0), 1).otherwise(0)).alias("fp"),
             F.sum(F.when((F.col("is_alert") == 0) & (F.col("Class") == 1), 1).otherwise(0)).alias("fn"))
         .withColumn("precision", F.when(F.col("n_alert") > 0, F.col("tp") / F.col("n_alert")).otherwise(F.lit(None)))
         .withColumn("recall", F.when(F.col("n_fraud_true") > 0, F.col("tp") / F.col("n_fraud_true")).otherwise(F.lit(None)))
         .withColumn("watermark", F.lit(wm))
         .select(F.col("window.start").alias("window_start"), F.col("window.end").alias("window_end"),
             "watermark", "n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn", "precision", "recall"))

FMT = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"
def so(p):
    o = p.get("stateOperators") or []
    if not o: return None
    o = o[0]
    return {k: o.get(k) for k in ["operatorName", "numRowsTotal", "numRowsUpdated", "numRowsRemoved", "numRowsDroppedByWatermark"]}

CTR = 0; LOCK = threading.Lock()
class Run:
    def __init__(s, sc, wm, window, slide, mode):
        s.sc, s.wm, s.window, s.slide, s.mode = sc, wm, window, slide, mode
        global CTR
        with LOCK: CTR += 1; c = CTR
        s.dir = WORK + "/run%d" % c
        s.ind = s.dir + "/in"; s.ck = s.dir + "/ck"; os.makedirs(s.ind)
        s.next = 0; s.attempts = []; s.cur = None; s.q = None; s.runno = -1; s.curwm = wm; s.files = {}
    def add(s, n):
        for _ in range(n):
            i = s.next; s.next += 1
            tmp = s.dir + "/tmp"
            with open(tmp, "w") as f: f.write("".join(l + "\n" for l in s.sc["batches"][i]))
            t = 1700000000 + i
            os.utime(tmp, (t, t)); os.rename(tmp, s.ind + "/batch-%03d.jsonl" % i)
    def start(s):
        s.runno += 1
        out = s.attempts; runno = s.runno
        def fb(df, bid):
            rs = df.select(F.unix_millis("window_start").alias("window_start_ms"), F.unix_millis("window_end").alias("window_end_ms"),
                F.date_format("window_start", FMT).alias("window_start"), F.date_format("window_end", FMT).alias("window_end"),
                "watermark", "n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn", "precision", "recall").collect()
            rs = sorted([r.asDict() for r in rs], key=lambda r: r["window_start_ms"])
            out.append({"batchId": bid, "run": runno, "rows": rs})
        s.q = (kpi(s.ind, s.curwm, s.window, s.slide).writeStream.outputMode(s.mode).option("checkpointLocation", s.ck).foreachBatch(fb).start())
    def collect(s):
        """attach progress of this run to its attempts"""
        prog = {}
        for p in s.q.recentProgress:
            p = p if isinstance(p, dict) else json.loads(p.json)
            if "addBatch" in (p.get("durationMs") or {}): prog[p["batchId"]] = p
        for b in s.attempts:
            if b["run"] == s.runno and "numInputRows" not in b:
                p = prog[b["batchId"]]
                et = dict(p.get("eventTime") or {})
                b["numInputRows"] = p["numInputRows"]
                b["watermark"] = et.get("watermark")
                b["eventTime"] = et
                b["stateOperators"] = so(p)
                src = p["sources"][0]
                so_, eo = src.get("startOffset"), src.get("endOffset")
                lo = lambda o: ((json.loads(o) if isinstance(o, str) else o) or {}).get("logOffset")
                b["sourceStartOffset"], b["sourceEndOffset"] = lo(so_), lo(eo)
                b["isDataBatch"] = lo(so_) != lo(eo)
    def stop(s): s.q.stop()
    def newest(s, d):
        return max(int(f) for f in os.listdir(s.ck + "/" + d) if f.isdigit())
    def rm(s, d):
        n = s.newest(d)
        for f in (str(n), ".%d.crc" % n):
            p = s.ck + "/" + d + "/" + f
            if os.path.exists(p): os.remove(p)
        return n
    def logs(s):
        o = {}
        for d in ("offsets", "commits"):
            o[d] = {}
            for f in sorted((f for f in os.listdir(s.ck + "/" + d) if f.isdigit()), key=int):
                lines = open(s.ck + "/" + d + "/" + f).read().split("\n")
                try:
                    j = json.loads(lines[1]); o[d][f] = j.get("batchWatermarkMs", j.get("nextBatchWatermarkMs"))
                except Exception as e: o[d][f] = lines
        return {"offsets_batchWatermarkMs": o["offsets"], "commits_nextBatchWatermarkMs": o["commits"]}

def run(sc, wm, window, slide, mode, drive):
    r = Run(sc, wm, window, slide, mode); evs = []
    try:
        n = len(sc["batches"])
        if drive == "step":
            ops = [["start"]] + [x for _ in range(n) for x in (["add", 1], ["process"])] + [["stop"]]
        elif drive == "backlog": ops = [["add", n], ["start"], ["process"], ["stop"]]
        else: ops = sc["ops"]
        for op in ops:
            seen = len(r.attempts)
            if op[0] == "add": r.add(op[1])
            elif op[0] == "start": r.start()
            elif op[0] == "process":
                r.q.processAllAvailable(); time.sleep(0.02)
                for _ in range(100):
                    try: r.collect(); break
                    except KeyError: time.sleep(0.05)
            elif op[0] == "stop": r.collect(); r.stop()
            elif op[0] == "rm_commit": evs_n = r.rm("commits")
            elif op[0] == "rm_commit_offset": evs_n = r.rm("commits"); assert r.rm("offsets") == evs_n
            elif op[0] == "set_watermark": r.curwm = op[1]
            e = {"op": op[0]}
            if op[0] == "add": e["files"] = op[1]
            if op[0] in ("rm_commit", "rm_commit_offset"): e["batchId"] = evs_n
            if op[0] == "set_watermark": e["watermark"] = op[1]
            if op[0] == "process": e["batches"] = len(r.attempts) - seen
            evs.append(e)
        logs = r.logs()
    finally:
        if r.q is not None and r.q.isActive: r.q.stop()
        shutil.rmtree(r.dir, ignore_errors=True)
    keys = ["batchId", "run", "isDataBatch", "sourceStartOffset", "sourceEndOffset", "numInputRows", "watermark", "eventTime", "stateOperators", "rows"]
    return {"id": "%s|%s|%s|%s|%s" % (mode, wm, window, slide or "-", drive), "watermark": wm, "window": window, "slide": slide, "outputMode": mode, "drive": drive,
            "conf": sc["conf"], "ops": evs, "batches": [{k: b[k] for k in keys} for b in r.attempts], **logs}

t0 = time.time(); nb = 0
for sc in S:
    if a.only and not any(x in sc["name"] for x in a.only.split(",")): continue
    d = a.out + "/" + sc["name"]; os.makedirs(d, exist_ok=True)
    if not a.noinput:
        os.makedirs(d + "/input", exist_ok=True)
        for i, ls in enumerate(sc["batches"]):
            with open(d + "/input/batch-%03d.jsonl" % i, "w") as f: f.write("".join(l + "\n" for l in ls))
    runs = []
    drives = a.drives.split(",") if a.drives and sc["ops"] is None else sc["drives"]
    todo = []
    for window, slide in sc["windows"]:
        for wm in sc["watermarks"]:
            for mode in sc["modes"]:
                if mode == "complete" and (window, slide) != ("1 minute", None): continue
                for drive in drives:
                    if mode == "complete" and drive == "step" and not sc["name"].startswith(("01", "02", "08")): continue
                    todo.append((window, slide, wm, mode, drive))
    def one(t):
        window, slide, wm, mode, drive = t
        try: return run(sc, wm, window, slide, mode, drive)
        except Exception as e:
            x = {"id": "%s|%s|%s|%s|%s" % (mode, wm, window, slide or "-", drive), "watermark": wm, "window": window, "slide": slide, "outputMode": mode, "drive": drive, "error": str(e)[:2000]}
            print("ERROR", sc["name"], x["id"], str(e)[:300], flush=True)
            return x
    for k, v in sc["conf"].items(): spark.conf.set(k, v)
    with ThreadPoolExecutor(a.threads) as ex: runs = list(ex.map(one, todo))
    for k in sc["conf"]: spark.conf.unset(k)
    nb += sum(len(x.get("batches", [])) for x in runs)
    def dump(o): return json.dumps(o, ensure_ascii=False)
    with open(d + "/expected.json", "w") as f:
        f.write("{\n \"scenario\": %s,\n \"description\": %s,\n \"sparkVersion\": %s,\n \"threshold\": 0.5,\n \"runs\": [\n" % (dump(sc["name"]), dump(sc["desc"]), dump(spark.version)))
        for i, x in enumerate(runs):
            bs = x.pop("batches", [])
            head = dump(x)[:-1]
            f.write("  " + head + ", \"batches\": [\n" + ",\n".join("    " + dump(b) for b in bs) + "\n  ]}" + (",\n" if i + 1 < len(runs) else "\n"))
        f.write(" ]\n}\n")
    print("%-45s runs %3d  %.0f s  batches so far %d" % (sc["name"], len(runs), time.time() - t0, nb), flush=True)
spark.stop(); shutil.rmtree(WORK, ignore_errors=True)
