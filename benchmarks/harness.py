"""One harness for all benchmarks: a script says its cases, what it measures of one, and the columns of its table.

    benchmark = Benchmark(__doc__)

    def solved(name: str) -> Row: ...                       # measures one thing, in a process of its own

    @benchmark.part("speed", columns=("data", "solver", "seconds", "time_ratio"), by=("data",))
    def speed(run: Run) -> Iterator[Row]:                   # yields the rows of results/published/speed.csv
        for name in run.choose(("iris", "spiral"), tiny=("spiral",)):
            if run.wants(name):
                yield run.apart(solved, name=name)

    if __name__ == "__main__":
        benchmark.main()

    python benchmarks/NAME.py [PART ...] [--tiny] [--output FOLDER] [--only CASE ...] [--threads N]

``--tiny`` runs the same code at a size of seconds and writes nothing unless it is told where; tests/test_benchmarks.py
does so with every part of every script in this folder. ``--only`` measures some cases anew and keeps the other rows.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import math
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PUBLISHED = HERE.parent / "results" / "published"
THREADS = (
    "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS",
)  # fmt: skip
# The status of what was killed at its time limit.
KILLED = "killed at its time limit"
# Seconds between two looks at the memory of a running process.
LOOK = 0.1

Row = dict[str, Any]
Measure = Callable[..., Row]


class Needs(Exception):
    """What a part cannot run without is not here; the message says what, and how to get it."""


class Failed(Exception):
    """A measurement ended with an error."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Parameters
    ----------
    status: its exit status; None where it was killed at its time limit.
    seconds, processor: wall seconds, and processor seconds with those of its children.
    memory: resident memory in MB, every tenth of a second.
    errors: what it wrote to its standard error.
    """

    status: int | None
    seconds: float
    processor: float
    memory: tuple[float, ...]
    errors: str


def isolated(command: Sequence[str], *, threads: int = 1, limit: float = math.inf, folder: Path | None = None) -> Ended:
    """Run a command in a process group of its own, with so many threads, and kill the group after ``limit`` seconds."""
    import psutil

    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    memory: list[float] = []
    with tempfile.TemporaryFile("w+") as errors:
        before, started = _processor(resource.RUSAGE_CHILDREN), time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        try:
            while (left := limit - (time.perf_counter() - started)) > 0.0:
                try:
                    process.wait(timeout=min(LOOK, left))
                    break
                except subprocess.TimeoutExpired:
                    with contextlib.suppress(psutil.Error):
                        memory.append(psutil.Process(process.pid).memory_info().rss / 2**20)
        finally:
            killed = process.poll() is None
            if killed:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        seconds = time.perf_counter() - started
        processor = _processor(resource.RUSAGE_CHILDREN) - before
        errors.seek(0)
        return Ended(None if killed else process.returncode, seconds, processor, tuple(memory), errors.read())


def _processor(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def peak_memory() -> float:
    """Return the most memory that this process has held, in MB, without what it inherited from its parent."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def _measured(measure: Measure, arguments: Row) -> Row:
    """Return what a function measured, and what it cost; what it says of its own seconds is believed."""
    base = peak_memory()
    started, begun = time.perf_counter(), _processor(resource.RUSAGE_SELF) + _processor(resource.RUSAGE_CHILDREN)
    found = measure(**arguments)
    processor = _processor(resource.RUSAGE_SELF) + _processor(resource.RUSAGE_CHILDREN) - begun
    cost = {"seconds": time.perf_counter() - started, "processor": processor, "base_mb": base, "peak_mb": peak_memory()}
    return cost | found


def stopwatch() -> Callable[[], Row]:
    """Start a clock and return what reads it: seconds on the wall, and processor seconds of this process's threads."""
    wall, processor = time.perf_counter(), time.process_time()
    return lambda: {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor}


def _plain(value: Any) -> Any:
    """Return NumPy's numbers and paths as what JSON has."""
    return value.item() if hasattr(value, "item") else str(value)


@dataclass
class Run:
    """What a part is asked for, and what it measures with.

    Parameters
    ----------
    tiny: the size is that of a test.
    threads: how many a measured process has.
    here: measurements are made in this process, quicker, not isolated and without limits; a peer still has its own.
    options: the values of the script's own options.
    only: the cases that are asked for; empty for all.
    """

    tiny: bool = False
    threads: int = 1
    here: bool = False
    options: Row = field(default_factory=dict)
    only: Sequence[str] = ()
    cases: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def choose(self, full: Any, *, tiny: Any) -> Any:
        """Return a size, or the other one where the run is tiny."""
        return tiny if self.tiny else full

    def wants(self, *case: Any) -> bool:
        """Return whether the case whose columns ``by`` have these values is asked for."""
        name = ",".join(map(str, case))
        self.cases.append(name)
        return not self.only or name in self.only

    def fault(self, sentence: str) -> None:
        """Say what must not be; the script's exit status is then 1."""
        print(sentence, flush=True)
        self.faults.append(sentence)

    def aside(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows to another table of the part, NAME.csv."""
        self.tables.setdefault(table, []).extend(rows)

    def apart(
        self, measure: Measure, *, python: str | None = None, limit: float = math.inf, memory: float | None = None,
        **arguments: Any,
    ) -> Row:  # fmt: skip
        """Call a function of a script in a process of its own.

        Parameters
        ----------
        measure: a function at the top of its script; what it gets and returns passes through JSON. ``seconds``,
            ``processor`` (its children's included), ``base_mb`` and ``peak_mb`` (memory before and at most) are added.
        python: the interpreter, if it is another.
        limit: seconds until it is killed; it has the ``status`` "killed at its time limit" then.
        memory: GB of address space; where that does not do, the ``status`` is "out of memory".

        Raises
        ------
        Failed: it ended with an error.
        """
        if self.here and python is None:
            return dict(json.loads(json.dumps(_measured(measure, arguments), default=_plain)))
        with tempfile.TemporaryDirectory() as folder:
            answer, request = Path(folder) / "answer.json", Path(folder) / "request.json"
            script = sys.modules[measure.__module__].__file__
            task = {"script": script, "measure": measure.__name__, "arguments": arguments, "memory": memory}
            request.write_text(json.dumps(task | {"answer": str(answer)}, default=_plain))
            ended = isolated([python or sys.executable, __file__, str(request)], threads=self.threads, limit=limit)
            if ended.status == 0:
                return dict(json.loads(answer.read_text()))
        cost: Row = {"seconds": ended.seconds, "processor": ended.processor, "peak_mb": max(ended.memory, default=None)}
        if ended.status is None:
            return cost | {"status": KILLED}
        if memory is not None and (ended.status < 0 or "alloc" in ended.errors or "MemoryError" in ended.errors):
            return cost | {"status": "out of memory"}
        raise Failed(f"{measure.__name__}({arguments}) ended with status {ended.status}:\n{ended.errors[-2000:]}")


def environment(listing: Path, folder: Path) -> str:
    """Return the interpreter of a virtual environment that has what a pinned list names.

    Parameters
    ----------
    listing: the list, for pip; if its first line is ``# --no-deps``, it is all that is needed.
    folder: where environments are kept, each under a name that changes with its list and with this interpreter.

    Raises
    ------
    Needs: it cannot be made; with pip's last word.
    """
    text = listing.read_text(encoding="utf-8")
    digest = hashlib.sha256((sys.version + text).encode()).hexdigest()[:12]
    home = folder.resolve() / f"{listing.stem}-{digest}"
    python, whole = home / "bin" / "python", home / "whole"
    if not whole.exists():
        shutil.rmtree(home, ignore_errors=True)
        alone = ["--no-deps"] if text.startswith("# --no-deps\n") else []
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *alone]
        for command in ([sys.executable, "-m", "venv", str(home)], [*pip, "--requirement", str(listing)]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or [
                    "no reason given"
                ]
                raise Needs(f"{listing.stem}, which cannot be installed here: {said[-1].strip()}")
        whole.touch()
    return str(python)


def alternated(
    contestants: Mapping[str, Callable[[], Row]], repeats: int = 1, enough: float = math.inf
) -> dict[str, list[Row]]:
    """Run contestants in turn, so often; one whose first run took ``enough`` processor seconds runs once."""
    found: dict[str, list[Row]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, contestant in contestants.items():
            if not found[name] or found[name][0]["processor"] < enough:
                found[name].append(contestant())
    return found


def summary(runs: Sequence[Row]) -> Row:
    """Return the first of some runs, with their median times and how many there were."""
    medians = {key: statistics.median(run[key] for run in runs) for key in ("seconds", "processor")}
    return {**runs[0], **medians, "runs": len(runs)}


def ratio(row: Row, unit: Row | None, of: str = "seconds") -> float:
    """Return a figure of a row over that of another; no number where one of them has none."""
    if unit is None or row.get(of) is None or unit.get(of) is None:
        return math.nan
    return float(row[of]) / float(unit[of])


@dataclass(frozen=True)
class Part:
    """One table: its name, its columns, those that name a case, and what draws a picture of it."""

    name: str
    columns: tuple[str, ...]
    by: tuple[str, ...]
    rows: Callable[[Run], Iterator[Row]]
    picture: Callable[[dict[str, Any], Path], None] | None


class Benchmark:
    """The parts of a script and its command line.

    Parameters
    ----------
    doc: the script's docstring, which ``--help`` prints.
    options: (default, help) of options of its own, by name.
    """

    def __init__(self, doc: str | None, **options: tuple[Any, str]) -> None:
        self.doc, self.options = doc or "", options
        self.parts: dict[str, Part] = {}

    def part(
        self, name: str, columns: Sequence[str], by: Sequence[str] = (),
        picture: Callable[[dict[str, Any], Path], None] | None = None,
    ) -> Callable[[Callable[[Run], Iterator[Row]]], Callable[[Run], Iterator[Row]]]:  # fmt: skip
        """Register a function that yields the rows of ``name.csv``; the part is called as the function is."""

        def register(rows: Callable[[Run], Iterator[Row]]) -> Callable[[Run], Iterator[Row]]:
            self.parts[rows.__name__] = Part(name, tuple(columns), tuple(by), rows, picture)
            return rows

        return register

    def run(self, part: str, run: Run, output: Path | None) -> list[str]:
        """Run a part, show every row and write its tables when it is there, and return the faults.

        Raises
        ------
        Needs: something that the part needs is not here. Failed: a measurement ended with an error.
        """
        import pandas as pd

        from sdprelax.base import write_whole

        chosen = self.parts[part]
        kept: dict[str, list[Row]] = {}

        def write(table: str) -> list[Row]:
            """Write a table with the rows of cases that were not asked for, in the order of cases; return its rows."""
            path = output / f"{table}.csv"
            if table not in kept:
                earlier = pd.read_csv(path).to_dict("records") if run.only and path.exists() else []
                kept[table] = [row for row in earlier if _case(row, chosen.by) not in run.only]
            order = {name: k for k, name in enumerate(run.cases)}
            rows = sorted(kept[table] + run.tables[table], key=lambda row: order.get(_case(row, chosen.by), -1))
            write_whole(path, pd.DataFrame(rows).to_csv(index=False, float_format="%.10g").encode())
            return rows

        for found in chosen.rows(run):
            row = {column: found.get(column) for column in chosen.columns}
            run.aside(chosen.name, [row])
            print({key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}, flush=True)
            if output is not None:
                write(chosen.name)
        if unknown := [name for name in run.only if name not in run.cases]:
            raise SystemExit(f"there is no case {unknown[0]!r}; there are {', '.join(dict.fromkeys(run.cases))}.")
        if output is not None:
            tables = {table: pd.DataFrame(write(table)) for table in run.tables}
            if chosen.picture is not None:
                chosen.picture(tables, output)
        return run.faults

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Run what the command line says; the exit status is 1 after a fault, 2 where a part needs what is not here."""
        parser = argparse.ArgumentParser(description=self.doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        alone = len(self.parts) == 1
        named = ", ".join(self.parts)
        parser.add_argument("parts", nargs="*" if alone else "+", default=list(self.parts), metavar="PART", help=named)
        parser.add_argument("--tiny", action="store_true", help="the same code at a size of seconds")
        parser.add_argument("--output", type=Path, help=f"folder of the tables (default: {PUBLISHED}; none if tiny)")
        parser.add_argument("--only", nargs="+", default=[], metavar="CASE", help="cases; other rows are kept")
        parser.add_argument("--threads", type=int, default=1, help="of every measured process")
        parser.add_argument("--here", action="store_true", help="measure in this process, which isolates nothing")
        for name, (default, what) in self.options.items():
            kind = str if default is None else type(default)
            parser.add_argument(f"--{name}", type=kind, default=default, help=what)
        given = parser.parse_args(arguments)
        if unknown := [part for part in given.parts if part not in self.parts]:
            parser.error(f"there is no part {unknown[0]!r}; there are {named}")
        output = given.output or (None if given.tiny else PUBLISHED)
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
        faults = []
        for part in given.parts:
            run = Run(given.tiny, given.threads, given.here, {name: vars(given)[name] for name in self.options})
            run.only = given.only
            try:
                faults += self.run(part, run, output)
            except Needs as needed:
                print(f"{part} needs {needed}", file=sys.stderr)
                sys.exit(2)
        sys.exit(1 if faults else 0)

    def defaults(self) -> Row:
        """Return the values of the script's own options where nothing is said."""
        return {name: default for name, (default, _) in self.options.items()}


def _case(row: Row, by: Sequence[str]) -> str:
    return ",".join(str(row[column]) for column in by)


def _answer(path: Path) -> None:
    """Do what :meth:`Run.apart` wrote down, in this process."""
    task = json.loads(path.read_text())
    if task["memory"] is not None:
        most = int(task["memory"] * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    script = Path(task["script"])
    sys.path.insert(0, str(script.parent))
    measure = getattr(importlib.import_module(script.stem), task["measure"])
    try:
        found = _measured(measure, task["arguments"])
    except MemoryError:
        found = {"status": "out of memory"}
    Path(task["answer"]).write_text(json.dumps(found, default=_plain))


if __name__ == "__main__":
    _answer(Path(sys.argv[1]))
