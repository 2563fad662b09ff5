"""Settings of the site of documents: `make site` builds it with Sphinx from docs/, notebooks/ and the docstrings."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import sdprelax  # noqa: E402

project, author = "sdprelax", "the authors of sdprelax"
version = release = sdprelax.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "myst_nb",
    "website.docstrings",
    "website.mathematics",
    "website.navigation",
    "website.notebooks",
    "website.reference",
]
# The source is the whole checkout, so that links between documents, notebooks and pictures are those of the files.
root_doc = "docs/README"
include_patterns = ["docs/**", "notebooks/*.ipynb", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = ["docs/_static/**"]

myst_enable_extensions = ["dollarmath", "attrs_inline"]
# Formulas of their own are fenced as GitHub takes them.
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_image_options = {"alt": "picture drawn by the cell above"}

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# Resolved, each would take a line.
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Floats", "Integers", "Report")}
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "sdprelax"
# With a font of mathematics browsers lay formulas out well; that of ziamath comes by pip like all else.
html_static_path = ["_static", str(files("ziamath.fonts") / "STIXTwoMath-Regular.ttf")]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
# Buttons of Furo that look for a repository on the internet are left out.
html_theme_options = {"top_of_page_buttons": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = False


def setup(app: Sphinx) -> None:
    """Show tables of commas as they are written."""
    app.add_lexer("csv", TextLexer)
