"""Who does not distil does not wait for PyTorch, ONNX or the wing."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from typer.testing import CliRunner
import sdprelax
from sdprelax.cli import app

heavy = {"torch", "onnx", "onnxruntime"}
print(sorted({*heavy, "sdprelax.distillation"} & set(sys.modules)))
for family in ("teachers", "images", "distillers"):
    listed = CliRunner().invoke(app, ["list", family])
    assert listed.exit_code == 0, listed.output
print("sdprelax.distillation" in sys.modules, sorted(heavy & set(sys.modules)))
"""


def test_neither_the_package_nor_a_listing_imports_what_networks_need() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "True []"], done.stderr
