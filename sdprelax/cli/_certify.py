"""``certify`` and ``gamma-max``: what is proved of a network in a file, and of the weight decay of data in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sdprelax.cli._terminal import echo

__all__ = ["certify_network", "print_gamma_max"]


def certify_network(
    network: Annotated[Path, typer.Argument(help="A network: .npz, .onnx, or .pt with the state_dict of a module.")],
    data: Annotated[Path, typer.Option(help="What it was trained on: .csv, .parquet or .npz.")],
    target: Annotated[
        list[str] | None, typer.Option(help="Target column of a table; several for several outputs. Default: the last.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="Loss of its training, e.g. cross_entropy or '{huber: {delta: 0.5}}'.")
    ] = None,
    gamma: Annotated[float | None, typer.Option(help="γ of (γ/2)‖weights‖² beside the sum of the losses.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="In place of γ: PyTorch's weight decay.")] = None,
    reduction: Annotated[str, typer.Option(help="mean or sum: of the losses that weight decay stood beside.")] = "mean",
    free_biases: Annotated[
        bool | None, typer.Option("--free-biases/--penalised-biases", help="Whether the penalty left biases out.")
    ] = None,
    activation: Annotated[
        str,
        typer.Option(help="Of a .pt file or plain arrays, which do not say it, e.g. '{leaky: {slope: 0.1}}'."),
    ] = "relu",
    task: Annotated[
        str | None, typer.Option(help="classification or regression; by default as the loss and the target have it.")
    ] = None,
    class_weight: Annotated[str | None, typer.Option(help="'balanced', or one number per class: '[1, 5]'.")] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    save: Annotated[
        Path | None, typer.Option(help="Folder for certificate.npz and, where one was found, better.npz.")
    ] = None,
) -> None:
    """Print a proved bound of how far a trained network is from the global optimum, and a better one if there is."""
    import yaml

    from sdprelax.problem import losses
    from sdprelax.verdict import certify, read_trained, saving_folder

    if save is not None:
        saving_folder(save)
    chosen = None if loss is None else yaml.safe_load(loss)
    trained = read_trained(network, yaml.safe_load(activation))
    wanted = trained.loss if chosen is None else chosen
    numbers = wanted is not None and losses.given(wanted).targets in ("numbers", "counts")
    if numbers and trained.network.output.shape[1] == 1:
        # A column of a few integers would be taken for classes.
        task = task or "regression"
    read = _read(data, target, task)
    verdict = certify(
        (read.X, read.Y), trained, loss=chosen, gamma=gamma,
        weight_decay=weight_decay, reduction=reduction, free_biases=free_biases,  # type: ignore[arg-type]
        class_weight=None if class_weight is None else yaml.safe_load(class_weight),
        time_limit=time_limit, seed=seed,
    )  # fmt: skip
    echo(str(verdict))
    for path in verdict.save(save) if save is not None else ():
        echo(f"wrote {path}")


def print_gamma_max(
    data: Annotated[Path, typer.Argument(help="Data to train on: .csv, .parquet or .npz.")],
    target: Annotated[
        list[str] | None, typer.Option(help="Target column of a table; several for several outputs. Default: the last.")
    ] = None,
    loss: Annotated[str, typer.Option(help="Loss, e.g. cross_entropy or '{huber: {delta: 0.5}}'.")] = "squared",
    activation: Annotated[str, typer.Option(help="Activation, e.g. '{leaky: {slope: 0.1}}'.")] = "relu",
    offset: Annotated[str, typer.Option(help="false, true (free), penalised, or a number: what it costs.")] = "false",
    bias: Annotated[bool, typer.Option("--bias", help="Whether the hidden layer has a bias.")] = False,
    free_biases: Annotated[bool, typer.Option("--free-biases", help="Whether that bias costs nothing.")] = False,
    class_weight: Annotated[str | None, typer.Option(help="'balanced', or one number per class: '[1, 5]'.")] = None,
    scaling: Annotated[str, typer.Option(help="none, standard or minmax, of the inputs.")] = "none",
    task: Annotated[
        str | None, typer.Option(help="classification or regression; by default as the target has it.")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Relative width of the interval at which proofs end.")] = 1e-3,
    time_limit: Annotated[float, typer.Option(help="Seconds that proofs may take.")] = 10.0,
) -> None:
    """Print the weight decay at and above which no neuron pays, with its proved interval."""
    import yaml

    import sdprelax
    from sdprelax.base import InputError
    from sdprelax.problem import losses, targets_for

    if free_biases and not bias:
        raise InputError("--free-biases is of a hidden bias, and there is none; write --bias beside it.")
    chosen = losses.given(yaml.safe_load(loss))
    read = _read(data, target, task, scaling)
    problem = sdprelax.Problem(
        read.X, targets_for(chosen, read.Y), 1.0, bias, loss=chosen,
        activation=yaml.safe_load(activation), offset=yaml.safe_load(offset), penalise_bias=not free_biases,
        class_weight=None if class_weight is None else yaml.safe_load(class_weight),
    )  # fmt: skip
    echo(str(sdprelax.gamma_max(problem, tolerance=tolerance, time_limit=time_limit)))


def _read(data: Path, target: list[str] | None, task: str | None, scaling: str = "none") -> Any:
    """Return the data set in a file, all of it to train on where the file does not say otherwise."""
    from sdprelax.datasets import datasets

    options: dict[str, Any] = {"path": str(data)}
    if target:
        options["target"] = target[0] if len(target) == 1 else target
    if task is not None:
        options["task"] = task
    if scaling != "none":
        options["scaling"] = scaling
    return datasets.create("file", options).load()
