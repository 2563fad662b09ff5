"""Which losses and activations an algorithm takes: what a registered class says, and the refusal of any other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sdprelax.base import InputError, Registry, Use
from sdprelax.networks import activations
from sdprelax.problem._problem import Problem
from sdprelax.problem.losses import losses

__all__ = ["require_taken", "untaken", "what_is_taken"]

# What a class takes that says nothing: what there was when there was nothing to say.
USUAL = {"loss": ("losses", ("squared",)), "activation": ("activations", ("relu",))}
# What `losses` may say in place of names.
DIFFERENTIABLE = "differentiable"
# What a class takes if it says so, and how a problem that has it says so.
EXTRAS: dict[str, tuple[str, Callable[[Problem], bool]]] = {
    "offset": ("offset or free bias", lambda problem: problem.offset is not False or not problem.penalise_bias),
    "sample_weight": ("sample weights", lambda problem: problem.loss.weights is not None),
}


def require_taken(problem: Problem, registry: Registry[Any], name: str, entry: Any) -> None:
    """Refuse a problem whose loss or activation a registered class, or another one that it uses, does not take.

    A class says what it takes by the attributes ``losses`` and ``activations``: names, or None for all; ``losses`` may
    be "differentiable" instead. By default these are the squared loss and ReLU. ``offset`` and ``sample_weight`` say
    whether it takes these; by default not.
    What it names in ``dispensable`` it uses only for problems which that takes, so that is not asked.

    Raises
    ------
    InputError: what is not taken, and by what.
    """
    refused = untaken(problem, registry, name, entry)
    if refused is not None:
        raise InputError(refused)
    uses: Callable[[], Iterable[Use]] = getattr(entry, "uses", tuple)
    for family, other, options in uses():
        if family.canonical(other) not in getattr(entry, "dispensable", ()):
            require_taken(problem, family, other, family.create(other, options))


def untaken(problem: Problem, registry: Registry[Any], name: str, entry: Any) -> str | None:
    """Return a sentence about what a registered class does not take of a problem; None where it takes all."""
    has = {"loss": losses.called(problem.loss.unweighted), "activation": activations.called(problem.activation)}
    kind = registry.kind
    part = f"{kind} '{registry.canonical(name)}'"
    for what, (attribute, usual) in USUAL.items():
        taken = getattr(entry, attribute, usual)
        if taken == DIFFERENTIABLE:
            if not problem.loss.smooth:
                return f"{part} takes losses that are differentiable, and '{has[what]}' is not; name another {kind}."
        elif taken is not None and has[what] not in taken:
            names, mine = " or ".join(f"'{one}'" for one in taken), has[what]
            return f"{part} takes the {what} {names}, and this problem has '{mine}'; name another {kind}."
    for attribute, (words, present) in EXTRAS.items():
        if present(problem) and not getattr(entry, attribute, False):
            return f"{part} takes no {words}, and this problem has; name another {kind}."
    return None


def what_is_taken(registry: Registry[Any], name: str) -> str:
    """Return what a registered class says that it takes, in words; what it uses may take less."""
    entry = registry[name]
    told = {what: getattr(entry, attribute, usual) for what, (attribute, usual) in USUAL.items()}
    if told["loss"] == DIFFERENTIABLE:
        told["loss"] = tuple(one for one in losses if losses[one].smooth is True)
    parts = [f"any {what}" if names is None else f"{what} {' or '.join(names)}" for what, names in told.items()]
    parts += [words if getattr(entry, attribute, False) else f"no {words}" for attribute, (words, _) in EXTRAS.items()]
    return ", ".join(parts)
