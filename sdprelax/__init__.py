"""Certified training of infinite-width two-layer ReLU networks."""

from __future__ import annotations

__version__ = "0.1.0"
