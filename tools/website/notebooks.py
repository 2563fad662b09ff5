"""Folds away what a reader of the gallery need not read: cells of a notebook with much code, mostly drawing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# A cell of more lines is folded; its output is shown.
MOST_LINES = 6


def folded(notebook: str) -> str:
    """Return a notebook's text with the tag ``hide-input`` on every cell of many lines."""
    read = json.loads(notebook)
    for cell in read["cells"]:
        if cell["cell_type"] == "code" and "".join(cell["source"]).count("\n") >= MOST_LINES:
            cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), "hide-input"]
    return json.dumps(read)


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    if app.env.doc2path(page).suffix == ".ipynb":
        source[0] = folded(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
