"""What a sweep can name: one file each, registered by name.

A method is a frozen dataclass whose fields are its options, with one call::

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome

``report`` takes the best pair of bounds so far, with its witnesses: a trial that is stopped from outside
(its time or memory is up, and the method is deep in a solver) keeps what was reported last;
:class:`sdprelax.training.Incumbent` does that, and makes the outcome. Two more calls are optional:
``check(problem)`` refuses a problem that the method's options do not fit, and ``size(problem) -> str`` says how
large the computation will be, both before anything runs. A method whose class attribute ``resumes`` is true is also
given ``checkpoint``, the path of a file or None, for a :class:`sdprelax.base.Checkpoint` from which ``run`` goes on
where an earlier process was lost. A class attribute ``closes`` names the gap that is proved
to be within ``tolerance`` where the outcome's status is "solved": "gap", of the bounds, or "program_gap", of the
optimum that ``Outcome.program`` proves; ``sdprelax verify`` holds it to that, and asks ``certifies(problem, program)``,
where there is one, whether a certificate is of the program that the options say.
"""

from __future__ import annotations

from sdprelax.methods._method import Method, methods
from sdprelax.methods._solve import solve

__all__ = ["Method", "methods", "solve"]
