"""Methods that behave badly, for sweeps of tests: ``modules: [.../trying_methods.py]``."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdprelax.base import Deadline
from sdprelax.methods import methods
from sdprelax.networks import Network
from sdprelax.problem import Problem
from sdprelax.training import Bound, Outcome, Report, unreported


def zero_network(problem: Problem) -> Outcome:
    network = Network.empty(problem.X.shape[1], problem.Y.shape[1], problem.bias)
    upper = problem.upper_bound(network)
    return Outcome(upper=upper, network=network, trace=(Bound(0.0, None, upper),))


@methods.register("idle")
@dataclass(frozen=True)
class Idle:
    """The zero network, after a while; writes the Unix time of its start into a diary.

    Parameters
    ----------
    seconds: how long to wait.
    diary: file to append to.
    tag: tells trials apart.
    """

    seconds: float = 0.0
    diary: str = ""
    tag: int = 0

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        if self.diary:
            with Path(self.diary).open("a") as file:
                file.write(f"{problem.gamma!r} {self.tag} {time.time()!r}\n")
        if self.seconds:
            time.sleep(self.seconds)
        return zero_network(problem)


@methods.register("stubborn")
@dataclass(frozen=True)
class Stubborn:
    """Reports the zero network, then sleeps in C through its deadline."""

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        print("about to sleep")
        report(zero_network(problem))
        ctypes.PyDLL(None).sleep(600)  # with the interpreter's lock held
        return Outcome()


@methods.register("greedy")
@dataclass(frozen=True)
class Greedy:
    """Reports the zero network, then takes memory without end."""

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        report(zero_network(problem))
        taken = []
        while True:
            taken.append(np.ones(2**20))
            time.sleep(0.005)


@methods.register("crashing")
@dataclass(frozen=True)
class Crashing:
    """Reports the zero network, then ends its process.

    Parameters
    ----------
    signal: what kills it; 0 to exit with status 3.
    """

    signal: int = 0

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        report(zero_network(problem))
        if self.signal:
            os.kill(os.getpid(), self.signal)
        os._exit(3)


@methods.register("careless")
@dataclass(frozen=True)
class Careless:
    """Returns what a method must not.

    Parameters
    ----------
    what: which mistake.
    """

    what: str = "lower"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        sound = zero_network(problem)
        if self.what == "details":
            odd = {"array": np.arange(2), "scalar": np.float32(0.5), "nan": np.nan, "object": Path("x")}
            return dataclasses.replace(sound, details=odd)
        wrong = {"lower": {"lower": 1.0}, "nan": {"upper": np.nan}, "upper": {"upper": 1.0, "network": None}}
        report(sound)
        return dataclasses.replace(sound, **wrong[self.what])
