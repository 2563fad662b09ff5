"""Descents that are lost after so many evaluations of their objective."""

from __future__ import annotations

from typing import Any

import pytest

from sdprelax.training import objective_and_gradient

__all__ = ["Evaluations"]


class Evaluations:
    """Count what ``sgd`` and ``adam`` evaluate, and end them after the ``most`` allowed.

    Parameters
    ----------
    error: what one evaluation more raises.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
        self.most, self.count, self.error = 0, 0, error
        monkeypatch.setattr("sdprelax.methods.gradient_descent.objective_and_gradient", self)

    def allow(self, most: int) -> None:
        """Count from zero again."""
        self.most, self.count = most, 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Return the objective and its gradient."""
        self.count += 1
        if self.count > self.most:
            raise self.error
        return objective_and_gradient(*given, **named)
