"""Make the zip that you submit: python make_submission.py my_notebook.ipynb [submission.zip]

It needs nothing but Python. The zip holds your notebook alone, under a neutral name, without its outputs.
"""

from __future__ import annotations

import json
import sys
import zipfile

MARK = "# SOLUTION CELL"


def bare(text: str) -> str:
    """Return a notebook's text without outputs, which are only weight.

    Raises:
        ValueError: it is no notebook, or has no solution cell.
    """
    try:
        notebook = json.loads(text)
        cells = notebook["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, TypeError, KeyError):
        raise ValueError("this is no Jupyter notebook") from None
    if not any(MARK in source or "def your_select_indices" in source for source in sources):
        raise ValueError("it has no solution cell: start from starter_notebook.ipynb")
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return json.dumps(notebook, indent=1)


def main(arguments: list[str]) -> int:
    """Write the zip; return the exit status."""
    if len(arguments) not in (1, 2):
        print(__doc__)
        return 2
    target = arguments[1] if len(arguments) == 2 else "submission.zip"
    try:
        with open(arguments[0], encoding="utf-8-sig") as stream:
            text = bare(stream.read())
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("notebook.ipynb", text)
    except (OSError, ValueError) as error:
        print(f"error: {arguments[0]}: {error}", file=sys.stderr)
        return 1
    print(f"wrote {target}: upload it under My Submissions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
