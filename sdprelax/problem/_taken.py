"""Which losses and activations an algorithm takes: what a registered class says, and the refusal of any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sdprelax.base import InputError, Registry
from sdprelax.networks import activations
from sdprelax.problem._problem import Problem
from sdprelax.problem.losses import losses

__all__ = ["require_taken"]

# What a class takes that says nothing: what there was when there was nothing to say.
USUAL = {"loss": ("losses", ("squared",)), "activation": ("activations", ("relu",))}
# What a class takes if it says so, and how a problem that has it says so.
EXTRAS: dict[str, tuple[str, Callable[[Problem], bool]]] = {
    "offset": ("offset or free bias", lambda problem: problem.offset is not False or not problem.penalise_bias),
    "sample_weight": ("sample weights", lambda problem: problem.loss.weights is not None),
}


def require_taken(problem: Problem, registry: Registry[Any], name: str, entry: Any) -> None:
    """Refuse a problem whose loss or activation a registered class, or another one that it uses, does not take.

    A class says what it takes by the attributes ``losses`` and ``activations``: names, or None for all. By default
    these are the squared loss and ReLU. ``offset`` and ``sample_weight`` say whether it takes these; by default not.

    Raises
    ------
    InputError: what is not taken, and by what.
    """
    has = {"loss": losses.called(problem.loss.unweighted), "activation": activations.called(problem.activation)}
    for family, part, made in registry.parts(name, entry):
        for what, (attribute, usual) in USUAL.items():
            taken = getattr(made, attribute, usual)
            if taken is not None and has[what] not in taken:
                names, mine = " or ".join(f"'{one}'" for one in taken), has[what]
                raise InputError(
                    f"{family.kind} '{part}' takes the {what} {names}, and this problem has '{mine}'; name another "
                    f"{family.kind}."
                )
        for attribute, (words, present) in EXTRAS.items():
            if present(problem) and not getattr(made, attribute, False):
                raise InputError(
                    f"{family.kind} '{part}' takes no {words}, and this problem has; name another {family.kind}."
                )
