"""Kernels are compiled once, by one process, before a clock starts."""

from __future__ import annotations

import fcntl
import multiprocessing
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax.base import compiled, ready
from sdprelax.laboratory import Store, load_sweep
from sdprelax.laboratory import _attempt as attempts
from sdprelax.laboratory._job import Job
from sdprelax.laboratory.engines.local import Serial
from sdprelax.laboratory.training import _trial as trials
from sdprelax.methods import methods
from sdprelax.solvers import solvers

KERNEL = """\
from sdprelax.base import compiled

@compiled("f8(f8)")
def {name}(x):
    return 2.0 * x
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with one kernel that nobody has compiled."""
    name = f"kernel_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(KERNEL.format(name="twice"))
    monkeypatch.syspath_prepend(tmp_path)
    return name


# All modules of the package that compile functions.
PACKAGE = Path(sdprelax.__file__).parent
KERNELS = {
    ".".join(["sdprelax", *path.relative_to(PACKAGE).with_suffix("").parts])
    for path in PACKAGE.rglob("*.py")
    if re.search(r"^@compiled\(", path.read_text(encoding="utf-8"), re.MULTILINE)
}


def events() -> tuple[Any, list[str]]:
    """Return what listens to Numba, and where it notes the functions that are compiled."""
    from numba.core import event

    noted: list[str] = []

    class Listener(event.Listener):  # type: ignore[misc]
        def on_start(self, event: Any) -> None:
            noted.append(event.data["dispatcher"].py_func.__name__)

        def on_end(self, event: Any) -> None:
            pass

    return event.install_listener("numba:compile", Listener()), noted


def test_a_kernel_is_compiled_once_and_says_so(module: str) -> None:
    said: list[str] = []
    listening, noted = events()
    with listening:
        ready([module], said.append)
        assert said == ["compiling kernels, once per machine"] and noted == ["twice"]
        assert sys.modules[module].twice(21.0) == 42.0
        ready([module], said.append)
        del sys.modules[module]
        ready([module], said.append)  # as another process would
        assert sys.modules[module].twice(21.0) == 42.0
    assert said == ["compiling kernels, once per machine"] and noted == ["twice"]
    assert sys.modules[module].twice.stats.cache_hits.total() == 1
    with pytest.raises(TypeError, match="No matching definition"):
        sys.modules[module].twice("2")  # nothing is compiled for types that nobody declared


def test_a_process_that_comes_second_waits_and_loads(module: str, tmp_path: Path) -> None:
    ready([module])
    folder = Path(sys.modules[module].twice.stats.cache_path)
    del sys.modules[module]
    said: list[str] = []
    waits = threading.Event()

    def say(sentence: str) -> None:
        said.append(sentence)
        waits.set()

    with (folder / ".lock").open("a") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = threading.Thread(target=ready, args=([module], say))
        second.start()
        assert waits.wait(60) and second.is_alive()
        fcntl.flock(first, fcntl.LOCK_UN)
        second.join(60)
    assert said == ["waiting for kernels that another process compiles"]
    assert sys.modules[module].twice.stats.cache_hits.total() == 1


def test_where_nothing_can_be_kept_everything_is_compiled_anew_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from numba.core import caching

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with pytest.warns(UserWarning, match=r"the kernel <lambda> cannot be kept on this machine.*NUMBA_CACHE_DIR"):
        assert compiled("f8(f8)")(lambda x: 3.0 * x)(2.0) == 6.0
    monkeypatch.undo()

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    with pytest.warns(UserWarning, match=r"No space left on device"):
        assert compiled("f8(f8)")(lambda x: 4.0 * x)(2.0) == 8.0


NATIVE = "sdprelax.solvers.native._entries"


@pytest.mark.parametrize(("method", "options", "kernels"), [
    ("lbfgs", {}, set()), ("ntk", {}, set()), ("mkl", {}, set()), ("sdp", {"solver": "clarabel"}, set()),
    ("sdp", {}, {"sdprelax.solvers._schur", NATIVE}), ("mkl", {"gates": "sdp"}, {"sdprelax.solvers._schur", NATIVE}),
    ("sdp", {"solver": "native"}, {"sdprelax.solvers._schur", NATIVE}),
    ("wedge", {}, {"sdprelax.certificate._cone_search"}), ("gated_relu", {}, set()),
    ("cross_validated", {"of": "frank_wolfe", "gammas": [1.0]}, {"sdprelax.certificate._cone_search"}),
    ("exact", {}, {
        "sdprelax.certificate._cone_search", "sdprelax.exact._great_circles", "sdprelax.solvers._schur", NATIVE,
    }),
])  # fmt: skip
def test_a_method_names_its_kernels(method: str, options: dict[str, Any], kernels: set[str]) -> None:
    assert set(methods.kernels(method, methods.create(method, options))) == kernels


def _loads_numba(connection: Any) -> None:
    rng = np.random.default_rng(0)
    problem = sdprelax.Problem(rng.standard_normal((5, 2)), rng.standard_normal((5, 1)), 0.1)
    for method in ("lbfgs", "ntk", "nngp"):
        sdprelax.solve(problem, method)
    connection.send("numba" in sys.modules)


def test_every_module_of_kernels_is_known() -> None:
    assert len(KERNELS) >= 4 and "sdprelax.lifting.inequalities._envelopes" in KERNELS


def test_methods_without_kernels_do_not_load_numba() -> None:
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_loads_numba, args=(there,))
    process.start()
    assert here.recv() is False
    process.join()


LOADED = """
import sys
import numpy as np, sdprelax
from sdprelax.methods import methods
from sdprelax.solvers import solvers
run = methods["sdp"].run
there = []
def watched(self, *given, **named):
    before = set(sys.modules)
    found = run(self, *given, **named)
    there.append(sorted({"torch"} & (set(sys.modules) - before)))
    return found
methods["sdp"].run = watched
problem = sdprelax.Problem(np.eye(2), np.eye(2), 0.1)
before = "torch" in sys.modules
sdprelax.solve(problem, "sdp", solver="native", solver_options={"arrays": "torch"})
print(before, there)
"""


def test_pytorch_is_imported_before_a_clock_runs() -> None:
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout == "False [[]]\n"
    assert methods.libraries("sgd", methods.create("sgd")) == methods.libraries("lbfgs", methods.create("lbfgs")) == []
    native = solvers.create("native", {"arrays": "torch"})
    assert (
        solvers.libraries("native", native) == ["torch"] and solvers.libraries("native", solvers.create("native")) == []
    )


@pytest.mark.parametrize(("method", "options"), [
    ("sdp", {}), ("exact", {}), ("wedge", {}), ("frank_wolfe", {}), ("gated_relu", {"gates": "all"}),
    ("sdp", {"cones": 2, "splitting": "strong"}),
    ("sdp", {"inequalities": ["nonnegative", "sublinear"]}), ("copositive", {"patterns": 4}),
])  # fmt: skip
@pytest.mark.parametrize("c", [1, 2])
def test_no_kernel_is_loaded_while_a_clock_runs(
    method: str, options: dict[str, Any], c: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    problem = sdprelax.Problem(rng.standard_normal((7, 2)), rng.standard_normal((7, c)), 0.1)
    before: list[set[str]] = []
    run = methods[method].run

    def watched(self: Any, *arguments: Any, **named: Any) -> Any:
        before.append(set(sys.modules))
        outcome = run(self, *arguments, **named)
        assert {*KERNELS, "numba"} & (set(sys.modules) - before[-1]) == set()
        return outcome

    for name in KERNELS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(methods[method], "run", watched)
    sdprelax.solve(problem, method, time_limit=2.0, **options)
    assert len(before) == 1


def test_the_clock_of_a_trial_starts_when_its_kernels_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("name: s\ndatasets: [random: {n: 4}]\ngamma: 0.1\nmethods: [lbfgs: {width: 2, restarts: 1}]\n")
    job = Job(load_sweep(path).plan()[0])
    store = Store(tmp_path)
    store.prepare()
    order: list[str] = []
    clock = attempts.time.perf_counter
    monkeypatch.setattr(trials, "ready", lambda kernels: order.append("ready"))
    monkeypatch.setattr(attempts.time, "perf_counter", lambda: order.append("clock") or clock())
    record = attempts.run_trial(job, store, capture=False, started=lambda: order.append("started"))
    assert record is not None and record["status"] == "solved"
    assert order[:3] == ["ready", "started", "clock"]
    assert Serial.here
