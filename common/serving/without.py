"""A layer without some of its people: new files where theirs are, the same for all else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.schemas.data import I64, U64, Bools
from common.schemas.documents import FileRef, LayerRef
from common.serving.arrays import save_array
from common.serving.layer import INFO_FILE, LayerFiles

PathOf = Callable[[FileRef], Path]

_BEGINNINGS: Final = ("user_", "history_")
_KEYS: Final = "user_keys"
_OFFSETS: Final = "history_offsets"
_ARRAY: Final = ".npy"

KEYS_FILE: Final = _KEYS + _ARRAY


def is_of_people(name: str) -> bool:
    """Whether a file of a layer, by its name within it, has rows of people."""
    return name.startswith(_BEGINNINGS)


def keys_of(ref: LayerRef, path_of: PathOf) -> U64:
    """(n, 2) uint64: the keys of the layer's people."""
    keys: U64 = LayerFiles(ref, path_of).array(_KEYS, np.uint64, 2, None).T
    return keys


def keys_in(path: Path) -> U64:
    """(n, 2) uint64: the keys in a `KEYS_FILE`."""
    keys: U64 = np.load(path, allow_pickle=False).T
    return keys


@dataclass(frozen=True)
class Without:
    """`files` by their names within the layer stand in place of those of the same names."""

    n_users: int
    files: dict[str, Path]


def without_people(ref: LayerRef, path_of: PathOf, gone: Bools, directory: Path) -> Without:
    """Writes into `directory` what differs in the layer without the people `gone` (n_users,).

    Raises `CorruptError` where a file of the layer is missing or damaged.
    """
    files, rows = LayerFiles(ref, path_of), _Rows.of(LayerFiles(ref, path_of), ~gone)
    written: dict[str, Path] = {}
    for name in filter(is_of_people, ref.files):
        array = files.any_array(name.removesuffix(_ARRAY))
        written |= save_array(directory, name.removesuffix(_ARRAY), rows.kept(name, array))
    info = files.info()
    n_users = int(rows.people.sum())
    changed = info.model_copy(update={"n_users": n_users, "n_user_vectors": n_users if info.n_user_vectors else 0})
    path = directory / INFO_FILE
    path.write_text(changed.model_dump_json())
    return Without(n_users, {**written, path.name: path})


@dataclass(frozen=True)
class _Rows:
    """people (n_users,) bool and entries (h,) bool of their histories are kept; offsets (n kept + 1,) are the new."""

    people: Bools
    entries: Bools
    offsets: I64

    @classmethod
    def of(cls, files: LayerFiles, people: Bools) -> _Rows:
        lengths = np.diff(files.array(_OFFSETS, np.int64, len(people) + 1))
        offsets = np.concatenate([[0], np.cumsum(lengths[people])]).astype(np.int64)
        return cls(people, np.repeat(people, lengths), offsets)

    def kept(self, name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if name == _OFFSETS + _ARRAY:
            return self.offsets
        if name == KEYS_FILE:
            return array[:, self.people]
        if name.startswith("history_"):
            return array[self.entries]
        # A layer whose encoder makes the vectors has none of people.
        return array[self.people] if len(array) else array
