"""Exact optima: where they are within reach, to measure tightness against (docs/mathematics.md section 4)."""
