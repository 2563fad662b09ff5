"""How good a network at hand is: a proved bound of how far it is from the global optimum, and a better one."""

from __future__ import annotations

from sdprelax.verdict._certify import Verdict, certify, saving_folder
from sdprelax.verdict._reading import TrainedNetwork, read_trained

__all__ = ["TrainedNetwork", "Verdict", "certify", "read_trained", "saving_folder"]
