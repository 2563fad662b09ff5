"""Files that nobody wrote: certificates, predictors and records with a million small and large faults.

    python benchmarks/fuzz.py [--mutations 100000] [--minutes M] [--seed 0] [--faults FOLDER]     # fuzz.csv

Every file is an honest one, mutated: bits flipped, bytes lost or copied, members of the archive swapped, missing, twice
there or taken from another file, numbers made extreme (2^±1000, subnormal, infinite, no number), arrays of other types
and shapes, headers that lie, pickles. Archives and records are sealed anew, so that arrays are what is looked at, and
half of the certificates claim another bound too. A file is *refused* where reading or verifying it raises an error of
the package's own, *accepted* where something is proved or predicted. What must never happen has columns too:

false_bounds    a lower bound above, or an upper bound below, the other one of a problem whose optimum is known
raw_errors      any other exception
code_executed   a pickle was loaded

Columns that begin with ``second`` are those of tools/check_certificate.py on the same certificates.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import json
import math
import shutil
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import Benchmark, Row, Run

import sdprelax
from sdprelax import Certificate, GroupCertificate, Network, Problem, SdprelaxError, verify_group
from sdprelax.base import Deadline
from sdprelax.laboratory import load_sweep, run_sweep
from sdprelax.laboratory._store import seal
from sdprelax.laboratory.results import audit
from sdprelax.networks import GatedNetwork, Tabulated, ThreeLayerNetwork, load_predictor, save_predictor
from sdprelax.problem import KernelPredictor, losses

benchmark = Benchmark(
    __doc__, mutations=(100_000, "files in all"), minutes=(math.inf, "stop earlier, each kind of file after its share"),
    seed=(0, "of the mutations"), faults=(None, "folder for the files that did what none may"),
)  # fmt: skip

CHECKER = Path(__file__).resolve().parents[1] / "tools" / "check_certificate.py"
Members = list[tuple[str, bytes]]
# Seconds that a proof may take; the honest ones take hundredths.
PATIENCE = 2.0
executed: list[str] = []


class Pickled:
    """What leaves a trace where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return executed.append, ("a pickle was loaded",)


# ---- archives


def encoded(array: Any) -> bytes:
    """Return an array in NumPy's format, objects as pickles."""
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=True)
    return content.getvalue()


def members(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(one.filename, archive.read(one)) for one in archive.infolist()]


def sealed(parts: Members, compressed: bool = False) -> bytes:
    """Return an archive of members with the right checksums."""
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(
        content, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    ) as archive:  # fmt: skip
        warnings.simplefilter("ignore", UserWarning)  # a name may be there twice
        for name, part in parts:
            archive.writestr(name, part)
    return content.getvalue()


def decoded(part: bytes) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(part), allow_pickle=False)


# ---- values, types and shapes of one array

EXTREME = (
    0.0, -0.0, 1.0, -1.0, 2.0**1000, -(2.0**1000), 2.0**1023, 2.0**-1000, 5e-324, -5e-324, 2.0**-1022, 1.7e308, 1e155,
    -1e155, 1e-155, 2.0**53 + 2, np.inf, -np.inf, np.nan,
)  # fmt: skip
HUGE = (0, 1, -1, 2, 127, 128, -128, 2**31, -(2**31), 2**62, -(2**63), 2**63 - 1)
TYPES = (
    "?", "i1", "u1", "i8", "u8", "f2", "f4", "f8", ">f8", "g", "c16", "U8", "S8", "O", "M8[s]", "m8[s]", "V8",
    [("a", "f8")],
)  # fmt: skip


def values(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the array with some or all of its entries made extreme, scaled, negated or a little larger."""
    changed = np.array(array)
    if changed.dtype.kind not in "iuf" or changed.size == 0:
        return np.array("cones" if rng.random() < 0.5 else "")
    flat = changed.reshape(-1)
    chosen = slice(None) if rng.random() < 0.3 else rng.integers(0, flat.size, int(rng.integers(1, 4)))
    if changed.dtype.kind in "iu":
        limits = np.iinfo(changed.dtype)
        flat[chosen] = np.clip(HUGE[int(rng.integers(len(HUGE)))], limits.min, limits.max)
        return changed
    with np.errstate(all="ignore"):
        match int(rng.integers(5)):
            case 0:
                flat[chosen] = EXTREME[int(rng.integers(len(EXTREME)))]
            case 1:
                flat[chosen] *= 2.0 ** float(rng.integers(-1060, 1020))
            case 2:
                flat[chosen] *= -1.0
            case 3:
                flat[chosen] *= 1.0 + 10.0 ** float(rng.uniform(-16, 1))
            case _:
                flat[chosen] += 10.0 ** float(rng.uniform(-16, 2)) * rng.standard_normal()
    return changed


def types(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the array as one of another type."""
    wanted = TYPES[int(rng.integers(len(TYPES)))]
    if wanted == "O":
        return np.full(array.shape, Pickled(), dtype=object)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return array.astype(np.dtype(wanted))
        except (TypeError, ValueError, RuntimeError):
            return np.zeros(array.shape, dtype=np.dtype(wanted))


def shapes(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the array in another shape."""
    match int(rng.integers(8)):
        case 0:
            return array.reshape(-1)
        case 1:
            return array.T
        case 2:
            return array[None]
        case 3:
            return array[..., None]
        case 4:
            return np.concatenate([np.atleast_1d(array)] * 2)
        case 5:
            return np.atleast_1d(array)[:-1]
        case 6:
            return np.zeros((0, *array.shape[1:]), dtype=array.dtype)
        case _:
            return np.asarray(array.reshape(-1)[0] if array.size else 0.0)


# ---- whole files: (content, content of another honest file, generator) -> mutated content


def bits(content: bytes, donor: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for at in rng.integers(0, len(changed), int(rng.integers(1, 9))):
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(content: bytes, donor: bytes, rng: np.random.Generator) -> bytes:
    a, b = sorted(int(at) for at in rng.integers(0, len(content) + 1, 2))
    return (content[:a], content[b:], content[:a] + content[b:])[int(rng.integers(3))]


def spliced(content: bytes, donor: bytes, rng: np.random.Generator) -> bytes:
    a, length = int(rng.integers(len(content))), int(rng.integers(1, 200))
    b = int(rng.integers(len(donor)))
    return content[:a] + donor[b : b + length] + content[a + length :]


def rearranged(content: bytes, donor: bytes, rng: np.random.Generator) -> bytes:
    """Swap two members, take one from the other file, lose one, or have one twice."""
    parts, others = members(content), members(donor)
    i, j = (int(k) for k in rng.integers(len(parts), size=2))
    match int(rng.integers(6)):
        case 0:
            parts[i], parts[j] = (parts[i][0], parts[j][1]), (parts[j][0], parts[i][1])
        case 1:
            parts[i] = (parts[i][0], others[int(rng.integers(len(others)))][1])
        case 2:
            known = dict(others)
            parts[i] = (parts[i][0], known.get(parts[i][0], b""))
        case 3:
            del parts[i]
        case 4:
            parts.insert(j, (parts[i][0], others[int(rng.integers(len(others)))][1]))
        case _:
            parts[i] = (parts[i][0].removesuffix(".npy") if rng.random() < 0.5 else "../" + parts[i][0], parts[i][1])
    return sealed(parts)


def inner_bits(content: bytes, donor: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits of a member, its header included, and seal the archive anew."""
    parts = members(content)
    i = int(rng.integers(len(parts)))
    parts[i] = (parts[i][0], bits(parts[i][1], donor, rng) if rng.random() < 0.8 else cut(parts[i][1], donor, rng))
    return sealed(parts, compressed=bool(rng.random() < 0.2))


def headers(content: bytes, donor: bytes, rng: np.random.Generator) -> bytes:
    """Let the header of a member say another shape, type or order than its content has."""
    parts = members(content)
    i = int(rng.integers(len(parts)))
    array = decoded(parts[i][1])
    shape = (array.shape, (10**12,), (2**40, 2**40), (-1,), (0,), (3,) * 40, (True,), (1.5,))[int(rng.integers(8))]
    kind = (array.dtype.str, "<f8", "|O", ">i8", "<U1000000", "|V0", "float64", "(2,)f8")[int(rng.integers(8))]
    text = repr({"descr": kind, "fortran_order": bool(rng.integers(2)), "shape": shape})
    if rng.random() < 0.2:
        text = ("(" * 5000, "{" * 90, text[:-3], "__import__('os')", text * 500)[int(rng.integers(5))]
    head = text.encode("latin1") + b"\n"
    payload = array.tobytes() if array.dtype != object else b""
    parts[i] = (parts[i][0], b"\x93NUMPY\x02\x00" + len(head).to_bytes(4, "little") + head + payload)
    return sealed(parts)


def arrays(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Callable[..., bytes]:
    """Return the mutation that changes one array, or two."""

    def mutate(content: bytes, donor: bytes, rng: np.random.Generator) -> bytes:
        parts = members(content)
        for _ in range(int(rng.integers(1, 3))):
            i = int(rng.integers(len(parts)))
            with contextlib.suppress(ValueError):  # an object, from the round before
                parts[i] = (parts[i][0], encoded(change(decoded(parts[i][1]), rng)))
        return sealed(parts)

    return mutate


MUTATIONS: dict[str, Callable[[bytes, bytes, np.random.Generator], bytes]] = {
    "bits": bits, "cut": cut, "spliced": spliced, "rearranged": rearranged, "inner bits": inner_bits,
    "headers": headers, "values": arrays(values), "types": arrays(types), "shapes": arrays(shapes),
}  # fmt: skip


# ---- records

WORDS: tuple[Any, ...] = (
    None, True, False, "", "x", "nan", "../../x", -1, 0, 1, 10**400, 2**63, 1e308, -1e308, 5e-324, float("nan"),
    float("inf"), [], {}, [[]], {"a": 1}, "1e5", "\ud800", "solved", "sdp",
)  # fmt: skip


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to everything within a JSON document."""
    for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


def entries(record: dict[str, Any], donor: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return a record of which some entries are other values, missing, swapped, scaled or taken from another."""
    changed = copy.deepcopy(record)
    for _ in range(int(rng.integers(1, 4))):
        paths = [path for path in places(changed) if path[0] != "provenance" or rng.random() < 0.2]
        path = paths[int(rng.integers(len(paths)))]
        node = changed
        for key in path[:-1]:
            node = node[key]
        key, old = path[-1], node[path[-1]]
        match int(rng.integers(5)):
            case 0:
                node[key] = copy.deepcopy(WORDS[int(rng.integers(len(WORDS)))])
            case 1:
                del node[key]
            case 2:
                number = isinstance(old, (int, float)) and not isinstance(old, bool)
                node[key] = old * (1.0 + 10.0 ** rng.uniform(-15, 1)) if number else [old]
            case 3:
                other = paths[int(rng.integers(len(paths)))]
                with contextlib.suppress(KeyError, IndexError, TypeError):
                    value = changed
                    for step in other:
                        value = value[step]
                    node[key] = copy.deepcopy(value)
            case _:
                node[key] = copy.deepcopy(donor.get(path[0]))
    return changed


# ---- what reads a file, and what it may say


@dataclass(frozen=True)
class Verdict:
    """What became of a file: an accepted one says nothing, or a bound of a side: at most, or at least, so much."""

    accepted: bool
    false: bool = False


@dataclass(frozen=True)
class Subject:
    """Honest files of a kind.

    Parameters
    ----------
    name: what the table calls it.
    files: contents, of which each is mutated and gives to the others.
    judge: reads a path and says what became of it; gets the number of the file.
    second: the same by tools/check_certificate.py, if that reads such files.
    claims: whether half of the files get another ``lower``.
    """

    name: str
    files: Sequence[bytes]
    judge: Callable[[Path, int], Verdict]
    second: Callable[[Path, int], Verdict] | None = None
    claims: Sequence[float] | None = None

    def mutated(self, index: int, rng: np.random.Generator) -> tuple[str, bytes]:
        """Return the name of a mutation of one of the files and the content that it leaves."""
        name = str(rng.choice(list(MUTATIONS)))
        content, donor = self.files[index], self.files[int(rng.integers(len(self.files)))]
        if self.claims is not None and rng.random() < 0.5:
            most = self.claims[index]
            claim = (0.0, 0.5 * most, most * (1.0 + 1e-6), 2.0 * most, 1e300)[int(rng.integers(5))]
            parts = [(n, encoded(np.array(claim)) if n == "lower.npy" else part) for n, part in members(content)]
            content = sealed(parts)
        return name, MUTATIONS[name](content, donor, rng)


def loaded_checker() -> Any:
    """Return tools/check_certificate.py as a module."""
    specification = importlib.util.spec_from_file_location("check_certificate", CHECKER)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def described(problem: Problem) -> dict[str, np.ndarray]:
    """Return the arrays of a problem's data file for tools/check_certificate.py, but for γ and the bias."""
    loss = problem.loss.unweighted
    data: dict[str, Any] = {"X": problem.X, "Y": problem.Y, "loss": losses.called(loss), **vars(loss)}
    data |= {"slopes": problem.activation.slopes, "penalise_bias": problem.penalise_bias}
    if problem.loss.weights is not None:
        data["sample_weight"] = problem.loss.weights
    if problem.offset is not False:
        data["offset"] = problem.offset_decay
    return {name: np.asarray(value) for name, value in data.items()}


def certificates() -> Subject:
    """Return certificates of every kind, with problems whose optima are known."""
    rng = np.random.default_rng(0)
    plane = Problem(rng.standard_normal((4, 2)), rng.standard_normal((4, 2)), 0.1)
    line = Problem(rng.standard_normal((4, 1)), rng.standard_normal((4, 1)), 0.3, bias=True)
    wide = Problem(1e3 * rng.standard_normal((3, 3)), 1e-3 * rng.standard_normal((3, 1)), 0.2)
    idle = Problem(rng.standard_normal((3, 2)), rng.standard_normal((3, 1)), 1e3)
    cases: list[tuple[Problem, str, dict[str, Any]]] = [
        (plane, "sdp", {"rounding": None}), (plane, "sdp", {"rounding": None, "cones": 3}), (plane, "exact", {}),
        (line, "sdp", {"rounding": None}), (line, "exact", {}), (wide, "exact", {}), (wide, "sdp", {"rounding": None}),
        (idle, "exact", {}),
    ]  # fmt: skip
    most = {id(problem): optimum(problem) for problem, _, _ in cases}
    files = [saved(sdprelax.solve(problem, method, **options).certificate) for problem, method, options in cases]
    program = loaded_checker()

    def judge(path: Path, index: int) -> Verdict:
        problem = cases[index][0]
        proved = sdprelax.verify(problem, Certificate.load(path), Deadline(PATIENCE))
        return Verdict(True, not proved <= most[id(problem)])

    def second(path: Path, index: int) -> Verdict:
        problem = cases[index][0]
        try:
            deadline = time.monotonic() + PATIENCE
            proved = program.check(program.read(path), described(problem), problem.gamma, problem.bias, deadline)
        except Exception:  # the program's own last line: whatever it is, it is a refusal
            return Verdict(False)
        return Verdict(True, not proved <= most[id(problem)])

    return Subject("certificates", files, judge, second, [most[id(problem)] for problem, _, _ in cases])


def group_certificates() -> Subject:
    """Return certificates of gated, kernel, wedge and ramp programs, whose bounds are met but for a share of 1e-6."""
    rng = np.random.default_rng(3)
    plane = Problem(rng.standard_normal((5, 2)), rng.standard_normal((5, 2)), 0.1)
    line = Problem(rng.standard_normal((5, 1)), rng.standard_normal((5, 1)), 0.1, bias=True)
    cases: list[tuple[Problem, str, dict[str, Any]]] = [
        (plane, "gated_relu", {"patterns": 4}), (plane, "gated_relu", {"patterns": 4, "penalty": "nuclear"}),
        (plane, "mkl", {"patterns": 4}), (plane, "wedge", {}), (line, "wedge", {"bias": "free"}),
        (line, "wedge", {"bias": "free", "layers": 3}),
    ]  # fmt: skip
    programs = [sdprelax.solve(problem, method, **options).program for problem, method, options in cases]

    def judge(path: Path, index: int) -> Verdict:
        problem, _, _ = cases[index]
        mutated = GroupCertificate.load(path)
        lower, upper = verify_group(problem, mutated, Deadline(PATIENCE))
        honest = programs[index]
        # Another design, norm or unit is another program: its two bounds have only each other.
        same = statement(mutated) == statement(honest)
        false = same and not (lower <= honest.value and upper >= honest.dual_value)
        return Verdict(True, false or not lower <= upper)

    return Subject("group certificates", [saved(program) for program in programs], judge)


def statement(certificate: GroupCertificate) -> tuple[Any, ...]:
    """Return what says which program a certificate is of."""
    design = {name: np.asarray(part).tolist() for name, part in vars(certificate.design).items()}
    return type(certificate.design), design, certificate.penalty, certificate.units, certificate.gamma


def optimum(problem: Problem) -> float:
    upper = sdprelax.solve(problem, "exact").upper
    assert upper is not None
    return upper


def saved(thing: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "it.npz"
        thing.save(path) if hasattr(thing, "save") else save_predictor(path, thing)
        return path.read_bytes()


def networks() -> Subject:
    """Return networks of one problem, whose upper bounds may not be below the proved lower one."""
    rng = np.random.default_rng(1)
    problem = Problem(rng.standard_normal((5, 2)), rng.standard_normal((5, 2)), 0.1)
    found = [sdprelax.solve(problem, method) for method in ("exact", "lbfgs")]
    least = found[0].lower
    assert least is not None
    files = [saved(outcome.network) for outcome in found] + [saved(Network.empty(2, 2))]

    def judge(path: Path, index: int) -> Verdict:
        return Verdict(True, not problem.upper_bound(Network.load(path)) >= least)

    return Subject("networks", files, judge)


def predictors() -> Subject:
    """Return predictors of every other kind; what is loaded predicts, or says why it does not."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((4, 2))
    kinds = (
        GatedNetwork(rng.standard_normal((2, 3)), rng.standard_normal((3, 2, 2))),
        KernelPredictor("ntk", X, rng.standard_normal((4, 2))),
        Tabulated(X, rng.standard_normal((4, 2))),
        ThreeLayerNetwork(
            rng.standard_normal((2, 3)), *rng.standard_normal((3, 3)), rng.standard_normal((3, 2)), np.zeros(2)
        ),
    )

    def judge(path: Path, index: int) -> Verdict:
        predicted = load_predictor(path).predict(X)
        return Verdict(True, not (isinstance(predicted, np.ndarray) and predicted.shape[:1] == (4,)))

    return Subject("predictors", [saved(kind) for kind in kinds], judge)


@dataclass(frozen=True)
class Fault:
    """A file that did what no file may."""

    subject: str
    mutation: str
    what: str
    content: bytes


# The name of a mutation, what became of the file, and the fault if it is one.
Mutated = tuple[str, str, Fault | None]


def fuzz(subject: Subject, mutations: int, rng: np.random.Generator, folder: Path) -> Iterator[Mutated]:
    """Yield what became of so many files, by each that judges them."""
    path = folder / "mutated.npz"
    for _ in range(mutations):
        index = int(rng.integers(len(subject.files)))
        name, content = subject.mutated(index, rng)
        path.write_bytes(content)
        for judge, prefix in ((subject.judge, ""), (subject.second, "second ")):
            if judge is None:
                continue
            executed.clear()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                what = _judged(judge, path, index)
            what = "code_executed" if executed else what
            said, _, _ = what.partition(": ")
            bad = said not in ("refused", "accepted")
            yield name, prefix + said, Fault(subject.name, name, f"{prefix}{what}", content) if bad else None


def _judged(judge: Callable[[Path, int], Verdict], path: Path, index: int) -> str:
    try:
        verdict = judge(path, index)
    except SdprelaxError:
        return "refused"
    except Exception as error:  # what the fuzzer is after
        return f"raw_errors: {type(error).__name__}: {error}"
    return "false_bounds" if verdict.false else "accepted" if verdict.accepted else "refused"


class Records:
    """The records of a small sweep, each in a folder of its own, mutated and sealed anew."""

    def __init__(self, folder: Path) -> None:
        sweep = folder / "sweep.yaml"
        sweep.write_text(
            "name: fuzzed\ndatasets: [random: {n: 4, c: 1}]\ngamma: 0.1\nmethods: [exact, sdp, lbfgs: {restarts: 1}]\n"
        )
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            run_sweep(load_sweep(sweep), folder, engine="serial")
        self.trials = []
        for trial in sorted((folder / "fuzzed" / "trials").iterdir()):
            alone = folder / f"alone-{trial.name}"
            shutil.copytree(folder / "fuzzed", alone, ignore=shutil.ignore_patterns("table.*", "predictions.*"))
            for other in (alone / "trials").iterdir():
                if other.name != trial.name:
                    shutil.rmtree(other)
            self.trials.append(alone / "trials" / trial.name)
        self.records = [json.loads((trial / "record.json").read_text()) for trial in self.trials]
        self.least = max(record["lower"] for record in self.records if record["lower"] is not None)
        self.most = min(record["upper"] for record in self.records if record["upper"] is not None)

    def mutated(self, rng: np.random.Generator) -> Mutated:
        """Mutate one record, verify its folder, and put it back; return what :func:`fuzz` yields."""
        index = int(rng.integers(len(self.trials)))
        trial, honest = self.trials[index], self.records[index]
        path, kept = trial / "record.json", json.dumps(honest).encode()
        chance = rng.random()
        if chance < 0.1:
            name, text = "text", (bits, cut, spliced)[int(rng.integers(3))](kept, kept, rng)
        elif chance < 0.12:
            name, text = "depth", b'{"lower": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
        else:
            record = entries(honest, self.records[int(rng.integers(len(self.records)))], rng)
            record["seal"] = seal(record, trial)
            name, text = "entries", json.dumps(record).encode()
        path.write_bytes(text)
        try:
            what = self._judged(trial)
        except SdprelaxError:
            what = "refused"
        except Exception as error:
            what = f"raw_errors: {type(error).__name__}: {error}"
        finally:
            path.write_bytes(kept)
        said = what.partition(": ")[0]
        bad = said not in ("refused", "accepted")
        return name, said, Fault("records", name, what, text) if bad else None

    def _judged(self, trial: Path) -> str:
        found = {finding.name: finding.faults for finding in audit(trial.parents[1])}
        if found[trial.name]:
            return "refused"
        record = json.loads((trial / "record.json").read_bytes())
        lower, upper = record["lower"], record["upper"]
        sound = (lower is None or lower <= self.most) and (upper is None or upper >= self.least)
        return "accepted" if sound else "false_bounds"


PARTS = ("subject", "mutation")
WHATS = tuple(
    p + w for p in ("", "second ") for w in ("refused", "accepted", "false_bounds", "raw_errors", "code_executed")
)
# What is mutated, and its share of the files and of the time.
SHARES: tuple[tuple[Callable[[], Subject] | None, str, float], ...] = (
    (certificates, "certificates", 0.5), (group_certificates, "group certificates", 0.15), (networks, "networks", 0.15),
    (predictors, "predictors", 0.16), (None, "records", 0.04),
)  # fmt: skip


@benchmark.part("fuzz", columns=(*PARTS, *(what.replace(" ", "_") for what in WHATS)), by=("subject",))
def files(run: Run) -> Iterator[Row]:
    counts: Counter[tuple[str, str, str]] = Counter()
    faults, kept = 0, run.options["faults"]
    with tempfile.TemporaryDirectory() as scratch:
        for number, (make, name, share) in enumerate(SHARES):
            if not run.wants(name):
                continue
            started, until = time.perf_counter(), 60.0 * share * run.options["minutes"]
            rng = np.random.default_rng([run.options["seed"], number])
            many = round(share * run.choose(run.options["mutations"], tiny=60))
            if make is None:
                records = Records(Path(scratch))
                outcomes: Iterator[Mutated] = (records.mutated(rng) for _ in range(many))
            else:
                outcomes = fuzz(make(), many, rng, Path(scratch))
            for mutation, what, fault in outcomes:
                counts[name, mutation, what] += 1
                if fault is not None:
                    faults += 1
                    run.fault(f"{fault.subject}, {fault.mutation}: {fault.what[:300]}")
                    if kept is not None and faults <= 1000:
                        Path(kept).mkdir(parents=True, exist_ok=True)
                        (Path(kept) / f"{faults:04}-{fault.subject}.bin").write_bytes(fault.content)
                if time.perf_counter() - started > until:
                    break
    for key in sorted({(subject, mutation) for subject, mutation, _ in counts}):
        row = {what.replace(" ", "_"): counts[*key, what] for what in WHATS}
        yield dict(zip(PARTS, key, strict=True)) | row


if __name__ == "__main__":
    benchmark.main()
