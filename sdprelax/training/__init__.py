"""What training gives: bounds with their witnesses, and local descent."""

from __future__ import annotations

from sdprelax.training._incumbent import Incumbent
from sdprelax.training._local_training import (
    locally_trained,
    network_size,
    objective_and_gradient,
    polish,
    preconditioner,
    random_network,
    train,
)
from sdprelax.training._outcome import (
    Bound,
    Outcome,
    Report,
    Status,
    relative_gap,
    status_of,
    unreported,
)

__all__ = [
    "Bound",
    "Incumbent",
    "Outcome",
    "Report",
    "Status",
    "locally_trained",
    "network_size",
    "objective_and_gradient",
    "polish",
    "preconditioner",
    "random_network",
    "relative_gap",
    "status_of",
    "train",
    "unreported",
]
