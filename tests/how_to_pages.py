"""The Python file of a page of docs/how_to, for tests that hold what it registers to its protocol."""

from __future__ import annotations

import functools
import re
import sys
import types
from pathlib import Path

PAGES = Path(__file__).resolve().parents[1] / "docs" / "how_to"


@functools.cache
def module_of(page: str) -> types.ModuleType:
    """Return the Python file of a page as a module, executed once in this process."""
    text = (PAGES / page).read_text(encoding="utf-8")
    ((name, block),) = re.findall(r"^```python\n# file: (\w+)\.py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    module = types.ModuleType(name)
    sys.modules[name] = module  # where dataclasses look for it
    exec(block, vars(module))
    return module
