"""Some hundreds of mutated files: nothing false is proved, and nothing but the package's own errors comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzz import Records, Subject, certificates, fuzz, group_certificates, networks, predictors


@pytest.mark.parametrize("make", [certificates, group_certificates, networks, predictors])
def test_mutated_files_are_refused_or_prove_nothing_false(make: Callable[[], Subject], tmp_path: Path) -> None:
    outcomes = list(fuzz(make(), 200, np.random.default_rng(7), tmp_path))
    assert [fault.what for _, _, fault in outcomes if fault is not None] == []
    counts = Counter(what for _, what, _ in outcomes)
    assert counts["refused"] >= 50 and counts["accepted"] >= 5, "or nothing was looked at"


def test_mutated_records_are_refused_or_say_nothing_false(tmp_path: Path) -> None:
    records, rng = Records(tmp_path), np.random.default_rng(7)
    outcomes = [records.mutated(rng) for _ in range(40)]
    assert [fault.what for _, _, fault in outcomes if fault is not None] == []
    assert {what for _, what, _ in outcomes} == {"refused", "accepted"}
