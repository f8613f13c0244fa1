#!/usr/bin/env python3
"""The rules of event time as a model in plain Python, checked against every run of DIR/*/expected.json. Needs no Spark.
It reads only plain ISO times and simple JSON, so the parsing scenarios 11 and 14 are skipped.
usage: ref_model.py [DIR]"""
import json, sys, glob, os, re, math
from datetime import datetime, timezone, timedelta
SKIP_PARSE = ("11_", "14_")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
def parse_ts(s):
    if not isinstance(s, str): return None
    m = re.fullmatch(r"([+-]?\d{4,6})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z", s)
    if not m: return None
    y = int(m[1]); shift = 0
    while y > 9999: y -= 400; shift += 146097
    d = datetime(y, int(m[2]), int(m[3]), int(m[4]), int(m[5]), int(m[6]), tzinfo=timezone.utc) - EPOCH
    us = ((d.days + shift) * 86400 + d.seconds) * 1_000_000
    if m[7]: us += int((m[7] + "000000")[:6])
    return us
def parse(line):
    """-> (event_time_us|None, cls|None, prob|None): from_json PERMISSIVE"""
    try: d = json.loads(line)
    except Exception: return None, None, None
    if not isinstance(d, dict): return None, None, None
    c = d.get("Class"); c = c if isinstance(c, int) and not isinstance(c, bool) and -2**31 <= c < 2**31 else None
    p = d.get("fraud_prob")
    if isinstance(p, str): p = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(p)
    elif isinstance(p, bool) or not isinstance(p, (int, float)): p = None
    return parse_ts(d.get("event_time")), c, None if p is None else float(p)
UNIT = {"second": 1000, "minute": 60000}
def dur_ms(s): n, u = s.split(); return int(n) * UNIT[u.rstrip("s")]
def alert(p): return 1 if p is not None and (p >= 0.5 or math.isnan(p)) else 0    # Spark: NaN is greater than any number

class Query:
    def __init__(s, mode, wm, window, slide, no_data=True):
        s.mode, s.delay, s.win, s.slide, s.no_data = mode, dur_ms(wm), dur_ms(window) * 1000, dur_ms(slide or window) * 1000, no_data
        s.state = {}; s.versions = {0: {}}; s.offsets = {}; s.commits = {}; s.out = []; s.last_evict = None; s.wm = 0; s.run = 0; s.pos = -1
    def restart(s, wm=None):
        """what a new process knows: the logs and the state versions"""
        s.run += 1; s.last_evict = None
        if wm: s.delay = dur_ms(wm)
        s.rerun = None; s.wm = 0; s.pos = -1
        if s.offsets:
            n = max(s.offsets); o = s.offsets[n]
            if n in s.commits: s.wm = max(o["wm"], s.commits[n]); s.pos = o["end"]; s.next = n + 1
            else: s.wm = o["wm"]; s.rerun = n; s.next = n; s.pos = s.offsets[n - 1]["end"] if n else -1
        else: s.next = 0
    def batch(s, n, lines, start, end):
        late_wm = s.offsets[n - 1]["wm"] if n - 1 in s.offsets else 0         # offsets/(N-1)
        evict_wm = s.wm                                                        # offsets/N
        s.offsets[n] = {"wm": evict_wm, "end": end}
        st = {k: list(v) for k, v in s.versions[n].items()}
        mx = None; cnt = 0; mn = None; part = {}
        for l in lines:
            us, c, p = parse(l); ms = 0 if us is None else us // 1000
            mx = ms if mx is None else max(mx, ms); mn = ms if mn is None else min(mn, ms); cnt += 1
            if us is None: continue
            a = alert(p); f = 1 if c == 1 else 0
            v = (1, a, f, a & f, 1 if a and c == 0 else 0, (1 - a) & f)
            w = us - us % s.slide
            while w + s.win > us:
                g = part.setdefault(w, [0] * 6)
                for i in range(6): g[i] += v[i]
                w -= s.slide
        dropped = 0; touched = []
        for w, g in part.items():
            if s.mode != "complete" and w + s.win <= late_wm * 1000: dropped += 1; continue
            o = st.setdefault(w, [0] * 6)
            for i in range(6): o[i] += g[i]
            touched.append(w)
        gone = [w for w in st if w + s.win <= evict_wm * 1000] if s.mode != "complete" else []
        emit = touched if s.mode == "update" else gone if s.mode == "append" else list(st)
        rows = [(w // 1000, (w + s.win) // 1000) + tuple(st[w]) for w in sorted(emit)]
        for w in gone: del st[w]
        s.versions[n + 1] = st; s.last_evict = evict_wm
        if cnt: s.wm = max(s.wm, mx - s.delay)
        s.commits[n] = s.wm; s.pos = end; s.next = n + 1
        s.out.append(dict(batchId=n, run=s.run, isDataBatch=start != end, numInputRows=cnt, wm=evict_wm, min=mn, max=mx, so=[len(st), len(touched), len(gone), dropped], rows=rows))
    def process(s, files):
        """until no batch is due; files = all input files present so far, one file per batch"""
        if getattr(s, "rerun", None) is not None:
            n = s.rerun; s.rerun = None; e = s.offsets[n]["end"]
            s.batch(n, files[s.pos + 1] if e != s.pos else [], s.pos, e)
        while True:
            if s.pos + 1 < len(files): s.batch(s.next, files[s.pos + 1], s.pos, s.pos + 1)
            elif s.no_data and s.mode != "complete" and s.last_evict is not None and s.wm > s.last_evict: s.batch(s.next, [], s.pos, s.pos)
            else: return

def iso(s):
    m = re.fullmatch(r"\+?(\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", s); y = int(m[1])
    return parse_ts("%04d-%s-%sT%s:%s:%s.%sZ" % (y, m[2], m[3], m[4], m[5], m[6], m[7])) // 1000
def main(root):
    ok = bad = skip = 0
    for f in sorted(glob.glob(root + "/*/expected.json")):
        name = f.split("/")[-2]; d = json.load(open(f))
        files = [open(x).read().split("\n")[:-1] for x in sorted(glob.glob(os.path.dirname(f) + "/input/*.jsonl"))]
        for r in d["runs"]:
            if name.startswith(SKIP_PARSE) or "error" in r: skip += 1; continue
            q = Query(r["outputMode"], r["watermark"], r["window"], r["slide"], r["conf"].get("spark.sql.streaming.noDataMicroBatches.enabled") != "false")
            have = 0; q.run = -1; wm = None
            for op in r["ops"]:
                o = op["op"]
                if o == "add": have += op["files"]
                elif o == "start": q.restart(wm)
                elif o == "set_watermark": wm = op["watermark"]
                elif o == "process":
                    n0 = len(q.out); q.process(files[:have])
                elif o == "rm_commit": del q.commits[max(q.commits)]
                elif o == "rm_commit_offset": n = max(q.commits); del q.commits[n]; del q.offsets[n]
            errs = []
            if len(q.out) != len(r["batches"]): errs.append("number of batches %d != %d" % (len(q.out), len(r["batches"])))
            for m, b in zip(q.out, r["batches"]):
                so = b["stateOperators"]; e = b["eventTime"]
                rows = [tuple(x[k] for k in ("window_start_ms", "window_end_ms", "n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn")) for x in b["rows"]]
                for k in ("batchId", "run", "isDataBatch", "numInputRows"):
                    if m[k] != b[k]: errs.append("batch %s %s %s != %s" % (b["batchId"], k, m[k], b[k]))
                if m["wm"] != iso(b["watermark"]): errs.append("batch %d wm" % b["batchId"])
                if m["so"] != [so[k] for k in ("numRowsTotal", "numRowsUpdated", "numRowsRemoved", "numRowsDroppedByWatermark")]: errs.append("batch %d so %s %s" % (b["batchId"], m["so"], so))
                if m["rows"] != rows: errs.append("batch %d rows %s != %s" % (b["batchId"], m["rows"], rows))
                for x in b["rows"]:
                    if x["precision"] != (x["tp"] / x["n_alert"] if x["n_alert"] else None) or x["recall"] != (x["tp"] / x["n_fraud_true"] if x["n_fraud_true"] else None): errs.append("ratio")
                for k in ("min", "max"):
                    if (m[k] is None) != (k not in e) or (k in e and iso(e[k]) != m[k] and m[k] > -12219292800000): errs.append("batch %d et.%s %s != %s" % (b["batchId"], k, m[k], e.get(k)))
            if errs: bad += 1; print("BAD", name, r["id"], errs[:3])
            else: ok += 1
    print("runs that agree: %d, differ: %d, skipped (parsing scenarios): %d" % (ok, bad, skip))
main(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
