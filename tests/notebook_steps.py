"""Runs cells of a notebook as a reader does, in one kernel, and goes on after a cell that failed.

Usage: notebook_steps.py NOTEBOOK < STEPS. STEPS is a JSON list: "all" runs every code cell from the top, "restart" gives
a new kernel, any other text is the id of a cell, {"code": …} is code of a cell of its own, and {"code": …, "edit": id}
takes the place of a cell's code, null brings it back. Prints one JSON line a step: what each cell of the notebook shows by then, as plain text, and its error, if it has one.
"""

import json
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def shown(output):
    if output.output_type == "stream":
        return output.text
    return output.get("data", {}).get("text/plain", "")


def state(cells):
    return {
        cell.id: {
            "text": "\n".join(shown(output) for output in cell.outputs if output.output_type != "error"),
            "error": "; ".join(output.evalue for output in cell.outputs if output.output_type == "error"),
        }
        for cell in cells
    }


def main(source):
    path = Path(source).resolve()
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="deno", allow_errors=True, resources=resources)
    steps = json.load(sys.stdin)
    own = [cell for cell in notebook.cells if cell.cell_type == "code"]
    sources = {cell.id: cell.source for cell in own}

    def execute(cell):
        index = notebook.cells.index(cell)
        for cells in client._display_id_map.values():
            cells.pop(index, None)  # an output that is about to go is not updated any more
        client.execute_cell(cell, index)

    while steps:
        with client.setup_kernel():
            while steps:
                step = steps.pop(0)
                if step == "restart":
                    print(json.dumps({}), flush=True)
                    break
                if isinstance(step, dict) and "edit" in step:
                    (cell,) = [cell for cell in own if cell.id == step["edit"]]
                    cell.source = sources[cell.id] if step["code"] is None else step["code"]
                elif isinstance(step, dict):
                    cell = nbformat.v4.new_code_cell(step["code"])
                    notebook.cells.append(cell)
                    execute(cell)
                else:
                    for cell in [cell for cell in own if step in ("all", cell.id)]:
                        execute(cell)
                print(json.dumps(state(own)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
