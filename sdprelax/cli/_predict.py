"""``predict``: what a finished trial's network says of new rows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdprelax.cli._terminal import echo

if TYPE_CHECKING:
    import pandas as pd

    from sdprelax.networks import Pipeline

__all__ = ["export_network", "predict_rows"]

# How the file that was trained on is read, and so the new one, as far as it is of the same kind.
READING = ("separator", "decimal", "encoding", "header", "index", "na_values")

# Trials that are listed where one of them has to be named.
MOST_LISTED = 20
TrialArgument = Annotated[
    str, typer.Argument(help="A trial's folder or hash, the folder of a sweep with one trial, or a predictor's .npz.")
]
PredictorOption = Annotated[
    str | None, typer.Option(help="Which of the trial's predictors; by default the one that its row speaks of.")
]
ResultsOption = Annotated[Path, typer.Option(help="Where to look for a hash.")]


def predict_rows(
    trial: TrialArgument,
    data: Annotated[
        Path, typer.Argument(help="New rows: .csv, .csv.gz, .parquet with the columns of training, or .npz with X.")
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file to write, by default what is printed.")] = None,
    predictor: PredictorOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Predict for new rows: names of classes, or numbers; of cross-entropy and logistic losses probabilities too."""
    from sdprelax.base import storing, write_whole

    model, record = _model(trial, predictor, results)
    options = record.get("trial", {}).get("dataset_options", {})
    rows, names = _rows(data, {key: options[key] for key in READING if options.get(key) is not None})
    text = _predicted(model, rows, names, record.get("trial", {})).to_csv(index=False)
    if out is None:
        echo(text, nl=False)
    else:
        with storing(out) as target:
            write_whole(target, text.encode())
        echo(f"wrote {out}")


def export_network(
    trial: TrialArgument,
    out: Annotated[Path, typer.Argument(help="File to write: .onnx, or .pt for the state_dict of two linear layers.")],
    single: Annotated[bool, typer.Option("--single", help="Write single precision.")] = False,
    predictor: PredictorOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Write a trained network, preprocessing included, as ONNX or for PyTorch."""
    from sdprelax.base import InputError, optional, storing, write_whole
    from sdprelax.networks import Precision, to_torch, write_onnx

    if out.suffix not in (".onnx", ".pt"):
        raise InputError(f"{out}: what is written ends in .onnx or .pt.")
    model, _ = _model(trial, predictor, results)
    precision: Precision = "float32" if single else "float64"
    if out.suffix == ".onnx":
        write_onnx(model, out, precision)
    else:
        content = io.BytesIO()
        optional("torch").save(to_torch(model, precision).state_dict(), content)
        with storing(out) as target:
            write_whole(target, content.getvalue())
    echo(f"wrote {out}")


def _model(trial: str, predictor: str | None, results: Path) -> tuple[Pipeline, dict[str, Any]]:
    """Return a trial's model with its record, or that of a file, which has none.

    Raises
    ------
    InputError: there is none.
    """
    from sdprelax.networks import load_pipeline

    if Path(trial).is_file():
        return load_pipeline(trial), {}
    folder, record = _record(trial, results)
    return load_pipeline(folder / _file(record, predictor)), record


def _record(trial: str, results: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a finished training trial and its record.

    Raises
    ------
    InputError: there is none, or it predicts with nothing.
    """
    from sdprelax.base import InputError
    from sdprelax.laboratory import Store
    from sdprelax.laboratory.results import find_trial

    trials = Path(trial) / "trials"
    finished = {path.name[:16] for path in trials.iterdir()} if trials.is_dir() else set()
    if len(finished) > 1:
        raise InputError(f"{trial} holds {len(finished)} trials; name one of them:\n{_listed(Path(trial))}")
    folder = find_trial(str(trials / min(finished)) if finished else trial, results).resolve()
    record = Store(folder.parent.parent).record(folder.name)
    if record is None:
        raise InputError(f"{folder / 'record.json'} is damaged; sdprelax run writes it anew.")
    if not record.get("predictors"):
        raise InputError(f"trial {folder.name} ended as '{record['status']}' and predicts with nothing.")
    return folder, record


def _listed(folder: Path) -> str:
    """Return the first trials of a sweep that predict, a line each: its hash, what it is, its accuracy or error."""
    from sdprelax.laboratory import Store, kind_of_store, naming

    store = Store(folder)
    kind, plan = kind_of_store(store), store.plan()
    named, lines = naming(kind, plan), []
    for trial in plan["trials"]:
        record = store.record(trial["hash"])
        if record is not None and record.get("predictors"):
            row = named(record)
            problem, what = kind.words(row)
            measured = next((f", {key.replace('_', ' ')} {row[key]:.4g}" for key in ("test_accuracy", "test_rmse")
                             if isinstance(row.get(key), float)), "")  # fmt: skip
            lines.append(f"  {trial['hash'][:8]}  {problem}, {what}{measured}")
    more = [f"  and {len(lines) - MOST_LISTED} more"] if len(lines) > MOST_LISTED else []
    return "\n".join([*lines[:MOST_LISTED], *more])


def _file(record: dict[str, Any], predictor: str | None) -> str:
    """Return the file of a trial's predictor.

    Raises
    ------
    InputError: it has none of that name.
    """
    from sdprelax.base import InputError, nearest

    files = {str(one["name"]): str(one["file"]) for one in record["predictors"]}
    if predictor is None:
        return next(iter(files.values()))
    if predictor not in files:
        raise InputError(f"the trial has no predictor '{predictor}': {nearest(predictor, files)}.")
    return files[predictor]


def _rows(data: Path, reading: dict[str, Any]) -> tuple[Any, pd.Series]:
    """Return new rows, and what they are called: by the column that names them, or by their number from 1.

    Raises
    ------
    InputError: the file cannot be read, or holds no rows.
    """
    import pandas as pd

    from sdprelax.base import InputError
    from sdprelax.datasets import datasets, file_arrays

    rows: Any
    if data.suffix == ".npz":
        arrays = file_arrays(data)
        if "X" not in arrays:
            raise InputError(f"{data} has no array 'X', and new rows are that.")
        rows = arrays["X"]
    else:
        csv = data.name.endswith((".csv", ".csv.gz"))
        options = {key: value for key, value in reading.items() if csv or key == "index"}
        source: Any = datasets.create("file", {"path": str(data), **options})
        rows = source.table()
    if len(rows) == 0:
        raise InputError(f"{data} has no rows.")
    index = reading.get("index")
    if data.suffix != ".npz" and index is not None:
        name = rows.columns[0] if index == 0 else str(index)
        if name in rows.columns:
            return rows, rows[name].rename("row" if name == "" or str(name).startswith("Unnamed: ") else name)
    return rows, pd.Series(range(1, len(rows) + 1), name="row")


def _predicted(model: Pipeline, rows: Any, names: pd.Series, trial: dict[str, Any]) -> pd.DataFrame:
    """Return a table of names and predictions.

    Raises
    ------
    InputError: rows that do not have the columns of training, or hold what is no number or known word.
    """
    import pandas as pd

    from sdprelax.problem import losses

    table = pd.DataFrame({str(names.name): names.to_numpy()})
    outputs = model.predict(rows)
    if model.classes is None:
        targets = trial.get("dataset_options", {}).get("target")
        called = targets if isinstance(targets, list) else ["prediction" if targets is None else targets]
        if len(called) != outputs.shape[1]:
            called = [f"prediction {k + 1}" for k in range(outputs.shape[1])]
        return pd.concat([table, pd.DataFrame(outputs, columns=pd.Index([str(name) for name in called]))], axis=1)
    table["prediction"] = model.labels(outputs)
    if trial:
        loss = losses.create(trial.get("loss", "squared"), trial.get("loss_options", {}))
        shares = loss.probabilities(outputs)
        if shares is not None:
            for k, name in enumerate(model.classes):
                table[f"probability of {name}"] = shares[:, k]
    return table
