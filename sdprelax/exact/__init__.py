"""Exact optima: where they are within reach, to measure tightness against (docs/mathematics/exact.md)."""
