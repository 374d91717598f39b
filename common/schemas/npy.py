"""The reading of `.npy` files, whatever is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import CorruptError


def map_npy(path: Path, name: str) -> npt.NDArray[Any]:
    """The array in the file, memory-mapped and read-only. `name` is what an error calls the file.

    A header that promises more than the file holds costs no memory. Raises `CorruptError` for a file that is missing or
    is no `.npy` file.
    """
    try:
        # The view drops the memmap subclass, whose indexing costs several times that of a plain array.
        mapped: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r").view(np.ndarray)
    except Exception as error:  # numpy evaluates the header as Python's text, and documents none of what that may raise
        raise CorruptError(f"{name} is not a readable .npy file: {error}") from None
    return mapped


def read_npy(path: Path, name: str) -> npt.NDArray[Any]:
    """As `map_npy`, with the array in memory, so that the file may go."""
    return np.array(map_npy(path, name))
