"""Networks of other libraries as :class:`sdprelax.Network`: two linear layers with an activation of two slopes between.

PyTorch, ONNX and scikit-learn are not imported here: modules and estimators are told by their attributes, files are
read by the library that wrote them. A module may compute what its list of layers does not say, so every network that
can be run is compared on the data with what was read of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import Floats, InputError, first_line, optional, read_arrays
from sdprelax.networks import Activation, Network, Pipeline, Preprocessing, activations, load_predictor, query_inputs

__all__ = ["TrainedNetwork", "read_trained"]

# Most by which predictions of a network in single precision differ from ours, relative to the largest sum of sizes.
SINGLE = 1e-3
# Nodes of an ONNX graph that change nothing here, and layers of PyTorch that do not when they do not train.
PASSED = ("Identity", "Flatten", "Dropout", "Cast")
SUFFIXES = (".npz", ".onnx", ".pt", ".pth")


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network that somebody has trained, and what is known of its training.

    Attributes
    ----------
    network: of hidden biases if the first layer has any, and of an offset if the last one has.
    what: what it is, in words.
    free_biases: whether its library lets biases cost nothing; None if it does not say.
    loss: the loss that it was trained with, by name, if its library says so.
    alpha: scikit-learn's weight of the penalty.
    batch: samples of a batch of its training, over which scikit-learn divides the penalty; None for all of them.
    assumed: what its file does not say, in words.
    classes: the classes of its outputs, in order.
    runs: what it predicts itself, shape (n, c), if it can be run.
    preprocessing: what was done to the inputs.
    """

    network: Network
    what: str
    free_biases: bool | None = None
    loss: str | None = None
    alpha: float | None = None
    batch: int | None = None
    assumed: str = ""
    classes: Sequence[Any] | None = None
    runs: Callable[[Floats], Floats] | None = None
    preprocessing: Preprocessing | None = None

    def _sizes(self, X: Floats) -> Floats:
        """Return what the terms of each output add up to without their signs, shape (n, c)."""
        network = self.network
        inner = query_inputs(X, len(network.hidden), network.bias) @ network.hidden
        sizes: Floats = np.abs(network.activation.apply(inner)) @ np.abs(network.output)
        return sizes if network.offset is None else sizes + np.abs(network.offset)

    def check(self, X: Floats) -> None:
        """Refuse a network that predicts something else on the inputs than what was read of it.

        Raises
        ------
        InputError: inputs of another width, or other predictions.
        """
        ours = self.network.predict(X)
        if self.runs is None:
            return
        theirs = np.asarray(self.runs(X), dtype=np.float64)
        far = float(np.max(np.abs(theirs - ours), initial=0.0)) if theirs.shape == ours.shape else np.inf
        if not far <= SINGLE * float(np.max(self._sizes(X), initial=0.0)):
            raise InputError(
                f"{self.what} computes something else than two linear layers with {self.network.activation} between; "
                "only these can be certified."
            )


def read_trained(given: object, activation: Activation | str | Mapping[str, Any] = "relu") -> TrainedNetwork:
    """Return a network of this package, PyTorch or scikit-learn, or of a file (.npz, .onnx, .pt), as it was trained.

    Parameters
    ----------
    given: the network; what was read already is returned as it is.
    activation: of files that do not say it, a state_dict and plain arrays.

    Raises
    ------
    InputError: none of these, an unreadable file, another number of layers, or another activation.
    SolverUnavailable: the library that reads the file is not installed.
    """
    if isinstance(given, TrainedNetwork):
        return given
    if isinstance(given, Network):
        return TrainedNetwork(given, "the network")
    if isinstance(given, Pipeline):
        if not isinstance(given.predictor, Network):
            raise InputError(
                f"a {type(given.predictor).__name__} is no two-layer network, and nothing else is certified."
            )
        return TrainedNetwork(given.predictor, "the network", classes=given.classes, preprocessing=given.preprocessing)
    if isinstance(given, (str, Path)):
        return _of_file(Path(given), activations.given(activation))
    if hasattr(given, "coefs_") and hasattr(given, "intercepts_"):
        return _of_estimator(given)
    if hasattr(given, "named_modules") and hasattr(given, "state_dict"):
        return _of_module(given)
    if hasattr(given, "hidden_layer_sizes"):
        raise InputError(f"the {type(given).__name__} is not fitted yet: fit it first.")
    raise InputError(
        "a network is a sdprelax.Network, a PyTorch module, a fitted MLPClassifier or MLPRegressor of scikit-learn, or "
        f"a file ({', '.join(SUFFIXES)}), and not of type {type(given).__name__}."
    )


def _network(
    first: ArrayLike, second: ArrayLike, hidden_bias: ArrayLike | None, output_bias: ArrayLike | None,
    activation: Activation | str, what: str,
) -> Network:  # fmt: skip
    """Return the network of two layers' weights, shapes (d, m) and (m, c), with biases where there are any."""
    U, V = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if U.ndim != 2 or V.ndim != 2 or U.shape[1] != V.shape[0]:
        raise InputError(f"{what} has layers of weights {U.shape} and {V.shape}, which do not fit one after the other.")
    biased = hidden_bias is not None
    if biased:
        U = np.vstack([U, np.asarray(hidden_bias, dtype=np.float64).reshape(1, -1)])
    offset = None if output_bias is None else np.asarray(output_bias, dtype=np.float64).ravel()
    return Network(U, V, biased, activations.given(activation), offset)


def _of_estimator(given: Any) -> TrainedNetwork:
    what = f"the {type(given).__name__}"
    if len(given.coefs_) != 2:
        raise InputError(f"{what} has {len(given.coefs_) - 1} hidden layers; networks of one can be certified.")
    if given.activation != "relu":
        raise InputError(f"{what} has the activation '{given.activation}'; 'relu' can be certified.")
    losses = {"softmax": "cross_entropy", "logistic": "logistic", "identity": "squared"}
    if given.out_activation_ not in losses or getattr(given, "loss", "squared_error") == "poisson":
        raise InputError(f"{what} has another loss than the squared, logistic or cross-entropy one.")
    (U, V), (b, t) = given.coefs_, given.intercepts_
    network = _network(U, V, b, t, "relu", what)
    classes = getattr(given, "classes_", None)
    loss = losses[given.out_activation_]
    # A penalty of α/2n beside the mean of a batch is one of α/2 for as many samples as a batch has.
    batch = None if given.solver == "lbfgs" else 200 if given.batch_size == "auto" else int(given.batch_size)
    return TrainedNetwork(
        network, what, free_biases=True, loss=loss, alpha=float(given.alpha), batch=batch,
        classes=None if classes is None else list(classes),
    )  # fmt: skip


def _of_module(given: Any) -> TrainedNetwork:
    what = f"the module {type(given).__name__}"
    leaves = [part for _, part in given.named_modules() if not list(part.children())]
    linear = [part for part in leaves if type(part).__name__ == "Linear"]
    between: list[Activation] = []
    for part in leaves:
        name = type(part).__name__
        if name == "ReLU":
            between.append(activations.create("relu"))
        elif name == "LeakyReLU":
            between.append(activations.create("leaky", {"slope": float(part.negative_slope)}))
        elif name not in ("Linear", *PASSED):
            raise InputError(f"{what} has a layer {name}; two Linear layers with a ReLU or LeakyReLU can be certified.")
    if len(linear) != 2 or len(between) > 1:
        raise InputError(
            f"{what} has {len(linear)} linear layers and {len(between)} activations; two layers with one between "
            "can be certified."
        )

    if any(layer.weight.is_meta for layer in linear):
        raise InputError(f"{what} is on the device meta, where weights have no values: load them first.")

    def array(tensor: Any) -> Any:
        return None if tensor is None else tensor.detach().cpu().numpy().astype(np.float64)

    def runs(X: Floats) -> Floats:
        torch, weight = optional("torch"), linear[0].weight
        with _evaluating(given):
            predicted = given(torch.as_tensor(np.array(X), dtype=weight.dtype, device=weight.device))
        return np.asarray(predicted.cpu().numpy(), dtype=np.float64).reshape(len(X), -1)

    (U, b), (V, t) = ((array(layer.weight).T, array(layer.bias)) for layer in _as_called(given, linear))
    activation = between[0] if between else activations.create("relu")
    return TrainedNetwork(_network(U, V, b, t, activation, what), what, free_biases=False, runs=runs)


@contextlib.contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """Let a module predict as it does when it is not trained, without gradients, and leave it as it was."""
    training = module.training
    module.eval()
    try:
        with optional("torch").no_grad():
            yield
    finally:
        module.train(training)


def _as_called(module: Any, linear: list[Any]) -> list[Any]:
    """Return two linear layers in the order in which the module calls them, which need not be that of declaration."""
    torch = optional("torch")
    called: list[Any] = []
    hooks = [layer.register_forward_hook(lambda self, given, made: called.append(self)) for layer in linear]
    for layer in linear:
        called.clear()
        with contextlib.suppress(Exception), _evaluating(module):
            module(torch.zeros((1, layer.in_features), dtype=layer.weight.dtype, device=layer.weight.device))
            break
    for hook in hooks:
        hook.remove()
    return called if len(called) == 2 and called[0] is not called[1] else linear


def _of_file(path: Path, activation: Activation | str) -> TrainedNetwork:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: a network's file ends in {', '.join(SUFFIXES)}, not in '{path.suffix}'.")
    if path.suffix == ".npz":
        return _of_arrays(path, activation)
    return _of_onnx(path) if path.suffix == ".onnx" else _of_state(path, activation)


def _of_arrays(path: Path, activation: Activation | str) -> TrainedNetwork:
    try:
        stored = read_arrays(path)
    except Exception as error:  # a damaged archive fails in zlib, zipfile or NumPy, each with errors of its own
        raise InputError(f"{path} is no readable NPZ file: {first_line(error)}.") from None
    if "kind" in stored:
        found = read_trained(load_predictor(path))
        return TrainedNetwork(found.network, str(path), classes=found.classes, preprocessing=found.preprocessing)
    if not {"hidden", "output"} <= stored.keys():
        raise InputError(
            f"{path} holds the arrays {', '.join(stored)}; a network's are hidden, shape (d, m), output, shape (m, c), "
            "and perhaps hidden_bias (m) and output_bias (c)."
        )
    b, t = stored.get("hidden_bias"), stored.get("output_bias")
    network = _network(stored["hidden"], stored["output"], b, t, activation, str(path))
    return TrainedNetwork(
        network, str(path), assumed=f"{path} does not say the activation: read as {network.activation}"
    )


def _of_state(path: Path, activation: Activation | str) -> TrainedNetwork:
    torch = optional("torch")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        weights = [value.double().numpy() for value in state.values()]
    except Exception:  # a pickle of anything else fails in PyTorch with words on what to trust
        raise InputError(
            f"{path} is no state_dict of tensors: write one by torch.save(module.state_dict(), path)."
        ) from None
    matrices = [k for k, value in enumerate(weights) if value.ndim == 2]
    if len(matrices) != 2 or any(value.ndim > 2 for value in weights) or len(weights) > 4:
        raise InputError(
            f"{path} holds {len(matrices)} matrices among {len(weights)} tensors; two linear layers can be certified."
        )
    b, t = (weights[k + 1] if k + 1 < len(weights) and weights[k + 1].ndim == 1 else None for k in matrices)
    first, second = (weights[k].T for k in matrices)
    network = _network(first, second, b, t, activation, str(path))
    assumed = f"{path} names neither the activation nor the first layer: read in its order, with {network.activation}"
    return TrainedNetwork(network, str(path), free_biases=False, assumed=assumed)


def _of_onnx(path: Path) -> TrainedNetwork:
    onnx, reference = optional("onnx"), optional("onnx.reference")
    try:
        model = onnx.load(path)
    except Exception as error:
        raise InputError(f"{path} is no readable ONNX model: {first_line(error)}.") from None
    known = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    layers: list[tuple[Any, Any]] = []
    between: list[Activation] = []
    for node in model.graph.node:
        options = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        constants = [known[name] for name in node.input if name in known]
        if node.op_type == "Constant" and "value" in options:
            known[node.output[0]] = onnx.numpy_helper.to_array(options["value"])
        elif node.op_type in ("Gemm", "MatMul") and constants:
            weight = constants[0].T if options.get("transB") else constants[0]
            layers.append((weight, constants[1] if len(constants) > 1 else None))
        elif node.op_type == "Add" and layers and layers[-1][1] is None and constants:
            layers[-1] = (layers[-1][0], constants[0])
        elif node.op_type == "Relu":
            between.append(activations.create("relu"))
        elif node.op_type == "LeakyRelu":
            between.append(activations.create("leaky", {"slope": _single(options.get("alpha", 0.01))}))
        elif node.op_type == "Abs":
            between.append(activations.create("absolute"))
        elif node.op_type not in PASSED:
            raise InputError(
                f"{path} has a node {node.op_type}; two linear layers with Relu, LeakyRelu or Abs between can be "
                "certified."
            )
    if len(layers) != 2 or len(between) != 1:
        raise InputError(
            f"{path} has {len(layers)} linear layers and {len(between)} activations; two layers with one between "
            "can be certified."
        )

    def runs(X: Floats) -> Floats:
        session = reference.ReferenceEvaluator(model)
        return np.asarray(session.run(None, {session.input_names[0]: X.astype(np.float32)})[0], dtype=np.float64)

    (U, b), (V, t) = layers
    return TrainedNetwork(_network(U, V, b, t, between[0], str(path)), str(path), free_biases=False, runs=runs)


def _single(alpha: Any) -> float:
    """Return what a number that ONNX keeps in single precision was meant to be: the shortest decimal that it rounds."""
    return float(str(np.float32(alpha)))
