"""Says in which order the site has its pages, so that no document needs lines that mean nothing on GitHub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def _in(folder: str, names: str) -> list[str]:
    """Return the pages of a folder by their names in a line."""
    return [f"{folder}/{name}" for name in names.split()]


# The pages below each page that has any.
BELOW = {
    "docs/README": [
        "docs/start",
        "docs/guide/README",
        "docs/gallery",
        "docs/mathematics/README",
        "docs/api/README",
        "docs/how_to/README",
        "docs/performance/README",
        "CHANGELOG",
        "CONTRIBUTING",
    ],
    "docs/guide/README": [
        "docs/how_to/own_data",
        *_in("docs/guide", "data methods sweeps clusters trust python estimators relaxation prediction distillation"),
        "docs/certify",
    ],
    "docs/gallery": [
        *_in("notebooks", "tightness gamma_path ladder solvers losses paper ntk which_optimum geometry deep_linear"),
        "notebooks/distillation",
    ],
    "docs/mathematics/README": [
        *_in("docs/mathematics", "problem lifting relaxation certificate solvers"),
        "docs/solver",
        *_in("docs/mathematics", "rounding exact optima lasso wedge methods distillation deep_linear"),
    ],
    "docs/api/README": [
        *_in("docs/api", "options problem networks methods estimators verdict certificate exact relaxation rounding"),
        *_in("docs/api", "solvers lifting lasso wedge linear training cells datasets distillation laboratory base"),
    ],
    "docs/how_to/README": [
        *_in("docs/how_to", "method data_set loss activation solver inequality rounding engine"),
        *_in("docs/how_to", "teacher images distiller relaxation results"),
    ],
    "docs/performance/README": [
        "docs/results",
        *_in("docs/performance", "relaxation gated distillation"),
        "docs/paper",
    ],
}


def _with_pages_below(app: Sphinx, page: str, source: list[str]) -> None:
    """Append to a page's source the table of the pages below it."""
    if below := app.config.pages_below.get(page):
        listed = "\n".join(f"/{name}" for name in below)
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:maxdepth: 2\n\n{listed}\n```\n"


def _with_entrance(app: Sphinx, exception: Exception | None) -> None:
    """Let the site's own address lead to its first page."""
    if exception is None and app.builder.format == "html":
        first = app.builder.get_target_uri(app.config.root_doc)
        page = f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={first}"><a href="{first}">sdprelax</a>\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_config_value("pages_below", BELOW, "env")  # another order is read anew
    app.connect("build-finished", _with_entrance)
    app.connect("source-read", _with_pages_below)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
