"""Certifies a network that somebody has trained (docs/certify.md)."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Deadline, InputError, ProblemTooLarge, SolverFailed, StorageError, ready, require_seed
from sdprelax.certificate import relaxation_certificate
from sdprelax.exact import searched_gamma_max
from sdprelax.methods import methods
from sdprelax.methods.exact import Exact
from sdprelax.methods.sdp import SDP
from sdprelax.networks import Network, Pipeline, save_predictor
from sdprelax.problem import Presolved, Problem, require_taken
from sdprelax.training import Incumbent, Outcome, Report, polish, unreported
from sdprelax.verdict._reading import TrainedNetwork, read_trained
from sdprelax.verdict._translation import Decay, posed

__all__ = ["Verdict", "certify", "saving_folder"]

# Gap that ends the work; a network counts as better if it is so by this share of the objective.
TOLERANCE, BETTER = 1e-6, 1e-9
# Generator rows up to which the first bound, of the network's own residual, is cheap: factors of that order.
CHEAP = 2_500
# Share of the time that local training of the network, which only lowers it, may take first.
POLISHING = 0.1
# Share that column generation gets beyond rank 5: no cover ends there, and a network is at hand; the rest is the
# relaxation's.
COVERING = 0.2


@dataclass(frozen=True)
class Verdict(Outcome):
    """What is proved of a network: an outcome whose ``network`` and ``upper`` are the user's own.

    Attributes
    ----------
    problem: the training problem.
    better: a network of a lower objective, or None where none was found.
    better_upper: its objective, rounded up.
    said: how the user's training was translated, in words.
    trained: what was read of the user's network, with what is done to its inputs.
    gamma_relative: γ/γ_max (:func:`sdprelax.gamma_max`), where it was found in seconds, else None.
    """

    problem: Problem | None = field(default=None, repr=False)
    better: Network | None = None
    better_upper: float | None = None
    said: tuple[str, ...] = ()
    trained: TrainedNetwork | None = field(default=None, repr=False)
    gamma_relative: float | None = None

    @property
    def excess(self) -> float | None:
        """How far above the global optimum the network is at most, relative to it: upper/lower − 1; None unproved."""
        if self.lower is None or self.upper is None or not self.lower > 0.0:
            return None
        return max(0.0, self.upper / self.lower - 1.0)

    def __str__(self) -> str:
        assert self.upper is not None and self.network is not None
        lines = [*self.said]
        if self.gamma_relative is not None and self.problem is not None:
            share, gamma = f"{self.gamma_relative:.3g}", self.problem.gamma
            lines.append(f"gamma {gamma:g} is {share} of gamma_max, from which on no neuron pays")
        lines += [f"objective of the network ({_neurons(self.network)}): {self.upper:.9g}"]
        if self.lower is None or self.excess is None:
            lines.append("proved lower bound of the global optimum: none above 0")
        else:
            lines.append(f"proved lower bound of the global optimum: {_down(self.lower)}")
            lines.append(f"the network is at most {_percent(self.excess)} above the global optimum")
        if self.better is None or self.better_upper is None:
            lines.append("no better network was found")
        else:
            by = (self.upper - self.better_upper) / abs(self.upper)
            lines.append(
                f"a better network was found ({_neurons(self.better)}): {self.better_upper:.9g}, "
                f"{_percent(by, math.floor)} lower"
            )
        return "\n".join(lines)

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``certificate.npz`` and, where there is one, ``better.npz`` into a folder; return their paths.

        What is done to the inputs of the user's network is done to those of the better one.

        Raises
        ------
        StorageError: the folder cannot be made.
        """
        place, written = saving_folder(folder), []
        if self.certificate is not None:
            written.append(place / "certificate.npz")
            self.certificate.save(written[-1])
        if self.better is not None:
            written.append(place / "better.npz")
            before = None if self.trained is None else self.trained.preprocessing
            save_predictor(written[-1], self.better if before is None else Pipeline(self.better, before))
        return written


def saving_folder(folder: str | Path) -> Path:
    """Return a folder that files can be written into, made if it is not there.

    Raises
    ------
    StorageError: it cannot be made.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{place} is no folder to save into: {error.strerror or error}.") from None
    return place


def certify(
    data: Problem | tuple[ArrayLike, ArrayLike], network: object, *, loss: object = None, gamma: float | None = None,
    weight_decay: float | None = None, reduction: Literal["mean", "sum"] = "mean", free_biases: bool | None = None,
    sample_weight: ArrayLike | None = None, class_weight: Any = None, activation: Any = "relu",
    time_limit: float | None = 60.0, seed: int = 0, report: Report = unreported,
) -> Verdict:  # fmt: skip
    """Prove how far a network is from the global optimum of its training problem, and look for a better one.

    The residual at the network's predictions is a dual point, which gives a first bound; column generation that starts
    with its neurons, and the relaxation, close the gap as far as time allows (docs/certify.md).

    Parameters
    ----------
    data: the training problem; or its data (X, y), inputs of shape (n, d) and labels or targets, and the rest of it by
        the options from ``loss`` to ``class_weight``.
    network: a :class:`sdprelax.Network`; a PyTorch module of two linear layers; a fitted MLPClassifier or MLPRegressor
        of scikit-learn with one hidden layer; or a file, .npz, .onnx or .pt (a state_dict).
    loss: the loss that it was trained with; scikit-learn's networks say it.
    gamma: γ of (γ/2)‖θ‖² beside the *sum* of the losses.
    weight_decay: λ as PyTorch's optimisers take it, in place of γ; scikit-learn's networks have their α.
    reduction: "mean" or "sum" of the losses that weight decay stood beside.
    free_biases: whether biases cost nothing; by default as the network's library has it: PyTorch's weight decay is of
        biases too, scikit-learn's penalty is not.
    sample_weight, class_weight: as in :class:`sdprelax.Problem`.
    activation: of a file that does not say it, a state_dict or plain arrays.
    time_limit: seconds; None for no limit.
    seed: seed of everything random.
    report: called with an Outcome whenever a bound has improved.

    Raises
    ------
    InputError: a network that cannot be read or does not fit the problem; data that say too little or too much.
    """
    require_seed(seed)
    trained = read_trained(network, activation)
    if isinstance(data, Problem):
        told = (loss, gamma, weight_decay, free_biases, sample_weight, class_weight)
        if any(value is not None for value in told):
            raise InputError("a Problem says loss, penalty, biases and weights itself; give these options with (X, y).")
        problem, said = data, tuple[str, ...]()
    else:
        decay = None if weight_decay is None else Decay(weight_decay, reduction)
        problem, said = posed(
            data, trained, gamma=gamma, decay=decay, loss=loss, free_biases=free_biases,
            sample_weight=sample_weight, class_weight=class_weight,
        )  # fmt: skip
    trained.check(problem.X)
    own = problem.upper_bound(trained.network)
    exact = Exact(tolerance=TOLERANCE)
    require_taken(problem, methods, "exact", exact)
    ready(methods.kernels("exact", exact))
    deadline, rng = Deadline.of(time_limit), np.random.default_rng(seed)

    def reported(outcome: Outcome) -> None:
        report(dataclasses.replace(outcome, upper=own, network=trained.network))

    best = Incumbent(Presolved.of(problem), deadline, reported)
    scaled = best.presolved.units.scaled_network(trained.network)
    best.offer(scaled)
    largest = 0.0
    if best.presolved.reduction.generators <= CHEAP:
        _prove_residual(best, scaled)
        largest = searched_gamma_max(problem)
    if deadline.seconds < math.inf:
        best.offer(polish(best.presolved.problem, scaled, deadline=deadline.fraction(POLISHING)))
    try:
        late = exact.close(best, rng, deadline, COVERING)
    except ProblemTooLarge as error:
        best.details["too_large"] = str(error)
        late = _relax(best, rng, deadline)
    found = best.outcome(best.certificate is not None and best.gap <= TOLERANCE, late)
    verdict = _verdict(problem, found, trained, own, said)
    return dataclasses.replace(verdict, gamma_relative=problem.gamma / largest) if largest > 0.0 else verdict


def _prove_residual(best: Incumbent, network: Network) -> None:
    """Prove what the residual at a network's predictions is worth without any multipliers."""
    problem, reduction = best.presolved.problem, best.presolved.reduction
    nothing = np.zeros((2 * reduction.generators,) * 2)
    best.prove(relaxation_certificate(problem, reduction, problem.residual(network.predict(problem.X)), [nothing]))


def _relax(best: Incumbent, rng: np.random.Generator, deadline: Deadline) -> bool:
    """Prove what the relaxation does in the time that is left, and say whether time ended it."""
    with contextlib.suppress(SolverFailed, ProblemTooLarge):
        best.prove(SDP(rounding=None).run(best.presolved.problem, rng=rng, deadline=deadline).certificate)
    return deadline.expired


def _verdict(problem: Problem, found: Outcome, trained: TrainedNetwork, own: float, said: tuple[str, ...]) -> Verdict:
    """Return an outcome as a verdict on the user's network."""
    parts: dict[str, Any] = {item.name: getattr(found, item.name) for item in dataclasses.fields(Outcome)}
    better = found.network if found.upper is not None and found.upper < own - BETTER * abs(own) else None
    parts |= {"upper": own, "network": trained.network, "problem": problem, "said": said, "trained": trained}
    upper = found.upper if better else None
    return Verdict(**parts, better=better, better_upper=upper)


def _neurons(network: Network) -> str:
    return "1 neuron" if network.width == 1 else f"{network.width} neurons"


def _percent(share: float, rounded: Callable[[float], int] = math.ceil) -> str:
    """Return a share in percent with two digits, rounded up, or as said."""
    percent = 100.0 * share
    if not 0.0 < percent < math.inf:
        return f"{percent:g} %"
    unit = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return f"{rounded(percent / unit) * unit:.{max(0, -math.floor(math.log10(unit)))}f} %"


def _down(value: float) -> str:
    """Return a number with nine digits, rounded down."""
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 8) if value else 1.0
    return f"{math.floor(value / unit) * unit:.9g}"
