"""Tables as text for documents: CSV, LaTeX, Markdown."""

from __future__ import annotations

import re

from sdprelax.laboratory.results._views import Column, Printed

__all__ = ["render"]

# What stands for characters that LaTeX, or a table of Markdown, would take for its own; neither knows lines in a cell.
LATEX = str.maketrans({
    **{character: f"\\{character}" for character in "&%$#_{}"}, "\\": r"\textbackslash{}", "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "\n": " ",
    "[": "{[}", "]": "{]}", "*": "{*}", "`": r"\textasciigrave{}",
    "γ": r"$\gamma$", "λ": r"$\lambda$", "β": r"$\beta$", "δ": r"$\delta$", "ε": r"$\varepsilon$", "×": r"$\times$",
    "±": r"$\pm$", "−": "$-$", "≤": r"$\le$", "≥": r"$\ge$", "·": r"$\cdot$", "…": r"\dots{}", "∞": r"$\infty$",
})  # fmt: skip
GAMMA_MAX = r"$\gamma/\gamma_{\max}$"
MARKDOWN = str.maketrans({**{character: f"\\{character}" for character in "\\|`*<$"}, "\n": " "})
NUMBER = re.compile(r"(?P<digits>[-+]?\d[\d,]*(?:\.\d+)?)(?:e(?P<sign>[-+])0*(?P<power>\d+))?(?P<unit>[^\d]*)")


def render(view: Printed, form: str) -> str:
    """Return a view as "csv", "latex" or "markdown" text; as CSV it has the values themselves."""
    if form == "csv":
        return str(view.rows.to_csv(index=False))
    if form == "latex":
        return _latex(view)
    lines = [[column.title.translate(MARKDOWN) for column in view.columns]]
    lines += [["---" if column.words else "--:" for column in view.columns]]
    cells = ([cell.translate(MARKDOWN) for cell in column.cells] for column in view.columns)
    lines += map(list, zip(*cells, strict=True))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _latex(view: Printed) -> str:
    """Return a tabular with the rules of booktabs, words to the left and numbers to the right."""
    alignment = "".join("l" if column.words else "r" for column in view.columns)
    cells = zip(*map(_latex_cells, view.columns), strict=True)
    return "\n".join([
        r"% \usepackage{booktabs}", rf"\begin{{tabular}}{{{alignment}}}", r"\toprule",
        " & ".join(_latex_text(column.title) for column in view.columns) + r" \\", r"\midrule",
        *(" & ".join(row) + r" \\" for row in cells), r"\bottomrule", r"\end{tabular}", "",
    ])  # fmt: skip


def _latex_text(text: str) -> str:
    """Return words with everything in them that LaTeX would take for its own written out."""
    return GAMMA_MAX if text == "γ/γ_max" else text.translate(LATEX).replace("--", "-{}-")


def _latex_cells(column: Column) -> list[str]:
    if column.words:
        return [_latex_text(cell) for cell in column.cells]
    powers = [len(found["power"]) for cell in column.cells for found in NUMBER.finditer(cell) if found["power"]]
    return [_latex_number(cell, max(powers, default=0)) for cell in column.cells]


def _latex_number(cell: str, digits: int) -> str:
    """Return a number, or a mean ± deviation, in mathematics; powers of ten are as wide as ``digits`` digits."""
    parts = []
    for part in cell.split(" ± "):
        found = NUMBER.fullmatch(part)
        if found is None:
            return "--" if cell == "-" else _latex_text(cell)
        power = ""
        if found["power"]:
            sign = "-" if found["sign"] == "-" else r"\phantom{-}"
            wide = digits - len(found["power"])
            blank = r"\phantom{" + "0" * wide + "}" if wide else ""
            power = rf"\times 10^{{{sign}{found['power']}{blank}}}"
        unit = found["unit"].replace(" ", r"\,").replace("%", r"\%")
        parts.append(found["digits"].replace(",", "{,}") + power + unit)
    return "$" + r" \pm ".join(parts) + "$"
