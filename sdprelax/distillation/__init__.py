"""Convex distillation: a block of a trained network replaced by a convex student of its activations.

A guest wing: the package's own front door, the command line and the laboratory import it when it is asked for, and it
imports PyTorch and ONNX where a network is at hand. ``teachers``, ``images`` and ``distillers`` hold the registries of
what a study can name. Source: Varshney and Pilanci, *Convex distillation: efficient compression of deep networks via
convex optimization* (2024, arXiv 2410.06567); what is proved here is in docs/mathematics/distillation.md.
"""

from __future__ import annotations

from sdprelax.distillation._activations import ActivationRows, ActivationStore, collect_activations
from sdprelax.distillation._comparison import NetworkComparison
from sdprelax.distillation._distill import Distillation, distill
from sdprelax.distillation._layout import Layout
from sdprelax.distillation._onnx_teacher import OnnxTeacher
from sdprelax.distillation._torch_teacher import TorchTeacher

__all__ = [
    "ActivationRows",
    "ActivationStore",
    "Distillation",
    "Layout",
    "NetworkComparison",
    "OnnxTeacher",
    "TorchTeacher",
    "collect_activations",
    "distill",
]
