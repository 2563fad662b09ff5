"""What an epoch of full-batch gradient descent costs on the sizes of Prakhya, Birdal and Yurtsever 2025 ("P25"), beside
PyTorch's autograd and optimiser, and with it one run of P25's whole protocol: sgd_epochs.csv.

Inputs are Gaussian, of the published shapes: an epoch costs the same whatever they are. Both take double precision.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from harness import Benchmark, Needs, Row, Run

import sdprelax
from sdprelax.base import has_optional
from sdprelax.methods import gradient_descent

benchmark = Benchmark(__doc__)
# Training samples, inputs and outputs of P25's sets, and the epochs that it trained for, the least where it says two.
SETS = {
    "spiral": (60, 2, 3, 8_000), "random": (25, 2, 5, 500_000), "iris": (75, 4, 3, 2_000_000),
    "ionosphere": (175, 34, 2, 2_000_000), "pima": (383, 8, 2, 5_000_000), "bank notes": (685, 4, 2, 5_000_000),
    "mnist": (1000, 20, 10, 8_000_000),
}  # fmt: skip
# Batches of epochs, of which the fastest counts: what else runs on the machine only ever makes one slower.
BATCHES = 3


def milliseconds(train: Callable[[int], object], epochs: int) -> float:
    """Return the processor milliseconds that an epoch takes beyond what starting takes."""
    train(1)
    spent = []
    for _ in range(BATCHES):
        marks = [time.process_time()]
        for count in (1, epochs + 1):
            train(count)
            marks.append(time.process_time())
        spent.append((marks[2] - marks[1]) - (marks[1] - marks[0]))
    return 1e3 * min(spent) / epochs


def drawn(n: int, d: int, c: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gaussian inputs and targets."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)), rng.standard_normal((n, c))


def ours(n: int, d: int, c: int, width: int, epochs: int) -> float:
    """Time ``sgd``, one run."""
    # Of so few epochs the proofs of the best network now and then, 20 in all, would be most of the time.
    gradient_descent.LOOKS = 1
    problem = sdprelax.Problem(*drawn(n, d, c), 0.1)
    options: dict[str, Any] = {"width": width, "restarts": 1, "learning_rate": 1e-7}
    return milliseconds(lambda count: sdprelax.solve(problem, "sgd", epochs=count, **options), epochs)


def pytorchs(n: int, d: int, c: int, width: int, epochs: int) -> float:
    """Time the same steps by PyTorch's autograd, its optimiser and its schedule."""
    import torch

    X, Y = map(torch.tensor, drawn(n, d, c))

    def train(count: int) -> None:
        U, V = (
            torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((d, width), (width, c))
        )  # fmt: skip
        steps = torch.optim.SGD([U, V], lr=1e-7, momentum=0.95)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(steps, factor=0.5, patience=100)
        for _ in range(count):
            steps.zero_grad()
            value = 0.5 * (((X @ U).relu() @ V - Y) ** 2).sum() + 0.05 * ((U**2).sum() + (V**2).sum())
            value.backward()
            steps.step()
            schedule.step(value.item())

    return milliseconds(train, epochs)


def measured(epochs: int, **size: int) -> Row:
    """Time both."""
    return {"ms": ours(**size, epochs=epochs), "pytorch_ms": pytorchs(**size, epochs=epochs)}


@benchmark.part(
    "sgd_epochs", by=("data",),
    columns=("data", "n", "d", "c", "width", "epochs", "ms", "pytorch_ms", "ratio", "minutes"),
)  # fmt: skip
def sgd_epochs(run: Run) -> Iterator[Row]:
    """One epoch of one run, and the whole protocol by it."""
    if not has_optional("torch"):
        raise Needs("PyTorch")
    width, timed = run.choose((300, 100), tiny=(3, 2))
    for data, (n, d, c, epochs) in SETS.items():
        if run.wants(data):
            size = {"n": n, "d": d, "c": c, "width": width}
            row = run.apart(measured, **size, epochs=timed)
            share = row["ms"] / row["pytorch_ms"]
            yield {"data": data, **size, "epochs": epochs, **row, "ratio": share, "minutes": row["ms"] * epochs / 60e3}


if __name__ == "__main__":
    benchmark.main()
