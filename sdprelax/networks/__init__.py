"""Predictors and their one file format: networks, the preprocessing of their data, and metrics of predictions."""

from __future__ import annotations

from sdprelax.networks._export import Precision, to_torch, write_onnx
from sdprelax.networks._gated import GatedNetwork
from sdprelax.networks._linear import LinearNetwork
from sdprelax.networks._metrics import METRICS, decided, metrics, paper_accuracy
from sdprelax.networks._predictor import (
    Pipeline,
    Predictor,
    Tabulated,
    append_bias,
    called,
    is_registered,
    load_pipeline,
    load_predictor,
    query_inputs,
    register_predictor,
    require_rows,
    save_predictor,
)
from sdprelax.networks._preprocessing import Operations, Preprocessing, Scaling, scaling_operations, words_of
from sdprelax.networks._relu import Network, bare_network
from sdprelax.networks._three_layer import ThreeLayerNetwork
from sdprelax.networks.activations import Activation, activations, twins
from sdprelax.networks.activations.relu import ReLU

__all__ = [
    "METRICS",
    "Activation",
    "GatedNetwork",
    "LinearNetwork",
    "Network",
    "Operations",
    "Pipeline",
    "Precision",
    "Predictor",
    "Preprocessing",
    "ReLU",
    "Scaling",
    "Tabulated",
    "ThreeLayerNetwork",
    "activations",
    "append_bias",
    "bare_network",
    "called",
    "decided",
    "is_registered",
    "load_pipeline",
    "load_predictor",
    "metrics",
    "paper_accuracy",
    "query_inputs",
    "register_predictor",
    "require_rows",
    "save_predictor",
    "scaling_operations",
    "to_torch",
    "twins",
    "words_of",
    "write_onnx",
]
