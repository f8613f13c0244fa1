"""Trains the two models, chooses one and its threshold, and cuts the recording that is streamed.

    pip install -r models/requirements.txt
    python models/train.py --data FILE

FILE is Kaggle's creditcard.csv or the same columns as FILE.parquet, in the original order. It is
split by time and never shuffled: train, then validation, then the recording; later rows stay unused.
Every figure in models/README.md and model_selection_summary.json is written by this script.
"""

import argparse
import hashlib
import json
import platform
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import skl2onnx
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
RECORDING_FILE = ROOT / "data" / "transactions_60k.parquet"

FEATURES = [f"V{i}" for i in range(1, 29)] + ["Amount"]
COLUMNS = ["Time", *FEATURES, "Class"]

# Half-open row ranges of the original file, so that the whole file gives the same three parts.
SPLIT = {"train": (0, 117_845), "validation": (117_845, 167_845), "recording": (167_845, 227_845)}

SEED = 2013
THRESHOLDS = [i / 100 for i in range(1, 100)]
FILES = {"Logistic Regression": "fraud_lr_model.onnx", "Random Forest": "fraud_rf_model.onnx"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="creditcard.csv or a parquet file")
    table = read(parser.parse_args().data)
    parts = {part: cut(table, *rows) for part, rows in SPLIT.items()}
    for part, (x, y) in parts.items():
        print(f"{part}: rows {SPLIT[part]}, {len(y)} rows, {int(y.sum())} frauds", flush=True)

    models, files = {}, {}
    for name, model in untrained().items():
        print(f"training: {name}", flush=True)
        models[name] = model.fit(*parts["train"])
        files[name] = to_onnx(model)
        check_equal(name, model, files[name], np.concatenate([parts[p][0] for p in ("validation", "recording")]))

    summary = choose(files, parts)
    write_recording(table)
    for name, file in FILES.items():
        (MODELS / file).write_bytes(files[name])
    write_json(MODELS / "model_selection_summary.json", summary)
    write_json(MODELS / "reference.json", reference(models, parts["recording"]))
    write_figures(MODELS / "README.md", summary)
    print(figures(summary))


def read(path: Path) -> pa.Table:
    """Reads the columns we need, in file order; stops if they are not the credit-card set's."""
    if path.suffix == ".csv":
        types = {name: pa.float64() for name in COLUMNS} | {"Class": pa.int32()}
        table = pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(column_types=types))
    else:
        table = pa.parquet.read_table(path)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise SystemExit(f"Cannot train on {path}: no column {', '.join(missing)}")
    table = table.select(COLUMNS)
    nulls = [name for name in COLUMNS if table[name].null_count]
    if nulls:
        raise SystemExit(f"Cannot train on {path}: column {', '.join(nulls)} has nulls")
    rows = SPLIT["recording"][1]
    if table.num_rows < rows:
        raise SystemExit(f"Cannot train on {path}: needs {rows} rows or more, got {table.num_rows}")
    if np.any(np.diff(table["Time"].to_numpy()) < 0):
        raise SystemExit(f"Cannot split {path} by time: Time falls; give the file in its original order")
    return table


def cut(table: pa.Table, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns features and labels of rows [start, end); features hold float32 values, as streamed."""
    rows = table.slice(start, end - start)
    x = np.column_stack([rows[name].to_numpy() for name in FEATURES]).astype(np.float32)
    return x.astype(np.float64), rows["Class"].to_numpy()


def untrained() -> dict:
    return {
        "Logistic Regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "Random Forest": RandomForestClassifier(n_estimators=100, max_depth=10, random_state=SEED),
    }


def to_onnx(model) -> bytes:
    """Converts to ONNX: features float32 [n, 29] in, probabilities float32 [n, 2] out, no ZipMap."""
    proto = skl2onnx.to_onnx(
        model,
        initial_types=[("features", skl2onnx.common.data_types.FloatTensorType([None, len(FEATURES)]))],
        options={"zipmap": False},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    onnx.helper.set_model_props(proto, {"features": ",".join(FEATURES)})
    onnx.checker.check_model(proto)
    return proto.SerializeToString(deterministic=True)


def score(file: bytes, x: np.ndarray) -> np.ndarray:
    """Returns the fraud probabilities that the product will see."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (p,) = session.run(["probabilities"], {"features": x.astype(np.float32)})
    return p[:, 1].astype(np.float64)


def check_equal(name: str, model, file: bytes, x: np.ndarray) -> None:
    difference = float(np.abs(score(file, x) - model.predict_proba(x)[:, 1]).max())
    print(f"{name}: ONNX differs from scikit-learn by at most {difference:.1e} on {len(x)} rows")
    if not difference <= 1e-5:
        raise SystemExit(f"Not written: the ONNX form of {name} must be within 1e-5 of scikit-learn")


def measure(p: np.ndarray, y: np.ndarray, threshold: float) -> dict:
    alert, fraud = p >= threshold, y == 1
    tp, fp, fn = (int(np.sum(rows)) for rows in (alert & fraud, alert & ~fraud, ~alert & fraud))
    return {
        "threshold": threshold,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "precision": tp / (tp + fp) if tp + fp else None,
        "recall": tp / (tp + fn) if tp + fn else None,
        "f1": 2 * tp / (2 * tp + fp + fn),
    }


def choose(files: dict, parts: dict) -> dict:
    """Takes the model and threshold with the best F1 on validation; the recording is only reported."""
    metrics = {}
    for name, file in files.items():
        x, y = parts["validation"]
        p = score(file, x)
        # max() keeps the first of equals: the lowest threshold misses the fewest frauds.
        best = max((measure(p, y, t) for t in THRESHOLDS), key=lambda m: m["f1"])
        x, y = parts["recording"]
        metrics[name] = {"validation": best, "recording": measure(score(file, x), y, best["threshold"])}
    selected = max(metrics, key=lambda name: metrics[name]["validation"]["f1"])
    return {
        "selected_model": selected,
        "recommended_threshold": metrics[selected]["validation"]["threshold"],
        "rule": "best F1 on validation, thresholds 0.01 to 0.99; the recording played no part",
        "metrics": metrics,
        "split": {
            part: {"rows": list(SPLIT[part]), "count": len(y), "frauds": int(y.sum())}
            for part, (_, y) in parts.items()
        },
        "seed": SEED,
        "versions": {"python": platform.python_version()}
        | {m.__name__: m.__version__ for m in (np, pa, sklearn, skl2onnx, onnx, onnxruntime)},
        "sha256": {FILES[name]: hashlib.sha256(file).hexdigest() for name, file in files.items()},
    }


def write_recording(table: pa.Table) -> None:
    """Writes the recording's rows as float32, which holds Time (whole seconds) exactly."""
    schema = pa.schema([(n, pa.int32() if n == "Class" else pa.float32()) for n in COLUMNS])
    start, end = SPLIT["recording"]
    rows = table.slice(start, end - start).cast(schema, safe=False).combine_chunks()
    RECORDING_FILE.parent.mkdir(exist_ok=True)
    few_values = ["Time", "Amount", "Class"]
    pa.parquet.write_table(
        rows,
        RECORDING_FILE,
        compression="zstd",
        compression_level=19,
        use_dictionary=few_values,
        use_byte_stream_split=[name for name in COLUMNS if name not in few_values],
    )


def reference(models: dict, recording: tuple) -> dict:
    """Returns rows of the recording with scikit-learn's own probabilities, for the tests of lib/model."""
    x, y = recording
    rows = sorted({*np.flatnonzero(y == 1)[:24].tolist(), *range(0, len(y), 2500)})
    p = {name: model.predict_proba(x[rows])[:, 1] for name, model in models.items()}
    return {
        "features": FEATURES,
        "rows": [
            {
                "row": row,
                # The shortest decimal that reads back as this float32.
                "features": [float(str(value)) for value in x[row].astype(np.float32)],
                "probability": {name: float(p[name][i]) for name in models},
            }
            for i, row in enumerate(rows)
        ],
    }


def figures(summary: dict) -> str:
    """Returns the model card's figures as Markdown, padded as `deno fmt` wants it."""
    split = [["part", "rows of the original file", "transactions", "frauds"]] + [
        [part, f"[{s['rows'][0]}, {s['rows'][1]})", str(s["count"]), str(s["frauds"])]
        for part, s in summary["split"].items()
    ]
    table = [["model", "part", "threshold", "tp", "fp", "fn", "precision", "recall", "F1"]]
    for name, parts in summary["metrics"].items():
        for part, m in parts.items():
            ratios = ("–" if m[k] is None else f"{m[k]:.3f}" for k in ("precision", "recall", "f1"))
            table.append([name, part, str(m["threshold"]), *(str(m[k]) for k in ("tp", "fp", "fn")), *ratios])
    selected = f"Selected: **{summary['selected_model']}** at {summary['recommended_threshold']}."
    return f"{markdown(split)}\n\n{markdown(table)}\n\n{selected}"


def markdown(table: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table)]
    rows = [table[0], ["-" * width for width in widths], *table[1:]]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |" for row in rows)


def write_figures(card: Path, summary: dict) -> None:
    begin, end = "<!-- figures: written by train.py -->", "<!-- end of figures -->"
    text, found = re.subn(
        f"{begin}.*{end}",
        lambda _: f"{begin}\n\n{figures(summary)}\n\n{end}",
        card.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if found != 1:
        raise SystemExit(f"Cannot write the figures: {card} must hold {begin} and {end} once")
    card.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
