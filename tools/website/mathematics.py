"""Sets formulas as MathML, which browsers lay out themselves: no script, and nothing from the internet."""

from __future__ import annotations

import functools

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


@functools.cache
def _converter() -> LatexToMathML:
    return LatexToMathML(fancy_error=False)


def mathml(formula: str, *, display: bool) -> str:
    """Return a formula written in LaTeX, as GitHub takes it, as MathML.

    Raises
    ------
    LatexError: a command that is unknown, or is not closed.
    """
    if display and r"\tag{" in formula:
        formula = rf"\begin{{equation}}{formula}\end{{equation}}"
    return _converter().convert_with_local_state(formula, displaystyle=display)


def _written(self: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    display = isinstance(node, nodes.math_block)
    try:
        found = mathml(node.astext(), display=display)
    except LatexError as error:
        logger.warning("%s: %s", node.astext(), error, location=node)
        found = node.astext()
    self.body.append(f'<div class="formula">{found}</div>\n' if display else found)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register how the HTML writer sets mathematics."""
    app.add_html_math_renderer("mathml", (_written, None), (_written, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
