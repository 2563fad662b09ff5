"""``certify``: how far a network in a file is from the global optimum of its training problem."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["certify_network"]


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

    from sdprelax.datasets import datasets
    from sdprelax.problem import losses
    from sdprelax.verdict import certify, read_trained, saving_folder

    if save is not None:
        saving_folder(save)
    chosen = None if loss is None else yaml.safe_load(loss)
    options: dict[str, Any] = {"path": str(data)}
    if target:
        options["target"] = target[0] if len(target) == 1 else target
    trained = read_trained(network, yaml.safe_load(activation))
    wanted = trained.loss if chosen is None else chosen
    numbers = wanted is not None and losses.given(wanted).targets in ("numbers", "counts")
    if task is not None or (numbers and trained.network.output.shape[1] == 1):
        # A column of a few integers would be taken for classes.
        options["task"] = task or "regression"
    read = datasets.create("file", options).load()
    verdict = certify(
        (read.X, read.Y), trained, loss=chosen, gamma=gamma,
        weight_decay=weight_decay, reduction=reduction, free_biases=free_biases,  # type: ignore[arg-type]
        class_weight=None if class_weight is None else yaml.safe_load(class_weight),
        time_limit=time_limit, seed=seed,
    )  # fmt: skip
    typer.echo(str(verdict))
    for path in verdict.save(save) if save is not None else ():
        typer.echo(f"wrote {path}")
