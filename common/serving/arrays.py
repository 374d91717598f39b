"""The files of a layer: plain `.npy` arrays, and strings of different lengths with an array of offsets.

All files are memory-mapped and read-only, so a process needs memory only for the pages it reads, and shares them with
other processes.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.errors import CorruptError
from common.schemas.data import I64
from common.schemas.npy import map_npy

INFO_FILE: Final = "layer.json"
OFFSETS: Final = "_offsets"


def save_array(directory: Path, name: str, array: npt.NDArray[Any]) -> dict[str, Path]:
    """Writes `name`.npy in C order; returns its file name and path."""
    path = directory / f"{name}.npy"
    np.save(path, np.ascontiguousarray(array), allow_pickle=False)
    return {path.name: path}


def map_array(path: Path, name: str) -> npt.NDArray[Any]:
    """The array in the file, memory-mapped.

    Raises `CorruptError` for a file that is not in `.npy` format.
    """
    return map_npy(path, f"{name} of a served layer")


def load_array(path: Path, name: str, dtype: npt.DTypeLike, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    """The array in the file, memory-mapped, with its type and shape checked.

    `shape` may contain None for any length. Raises `CorruptError` where `dtype` or `shape` differ.
    """
    array = map_array(path, name)
    fits = len(array.shape) == len(shape) and all(
        want in (None, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.dtype(dtype) or not fits:
        raise CorruptError(
            f"{name} of a served layer is {array.dtype} {array.shape} instead of {np.dtype(dtype)} {shape}"
        )
    return array


def save_strings(directory: Path, name: str, strings: Iterable[bytes]) -> dict[str, Path]:
    """Writes the strings one after the other to `name`.bin, and their beginnings to `name`_offsets.npy."""
    strings = list(strings)
    path = directory / f"{name}.bin"
    path.write_bytes(b"".join(strings))
    offsets = np.fromiter(accumulate(map(len, strings), initial=0), np.int64, len(strings) + 1)
    return {path.name: path, **save_array(directory, name + OFFSETS, offsets)}


class Strings:
    """Byte strings by row, read from a memory-mapped file."""

    def __init__(self, blob: mmap.mmap | bytes, offsets: I64) -> None:
        self._blob = blob
        self._offsets = offsets.data  # indexing a memoryview makes an int directly, without a numpy scalar

    @classmethod
    def load(cls, path: Path, offsets_path: Path, name: str, n: int) -> Strings:
        """The `n` strings of a file. Raises `CorruptError` where its size does not fit the offsets."""
        offsets = load_array(offsets_path, name + OFFSETS, np.int64, (n + 1,))
        size = path.stat().st_size
        if offsets[0] != 0 or offsets[-1] != size:
            raise CorruptError(f"{name} of a served layer has {size} bytes, its offsets end at {offsets[-1]}")
        if size == 0:
            return cls(b"", offsets)
        with path.open("rb") as file:
            return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), offsets)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> bytes:
        return self._blob[self._offsets[row] : self._offsets[row + 1]]
