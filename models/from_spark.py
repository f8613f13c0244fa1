"""Turns a saved Spark ML PipelineModel into the ONNX file that the notebook, `deno task kpi` and Spark score with.

    pip install -r tools/spark/spark-4.txt
    python models/from_spark.py MODEL_DIR --rows ROWS.jsonl --out FILE.onnx [--expect COLUMN]

MODEL_DIR is what `PipelineModel.save` wrote: a VectorAssembler, then a StandardScaler or none, then a
LogisticRegressionModel or a RandomForestClassificationModel. Its files are read as they are, without Spark.
ROWS.jsonl has V1 to V28 and Amount, a row a line. The ONNX form is compared on them with the column COLUMN (Spark's
probability of fraud, or its vector) or, without --expect, with PySpark itself, which needs Java 17. Nothing is
written if a row differs by more than 1e-6.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow.parquet
from onnx import TensorProto, helper, numpy_helper

FEATURES = [f"V{i}" for i in range(1, 29)] + ["Amount"]
TOLERANCE = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the folder that PipelineModel.save wrote")
    parser.add_argument("--rows", type=Path, required=True, help="JSON lines to compare both models on")
    parser.add_argument("--expect", help="the column of ROWS with Spark's probability; else PySpark scores them")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.rows.read_text().splitlines() if line.strip()]
    if not rows:
        raise SystemExit(f"Not written: {args.rows} has no rows to compare on")
    file, kind = convert(args.model)
    expected = spark_scores(args.model, rows) if args.expect is None else given_scores(rows, args.expect)
    x = np.array([[row[name] for name in FEATURES] for row in rows], dtype=np.float64)
    differences = np.abs(score(file, x) - expected)
    print(f"{kind}: ONNX differs from Spark by at most {differences.max():.1e} on {len(rows)} rows")
    wrong = np.flatnonzero(~(differences <= TOLERANCE))  # also where a difference is NaN
    if len(wrong):
        raise SystemExit(
            f"Not written: {len(wrong)} of {len(rows)} rows differ by more than {TOLERANCE:.0e}, the first is row "
            f"{wrong[0]}. Are the rows' probabilities of this model?"
        )
    args.out.write_bytes(file)
    print(f"Written: {args.out}. Use it with --model {args.out}, or as models/README.md says")


def convert(folder: Path) -> tuple[bytes, str]:
    """Returns the pipeline as an ONNX file, and what its classifier is called."""
    uids = metadata(folder)["paramMap"]["stageUids"]
    stages = [folder / "stages" / f"{i:0{len(str(len(uids)))}}_{uid}" for i, uid in enumerate(uids)]
    kinds = [metadata(stage)["class"].rsplit(".", 1)[1] for stage in stages]
    if kinds[:-1] not in (["VectorAssembler"], ["VectorAssembler", "StandardScalerModel"]) or kinds[-1] not in GRAPHS:
        raise SystemExit(
            f"Cannot convert {folder}: its stages are {', '.join(kinds)}; they should be VectorAssembler, then "
            f"StandardScalerModel or none, then {' or '.join(GRAPHS)}"
        )
    names = params(stages[0])["inputCols"]
    if sorted(names) != sorted(FEATURES):
        raise SystemExit(f"Cannot convert {folder}: it is made for {', '.join(names)}, not for V1 to V28 and Amount")
    flow = [params(stage) for stage in stages]
    for before, after in zip(flow, flow[1:]):
        if before["outputCol"] != (after.get("inputCol") or after.get("featuresCol")):
            raise SystemExit(f"Cannot convert {folder}: a stage does not read what the stage before it writes")
    # The columns stand in the assembler's order; the ONNX input is in ours.
    columns = np.array([FEATURES.index(name) for name in names])
    shift, scale = scaler(stages[1], flow[1]) if len(stages) == 3 else (np.zeros(len(names)), np.ones(len(names)))
    nodes, constants = GRAPHS[kinds[-1]](stages[-1], columns, shift, scale)
    # Spark computes in doubles, so the sums do too; only input and output are float32.
    nodes = [
        helper.make_node("Cast", ["features"], ["x"], to=TensorProto.DOUBLE),
        *nodes,
        helper.make_node("Sub", ["one", "fraud"], ["other"]),
        helper.make_node("Concat", ["other", "fraud"], ["both"], axis=1),
        helper.make_node("Cast", ["both"], ["probabilities"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "fraud",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(FEATURES)])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(value, name) for name, value in {**constants, "one": np.array([[1.0]])}.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="models/from_spark.py")
    helper.set_model_props(model, {"features": ",".join(FEATURES), "from": uids[-1]})
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True), kinds[-1]


def scaler(folder: Path, settings: dict) -> tuple[np.ndarray, np.ndarray]:
    """Returns what is subtracted and what it is then multiplied with; a column without spread becomes 0, as in Spark."""
    (row,) = table(folder / "data")
    mean, std = dense(row["mean"]), dense(row["std"])
    shift = mean if settings["withMean"] else np.zeros_like(mean)
    scale = np.divide(1.0, std, out=np.zeros_like(std), where=std != 0) if settings["withStd"] else np.ones_like(std)
    return shift, scale


def logistic(folder: Path, columns: np.ndarray, shift: np.ndarray, scale: np.ndarray):
    (row,) = table(folder / "data")
    weights, intercepts = matrix(row["coefficientMatrix"]), dense(row["interceptVector"])
    if row["numClasses"] != 2:
        raise SystemExit(f"Cannot convert {folder}: it has {row['numClasses']} classes, not 2")
    if row["isMultinomial"]:  # a softmax over two is a sigmoid of the difference
        weights, intercepts = weights[1:] - weights[:1], intercepts[1:] - intercepts[:1]
    folded = np.zeros((len(FEATURES), 1))
    folded[columns, 0] = weights[0] * scale
    bias = intercepts[0] - np.sum(weights[0] * scale * shift)
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["margin"]),
        helper.make_node("Sigmoid", ["margin"], ["fraud"]),
    ]
    return nodes, {"weights": folded, "bias": np.array([[bias]])}


def forest(folder: Path, columns: np.ndarray, shift: np.ndarray, scale: np.ndarray):
    if metadata(folder)["numClasses"] != 2:
        raise SystemExit(f"Cannot convert {folder}: it has {metadata(folder)['numClasses']} classes, not 2")
    trees: dict[int, list[dict]] = {}
    for row in table(folder / "data"):
        trees.setdefault(row["treeID"], []).append(row["nodeData"])
    # Tree, metadata and weight: Spark 3.5 names the columns, Spark 4 numbers them.
    weights = {tree: weight for tree, _, weight in (row.values() for row in table(folder / "treesMetadata"))}
    nodes = {name: [] for name in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")}
    targets = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}

    def add(tree: int, node: dict, mode: str, feature: int = 0, value: float = 0.0, left: int = 0, right: int = 0):
        for name, item in zip(nodes, (tree, node["id"], feature, mode, value, left, right)):
            nodes[name].append(item)

    for tree, members in trees.items():
        for node in members:
            split, stats = node["split"], np.array(node["impurityStats"])
            if node["leftChild"] < 0:
                add(tree, node, "LEAF")
                # A tree's vote is its leaf's share of frauds.
                vote = stats[1] / stats.sum() * weights[tree] / sum(weights.values()) if stats.sum() else 0.0
                for name, item in zip(targets, (tree, node["id"], 0, vote)):
                    targets[name].append(item)
                continue
            if split["numCategories"] != -1:
                raise SystemExit(f"Cannot convert {folder}: it splits by categories, only thresholds are known")
            column = split["featureIndex"]
            limit = threshold(split["leftCategoriesOrThreshold"][0], shift[column], scale[column])
            add(tree, node, "BRANCH_LEQ", int(columns[column]), limit, node["leftChild"], node["rightChild"])
    trees_node = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["votes"],
        domain="ai.onnx.ml",
        n_targets=1,
        post_transform="NONE",
        **{f"nodes_{name}": values for name, values in nodes.items()},
        **{f"target_{name}": values for name, values in targets.items()},
    )
    return [trees_node, helper.make_node("Cast", ["votes"], ["fraud"], to=TensorProto.DOUBLE)], {}


def threshold(limit: float, shift: float, scale: float) -> float:
    """Returns the greatest float32 at or below a split's threshold, on the unscaled column.

    A float32 value is then at or below it exactly when it is at or below Spark's double.
    """
    if scale == 0:
        return float("inf") if limit >= 0 else float("-inf")
    value = limit if (shift, scale) == (0, 1) else limit / scale + shift
    nearest = np.float32(value)
    # As doubles: NumPy would round the other side of a mixed comparison to float32.
    return float(nearest if float(nearest) <= float(value) else np.nextafter(nearest, np.float32("-inf")))


GRAPHS = {"LogisticRegressionModel": logistic, "RandomForestClassificationModel": forest}


def metadata(folder: Path) -> dict:
    files = sorted((folder / "metadata").glob("part-*"))
    if not files:
        raise SystemExit(f"Cannot read {folder}: it has no metadata/part-*; is it what PipelineModel.save wrote?")
    return json.loads(files[0].read_text())


def params(folder: Path) -> dict:
    found = metadata(folder)
    return {**found["defaultParamMap"], **found["paramMap"]}


def table(folder: Path) -> list[dict]:
    files = sorted(folder.glob("*.parquet"))
    return [row for file in files for row in pyarrow.parquet.read_table(file).to_pylist()]


def dense(vector: dict) -> np.ndarray:
    if vector["type"] == 1:
        return np.array(vector["values"])
    values = np.zeros(vector["size"])
    values[vector["indices"]] = vector["values"]
    return values


def matrix(given: dict) -> np.ndarray:
    rows, columns = given["numRows"], given["numCols"]
    if given["type"] == 1:
        order = "C" if given["isTransposed"] else "F"
        return np.array(given["values"]).reshape((rows, columns), order=order)
    values = np.zeros((columns, rows) if not given["isTransposed"] else (rows, columns))
    for line, (start, end) in enumerate(zip(given["colPtrs"], given["colPtrs"][1:])):
        values[line, given["rowIndices"][start:end]] = given["values"][start:end]
    return values if given["isTransposed"] else values.T


def score(file: bytes, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (pairs,) = session.run(["probabilities"], {"features": x.astype(np.float32)})
    return pairs[:, 1].astype(np.float64)


def given_scores(rows: list[dict], column: str) -> np.ndarray:
    if column not in rows[0]:
        raise SystemExit(f"Not written: the rows have no {column}")
    values = [row[column] for row in rows]
    return np.array([value[1] if isinstance(value, list) else value for value in values], dtype=np.float64)


def spark_scores(folder: Path, rows: list[dict]) -> np.ndarray:
    from pyspark.ml import PipelineModel
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.log.level", "ERROR").getOrCreate()
    data = [[float(row[name]) for name in FEATURES] for row in rows]
    frame = spark.createDataFrame(data, FEATURES).coalesce(1)  # one part keeps the order
    scored = PipelineModel.load(str(folder)).transform(frame)
    found = scored.select(vector_to_array("probability")[1]).collect()
    spark.stop()
    return np.array([row[0] for row in found])


if __name__ == "__main__":
    main()
