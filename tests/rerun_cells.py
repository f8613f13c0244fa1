"""Runs a notebook from top to bottom, then every code cell once more in a random order, in the same kernel, but for the
one that begins the page anew.

Usage: rerun_cells.py NOTEBOOK SEED. Prints one line for each cell that fails, with its id, and exits with 1 if one did.
"""

import random
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main(source, seed):
    path = Path(source).resolve()
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="deno", allow_errors=True, resources=resources)
    code = [(cell, index) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    others = [pair for pair in code if "report.restart()" not in pair[0].source]
    again = random.Random(seed).sample(others, len(others))
    failed = 0
    with client.setup_kernel():
        for count, (cell, index) in enumerate(code + again):
            client._display_id_map.clear()  # nbclient expects the outputs of the first run to be there still
            client.execute_cell(cell, index)
            for output in cell.outputs:
                if output.output_type == "error":
                    failed += 1
                    time = "first run" if count < len(code) else "run again"
                    print(f"{cell.id}, {time}: {output.ename}: {output.evalue}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
