"""Sweeps as their users write them, validated before anything runs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdprelax.base import InputError
from sdprelax.laboratory._document import Document, read_document
from sdprelax.laboratory._kinds import Sweep, kind_of

__all__ = ["load_sweep", "load_sweeps", "sweep_of"]


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """Read and validate a sweep: :func:`load_sweeps` of one file."""
    return load_sweeps([path], overrides)[0]


def load_sweeps(paths: Sequence[Path], overrides: Sequence[str] = ()) -> list[Sweep]:
    """Read and validate several sweeps, each of the kind that its keys say.

    Parameters
    ----------
    paths: the YAML files.
    overrides: settings such as ``methods.sdp.solver=scs`` or ``gamma=[0.1, 1]`` that replace the files'. Of several
        files each takes those that fit it, and one that fits none is wrong.

    Raises
    ------
    InputError: anything wrong, in one sentence with file and line; or two sweeps of one name.
    """
    return _checked(paths, [read_document(path) for path in paths], overrides)


def sweep_of(content: Mapping[str, Any], overrides: Sequence[str] = ()) -> Sweep:
    """Validate a sweep that is written as a mapping, with the keys of the YAML files.

    Raises
    ------
    InputError: see :func:`load_sweeps`; or it has the key ``include``, which files alone have.
    """
    if "include" in content:
        raise InputError("the sweep has the key 'include', which YAML files alone have; write its keys out.")
    source = "the sweep"
    return _checked([Path(source)], [Document(source, copy.deepcopy(dict(content)), {})], overrides)[0]


def _checked(paths: Sequence[Path], documents: Sequence[Document], overrides: Sequence[str]) -> list[Sweep]:
    found = [kind_of(document) for document in documents]
    for path, document, kind in zip(paths, documents, found, strict=True):
        if not isinstance(document.content, dict):
            keys = ", ".join(kind.settings.model.model_fields)
            raise InputError(f"{path}: {kind.settings.kind} is a mapping with the keys {keys}, include.")
    for override in overrides:
        refused = []
        for document, kind in zip(documents, found, strict=True):
            try:
                kind.settings.override(document, override)
            except InputError as error:
                refused.append(error)
        if len(refused) == len(documents):
            raise refused[0]
    sweeps = [kind.read(path, document) for path, document, kind in zip(paths, documents, found, strict=True)]
    for k, sweep in enumerate(sweeps):
        for path, other in zip(paths, sweeps[:k], strict=False):
            if sweep.name == other.name:
                raise InputError(f"{path} and {paths[k]} are both named '{sweep.name}': each needs its own folder.")
    return sweeps
