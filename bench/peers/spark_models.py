"""Turns the ONNX models into Spark's PipelineModels, which the original loads. spark_models.py MODELS_DIR OUT_DIR

Spark offers no Python constructor for a fitted model; its JVM classes have one.
"""

import sys
from pathlib import Path

import onnx
from pyspark.ml import PipelineModel
from pyspark.ml.classification import LogisticRegressionModel, RandomForestClassificationModel
from pyspark.ml.feature import StandardScalerModel, VectorAssembler
from pyspark.ml.linalg import Vectors
from pyspark.ml.common import _py2java
from pyspark.sql import SparkSession

from common import FEATURES


def main(models: Path, out: Path) -> None:
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    save_logistic(spark, onnx.load(models / "fraud_lr_model.onnx"), out / "lr")
    save_forest(spark, onnx.load(models / "fraud_rf_model.onnx"), out / "rf")
    spark.stop()


def values(node) -> dict:
    return {a.name: list(a.floats or a.ints or a.strings) for a in node.attribute}


def save_logistic(spark: SparkSession, onnx_model, path: Path) -> None:
    ml = spark._jvm.org.apache.spark.ml
    vector = lambda numbers: _py2java(spark.sparkContext, Vectors.dense(numbers))
    scaler, classifier = map(values, onnx_model.graph.node)
    java = ml.feature.StandardScalerModel(
        "scaler", vector([1 / s for s in scaler["scale"]]), vector(scaler["offset"]))
    scale = StandardScalerModel(java)
    scale._set(inputCol="raw", outputCol="features", withMean=True, withStd=True)
    scale._transfer_params_to_java()
    weights, intercept = classifier["coefficients"][29:], classifier["intercepts"][1]
    java = ml.classification.LogisticRegressionModel("logistic", vector(weights), intercept)
    logistic = LogisticRegressionModel(java)
    save([VectorAssembler(inputCols=FEATURES, outputCol="raw"), scale, logistic], path)


def save_forest(spark: SparkSession, onnx_model, path: Path) -> None:
    (node,) = onnx_model.graph.node
    forest = values(node)
    ml, gateway = spark._jvm.org.apache.spark.ml, spark.sparkContext._gateway
    leaves = {}
    for tree, leaf, weight in zip(*(forest[f"class_{n}"] for n in ("treeids", "nodeids", "weights"))):
        leaves[tree, leaf] = weight
    index = {key: i for i, key in enumerate(zip(forest["nodes_treeids"], forest["nodes_nodeids"]))}
    trees = 1 + max(forest["nodes_treeids"])

    def stats(positive: float):
        pair = gateway.new_array(spark._jvm.double, 2)
        pair[0], pair[1] = 1 - positive, positive
        return spark._jvm.org.apache.spark.mllib.tree.impurity.GiniCalculator(pair, 1)

    def build(tree: int, at: int):
        i = index[tree, at]
        if forest["nodes_modes"][i] == b"LEAF":
            positive = leaves[tree, at] * trees  # ONNX holds each tree's share of the mean
            return ml.tree.LeafNode(float(positive > 0.5), 0.0, stats(positive))
        split = ml.tree.ContinuousSplit(forest["nodes_featureids"][i], forest["nodes_values"][i])
        left, right = (build(tree, forest[f"nodes_{side}nodeids"][i]) for side in ("true", "false"))
        return ml.tree.InternalNode(0.0, 0.0, 0.0, left, right, split, stats(0.0))

    tree_class = ml.classification.DecisionTreeClassificationModel
    array = gateway.new_array(tree_class, trees)
    for tree in range(trees):
        array[tree] = tree_class(f"tree{tree}", build(tree, 0), 29, 2)
    java = ml.classification.RandomForestClassificationModel("forest", array, 29, 2)
    model = RandomForestClassificationModel(java)
    model._set(numTrees=trees)  # loading compares it with the trees found
    model._transfer_params_to_java()
    save([VectorAssembler(inputCols=FEATURES, outputCol="features"), model], path)


def save(stages: list, path: Path) -> None:
    PipelineModel(stages).write().overwrite().save(str(path))


main(Path(sys.argv[1]), Path(sys.argv[2]))
