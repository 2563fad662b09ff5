"""The dask engine on a real scheduler with real workers, one of them killed in mid-sweep."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from sdprelax import InputError
from sdprelax.laboratory import load_sweep, run_sweep
from sdprelax.laboratory.engines import engines
from sdprelax.laboratory.results import audit
from tests.distillation import MODULES
from tests.waiting import LONG, wait_for

pytest.importorskip("distributed", reason="dask is not installed (extra: dask)")
MODULE = Path(__file__).with_name("trying_methods.py")


def sweep(folder: Path, scheduler: str, seconds: float = 0.0) -> Any:
    folder.mkdir(exist_ok=True)
    path = folder / "sweep.yaml"
    path.write_text(
        f"name: spread\nmodules: [{MODULE}]\ndatasets: [{{random: {{n: 6, d: 2, c: 2, seed: [0, 1]}}}}]\ngamma: 0.1\n"
        f"engine: {{dask: {{scheduler: '{scheduler}', wait: {LONG}}}}}\n"
        f"methods:\n  - sdp\n  - exact\n  - lbfgs: {{width: 5, restarts: 2}}\n"
        f"  - idle: {{seconds: {seconds}, tag: [1, 2, 3, 4]}}\n"
    )
    return load_sweep(path)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, processes of their own on loopback."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    base = [sys.executable, "-m", "distributed.cli"]
    scheduler = [*base[:2], "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port),
                 "--dashboard-address", "127.0.0.1:0"]  # fmt: skip
    worker = [*base[:2], "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
              "--local-directory", str(tmp_path / "dask")]  # fmt: skip
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [subprocess.Popen(scheduler, **quiet), *(subprocess.Popen(worker, **quiet) for _ in range(2))]
    try:
        wait_for(lambda: _listens(port))
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_a_lost_worker_costs_nothing_and_the_table_is_that_of_processes(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, workers = cluster
    victim = workers[0]
    ended: list[str] = []
    children: list[psutil.Process] = []

    def progress(record: dict[str, Any]) -> None:
        ended.append(record["hash"])
        if len(ended) == 4:
            children.extend(psutil.Process(victim.pid).children())
            os.kill(victim.pid, signal.SIGKILL)

    spread = run_sweep(sweep(tmp_path / "a", address, 0.5), tmp_path / "a", progress=progress)
    assert victim.wait(LONG) == -signal.SIGKILL and workers[1].poll() is None
    _, alive = psutil.wait_procs(children, timeout=LONG)
    assert children and not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE], "its child died too"
    assert len(ended) == len(set(ended)) == 14 and set(spread.table["status"]) == {"solved"}
    local = run_sweep(sweep(tmp_path / "b", address, 0.5), tmp_path / "b", engine="processes")
    same = ["dataset", "gamma", "method", "status", "lower", "upper", "gap", "solver_value", "width", "hash", "attempt"]
    pd.testing.assert_frame_equal(spread.table[same], local.table[same], check_exact=True)
    assert spread.table["lower"].notna().sum() == 4
    assert all(not finding.faults for finding in audit(spread.folder))


def test_a_study_on_two_workers_one_of_them_killed_has_the_table_of_one_process(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="teachers and students are PyTorch's")
    address, workers = cluster
    path = tmp_path / "study.yaml"
    path.write_text(
        "name: small\nteacher: {digits_cnn: {width: 4, epochs: 1}}\nimages: digits\nblock: [head, body]\n"
        f"modules: [{MODULES['digits_cnn']}]\nfraction: [0.1, 0.2, 0.3]\n"
        "distillers: [gated_relu: {gates: 2, budget: 0.5, shrinkage: 1e-3}, pruning]\n"
    )
    ended: list[str] = []

    def progress(record: dict[str, Any]) -> None:
        ended.append(record["hash"])
        if len(ended) == 2:
            os.kill(workers[0].pid, signal.SIGKILL)

    engine = f"engine={{dask: {{scheduler: '{address}', wait: {LONG}}}}}"
    spread = run_sweep(load_sweep(path, [engine]), tmp_path / "a", progress=progress)
    assert workers[0].wait(LONG) == -signal.SIGKILL and len(ended) == len(set(ended)) == 8
    local = run_sweep(load_sweep(path), tmp_path / "b", engine="serial")
    same = ["block", "distiller", "fraction", "status", "lower", "upper", "gap", "program_gap", "parameters",
            "activation_error", "agreement", "accuracy", "hash", "attempt"]  # fmt: skip
    pd.testing.assert_frame_equal(spread.table[same], local.table[same], check_exact=True)
    assert set(spread.table["status"]) == {"finished"} and spread.table["lower"].notna().sum() == 6
    assert all(not finding.faults for finding in audit(spread.folder))


def test_limits_hold_on_dask_workers(cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path) -> None:
    sleeping = f"methods=[idle: {{seconds: {LONG}, tag: [1, 2]}}]"
    sweep(tmp_path / "a", cluster[0])
    overrides = [sleeping, "limits.time=0.5", "datasets=[random]"]
    found = run_sweep(load_sweep(tmp_path / "a" / "sweep.yaml", overrides), tmp_path / "a")
    assert list(found.table["status"]) == ["timeout", "timeout"]


def test_a_cluster_of_this_machine_needs_no_scheduler(tmp_path: Path) -> None:
    written = sweep(tmp_path / "a", "unused")
    found = run_sweep(load_sweep(tmp_path / "a" / "sweep.yaml", ["engine={dask: {workers: 2}}"]), tmp_path / "a")
    assert set(found.table["status"]) == {"solved"} and written.engine.name == "dask"


def test_what_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no scheduler at tcp://127.0.0.1:9"):
        run_sweep(load_sweep(_with(tmp_path, "{scheduler: 'tcp://127.0.0.1:9', wait: 1}")), tmp_path)
    with pytest.raises(InputError, match="give option 'scheduler' or option 'cluster', not both"):
        engines.create("dask", {"scheduler": "tcp://a:1", "cluster": "slurm"})
    with pytest.raises(InputError, match="option 'cluster' is 'slurn'"):
        engines.create("dask", {"cluster": "slurn"})
    with pytest.raises(InputError, match="walltime is 86400; write hours, minutes and seconds, such as 24:00:00"):
        engines.create("dask", {"cluster": "slurm", "cluster_options": {"walltime": 86400}})


@pytest.mark.parametrize(("cluster_", "line"), [
    ("slurm", "#SBATCH -p long"), ("pbs", "#PBS -q long"), ("sge", "#$ -q long"),
])  # fmt: skip
def test_jobs_are_written_for_batch_systems(cluster_: str, line: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("dask_jobqueue") is None:
        pytest.skip("dask-jobqueue is not installed (extra: dask)")
    before = signal.getsignal(signal.SIGINT)
    written = load_sweep(
        _with(tmp_path, f"{{cluster: {cluster_}, cluster_options: {{queue: long, walltime: 24:00:00}}}}")
    )
    engine: Any = engines.create("dask", written.engine.options)
    with engine.batch_system() as cluster:
        script = cluster.job_script()
    assert signal.getsignal(signal.SIGINT) == before, "the import leaves the interruption alone"
    assert line in script and "distributed.cli.dask_worker" in script and "--nthreads 1" in script
    assert {"slurm": "#SBATCH -t 24:00:00", "pbs": "#PBS -l walltime=24:00:00", "sge": "#$ -l h_rt=24:00:00"}[
        cluster_
    ] in script
    assert "\nexport PYTHONSAFEPATH=1\n" in script, "a user's random.py is not the library's"
    wrong: Any = engines.create("dask", {"cluster": cluster_, "cluster_options": {"colour": "red"}})
    with pytest.raises(InputError, match="option 'cluster_options' is wrong"):
        wrong.batch_system()


def _with(folder: Path, options: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(f"name: far\ndatasets: [random]\ngamma: 1\nmethods: [lbfgs]\nengine: {{dask: {options}}}\n")
    return path
