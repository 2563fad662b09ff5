"""Passes over rows on a cluster of two workers: what one process finds, to rounding."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdprelax.distillation import collect_activations
from sdprelax.lasso import Spread, spread_statistics, statistics_of, train_out_of_core
from tests.out_of_core.conftest import Case, made

HERE = Spread(lambda function, pieces: map(function, pieces), 3)


@pytest.mark.parametrize("folds", [1, 3])
def test_pieces_add_up(case: Case, folds: int) -> None:
    read: list[int] = []
    whole = statistics_of(case.rows, case.gates, folds=folds)
    parts = spread_statistics(case.rows, case.gates, HERE, folds=folds, advance=read.append)
    assert sum(read) == len(case.inputs) and len(read) == 3
    for one, other in zip(whole, parts, strict=True):
        assert one.count == other.count
        for name in ("gram", "moment", "squares"):
            np.testing.assert_allclose(vars(other)[name], vars(one)[name], rtol=1e-12, atol=1e-12)


def test_two_dask_workers_train_what_one_process_trains() -> None:
    distributed = pytest.importorskip("distributed", reason="dask is not installed (extra: dask)")
    case = made(0, n=400)
    alone = train_out_of_core(case.rows, case.gates, "nuclear", tolerance=1e-6)
    cluster: Any = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        over = Spread.over_dask(client, pieces=6)
        spread = train_out_of_core(case.rows, case.gates, "nuclear", tolerance=1e-6, spread=over)
    assert spread.share == alone.share and spread.gamma == pytest.approx(alone.gamma, rel=1e-12)
    assert (spread.proof.lower, spread.proof.upper) == pytest.approx((alone.proof.lower, alone.proof.upper), rel=1e-9)
    np.testing.assert_allclose(spread.weights, alone.weights, rtol=1e-6, atol=1e-9)


def test_activations_on_disk_are_sent_by_their_folder(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((500, 40)).astype(np.float32)
    store = collect_activations(lambda batch: (batch, batch[:, :2]), [values], tmp_path, identity="these")
    rows = store.rows(store.layout(), block_rows=100)
    sent = pickle.dumps(rows)
    assert len(sent) < values.nbytes / 10
    for one, other in zip(rows.blocks(), pickle.loads(sent).blocks(), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
