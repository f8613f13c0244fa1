"""Lists by kind how the runs of two versions of Spark differ. usage: compare.py EXPECTED_TREE OTHER_TREE

A kind is the path of a field, as batches.eventTime.max; each is shown with the runs it is in and its first two values.
Runs that only one tree has are not compared, so the other tree may hold a part of the corpus.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

IGNORED = {"run"}
kinds: dict[str, list] = defaultdict(list)


def differ(path: str, a, b, run: str) -> None:
    """Notes every field in which two values differ, however deep."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b} - IGNORED):
            differ(f"{path}.{key}".lstrip("."), a.get(key), b.get(key), run)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for left, right in zip(a, b):
            differ(path, left, right, run)
    elif a != b:
        kinds[path].append((run, a, b))


expected, other = map(Path, sys.argv[1:3])
compared, different = 0, set()
for file in sorted(other.glob("*/expected.json")):
    scenario = file.parent.name
    ours, theirs = (json.loads((tree / scenario / "expected.json").read_text()) for tree in (expected, other))
    wanted = {run["id"]: run for run in ours["runs"]}
    for run in theirs["runs"]:
        if run["id"] in wanted:
            compared += 1
            differ("", wanted[run["id"]], run, f"{scenario}: {run['id']}")
for path, found in sorted(kinds.items()):
    runs = {run for run, *_ in found}
    different |= runs
    run, a, b = found[0]
    print(f"{path}: {len(runs)} runs, {len(found)} places; in {run}\n  {json.dumps(a)[:200]}\n  {json.dumps(b)[:200]}")
print(f"{compared} runs compared, {len(different)} differ")
