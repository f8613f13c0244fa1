"""Runs a notebook from a fresh kernel and saves it with its outputs; tools/jupyter/report.ts starts it.

Usage: run_notebook.py NOTEBOOK OUTPUT. A kernel may send outputs of a cell after it has called it done, so that
they are nowhere in the notebook; each cell is followed by a mark, and what comes in between fails the run. Prints one JSON line an event: {"cells"}, {"cell", "title"} before
each code cell, then {"seconds"}, or {"failed", "line"} and exit code 1. The output is written in any case, since
a run that failed is read to see why.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path

import nbformat
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def say(**event):
    print(json.dumps(event), flush=True)


def titles(notebook):
    """Yields (index, cell, the heading above it) for each code cell."""
    heading = ""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            yield index, cell, heading
        elif match := re.search(r"^#+ (.+)$", cell.source, re.MULTILINE):
            heading = match[1]


def failure(cell):
    # A display that fails leaves an error output behind without failing the cell.
    for output in cell.outputs:
        if output.output_type == "error":
            text = ANSI.sub("", f"{output.ename}: {output.evalue}".strip(": "))
            return text.splitlines()[0] if text else "error without a text"
    return None


SHOWN = ("stream", "display_data", "update_display_data", "execute_result", "error")


def lost_output(client):
    """Says what the kernel sent too late for its cell: it sends in order, and a mark comes after all of it."""
    mark = uuid.uuid4().hex
    client.kc.execute(f'console.log("{mark}")', silent=True, store_history=False)
    late = 0
    while True:
        message = run_sync(client.kc.get_iopub_msg)(timeout=30)
        content = message["content"]
        if mark in content.get("text", ""):
            # The mark may have been joined to text that was waiting.
            late += content["text"].strip() != mark
            return f"an output came after the cell had ended and is lost ({late} in all)" if late else None
        late += message["msg_type"] in SHOWN


def changed(notebook):
    """Says whether the parameters are others than those that the notebook came with (see notebooks:fmt)."""
    return any(
        cell.metadata.get("sha256", mark) != mark
        for cell in notebook.cells
        if "parameters" in cell.metadata.get("tags", [])
        for mark in [hashlib.sha256(cell.source.encode()).hexdigest()[:16]]
    )


def run(notebook, path):
    code = list(titles(notebook))
    say(cells=len(code))
    for _, cell, _ in code:
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="deno",
        allow_errors=True,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    # What the kernel's process itself prints matters only when it dies.
    with tempfile.TemporaryFile("w+") as log, client.setup_kernel(stdout=log, stderr=log):
        for count, (index, cell, heading) in enumerate(code, start=1):
            say(cell=count, title=heading)
            try:
                client.execute_cell(cell, index)
                error = failure(cell) or lost_output(client)
            except DeadKernelError:
                log.seek(0)
                error = "the kernel died\n" + "".join(log.readlines()[-12:])
            if error:
                say(failed=count, line=error)
                return False
        return True


def main(source, output):
    path = Path(source).resolve()
    notebook = nbformat.read(path, as_version=4)
    started, clock = datetime.now(timezone.utc), time.monotonic()
    done = run(notebook, path)
    seconds = round(time.monotonic() - clock, 1)
    notebook.metadata["report"] = {
        "startedAt": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": seconds,
        "versions": json.loads(os.environ.get("REPORT_VERSIONS", "{}")),
        "parameters": os.environ.get(f"{path.stem.upper()}_PARAMETERS", ""),
        "changed": changed(notebook),
    }
    nbformat.write(notebook, output)
    if done:
        say(seconds=seconds)
    return 0 if done else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
