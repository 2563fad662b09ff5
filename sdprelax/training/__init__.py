"""What training gives: bounds with their witnesses, and local descent."""

from __future__ import annotations

from sdprelax.training._local_training import BestNetwork, network_size, polish, preconditioner, random_network, train
from sdprelax.training._outcome import (
    Bound,
    Outcome,
    Report,
    Status,
    empty_network_outcome,
    relative_gap,
    status_of,
    unreported,
)

__all__ = [
    "BestNetwork",
    "Bound",
    "Outcome",
    "Report",
    "Status",
    "empty_network_outcome",
    "network_size",
    "polish",
    "preconditioner",
    "random_network",
    "relative_gap",
    "status_of",
    "train",
    "unreported",
]
