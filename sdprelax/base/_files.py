"""Writing files so that readers see them whole, and reading NPZ archives that may be damaged or hostile."""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base._errors import InputError, StorageError

__all__ = ["LARGEST_FILE", "read_arrays", "storing", "whole_file", "write_arrays", "write_whole"]

# Bytes that the arrays of one file may take in memory; enough for the multipliers of 8,000 generator rows.
LARGEST_FILE = 2 * 1024**3
# Bytes unpacked at once.
CHUNK = 1 << 20


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Return a file to write to that takes the place of ``path`` at the end, and leaves no trace after an error."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or all of the new."""
    with whole_file(path) as file:
        file.write(content)


@contextlib.contextmanager
def storing(path: object) -> Iterator[Path]:
    """Give a path that a user named to write to, and say in one sentence what is wrong with it.

    Raises
    ------
    InputError: it is no path.
    StorageError: what is done within cannot be written there.
    """
    if not isinstance(path, str | os.PathLike) or not Path(path).name:
        raise InputError(f"the path of a file to write is {path!r}; it must be a string or a pathlib.Path.")
    target = Path(path)
    try:
        yield target
    except OSError as error:
        reason = error.strerror or error if target.parent.is_dir() else f"there is no folder {target.parent}"
        raise StorageError(f"{target} cannot be written: {reason}.") from error


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name as an ``.npz`` file, whole or not at all; ``path`` gets that suffix if it has none.

    Raises
    ------
    InputError: the path is none.
    StorageError: the file cannot be written.
    """
    with storing(path) as named, whole_file(_with_suffix(named, ".npz")) as file:
        np.savez(file, allow_pickle=False, **arrays)


def _with_suffix(path: Path, suffix: str) -> Path:
    return path if path.name.endswith(suffix) else path.with_name(path.name + suffix)


def read_arrays(path: str | Path, largest: int = LARGEST_FILE) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` file by name; nothing that the file says of itself is trusted.

    What it unpacks to is limited before anything is unpacked, a name may occur once, no member may be of another size
    than it says, and nothing is unpickled.

    Parameters
    ----------
    largest: bytes that all arrays together may take.

    Raises
    ------
    ValueError: the file is larger, or damaged, or no such archive. OSError, zipfile.BadZipFile, zlib.error and others
        that reading a damaged archive raises pass as they are.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = [member.filename.removesuffix(".npy") for member in members]
        if len(set(names)) < len(names):
            raise ValueError("it holds an array twice")
        size = sum(member.file_size for member in members)
        if size > largest:
            raise ValueError(f"it unpacks to {size:,} bytes, and at most {largest:,} are read")
        return {name: _array(_content(archive, member), name) for name, member in zip(names, members, strict=True)}


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("it is compressed by another method than deflation")
    with archive.open(member) as file:
        content = b"".join(iter(lambda: file.read(CHUNK), b""))
    if len(content) != member.file_size:
        raise ValueError(f"{member.filename} is shorter than it says")
    return content


def _array(content: bytes, name: str) -> NDArray[Any]:
    """Return the array of a file in NumPy's format, with a shape that its content has room for."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name} is of version {version} of NumPy's format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read(file)
    start, count = file.tell(), math.prod(shape)
    if dtype.kind not in "biufcSU" or dtype.itemsize == 0:
        raise ValueError(f"{name} holds values of type {dtype}")
    if count * dtype.itemsize != len(content) - start:
        raise ValueError(f"{name} has shape {shape} and {len(content) - start} bytes")
    flat = np.frombuffer(content, dtype, count, start)
    return flat.reshape(shape, order="F" if columns_first else "C").copy()
