"""What the peers share: the model as a formula, and the result as the bench reads it."""

import json
import time

V = [f"V{i}" for i in range(1, 29)]
FEATURES = [*V, "Amount"]
COUNTS = ["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"]


def linear(path: str) -> tuple[list[float], float]:
    """Returns the weights and the intercept of the logistic regression on raw features."""
    import onnx

    scaler, classifier = onnx.load(path).graph.node
    attributes = {a.name: list(a.floats) for a in (*scaler.attribute, *classifier.attribute)}
    # Two classes: the second half is that of class 1.
    weights = [c * s for c, s in zip(attributes["coefficients"][29:], attributes["scale"])]
    offset = sum(w * o for w, o in zip(weights, attributes["offset"]))
    return weights, attributes["intercepts"][1] - offset


def report(windows, version: str, *, began: float, ended: float | None = None, batches: list = []) -> None:
    """Prints the seconds of the query, and [start in ms, counts…] of each window, as the bench reads them."""
    seconds = (ended or time.monotonic()) - began
    rows = [[int(value) for value in row] for row in windows]
    print("\n" + json.dumps({"querySeconds": seconds, "version": version, "windows": rows, "batches": batches}))


def counts_of(alert: bool, label: int) -> list[int]:
    """Returns what one row adds to the counts, in the order of COUNTS."""
    fraud = label == 1
    return [1, int(alert), int(fraud), int(alert and fraud), int(alert and label == 0), int(fraud and not alert)]
