"""Rewriting of a layer without some of its people: new files for rows of people, the same files for all else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.errors import CorruptError
from common.schemas.data import I64, U64, Bools
from common.schemas.documents import FileRef, LayerRef
from common.schemas.npy import read_npy
from common.serving.arrays import INFO_FILE, map_array, save_array

PathOf = Callable[[FileRef], Path]

_BEGINNINGS: Final = ("user_", "history_")
_ARRAY: Final = ".npy"
_OFFSETS_FILE: Final = "history_offsets.npy"

KEYS_FILE: Final = "user_keys.npy"


def is_of_people(name: str) -> bool:
    """Whether a file of a layer has rows of people, by its name within the layer."""
    return name.startswith(_BEGINNINGS)


def keys_of(ref: LayerRef, path_of: PathOf) -> U64:
    """(n, 2) uint64: the keys of the layer's people. Raises `CorruptError` where their file is missing or damaged."""
    keys: U64 = _array(ref, path_of, KEYS_FILE).T
    return keys


def keys_in(path: Path) -> U64:
    """(n, 2) uint64: the keys in a `KEYS_FILE`. Raises `CorruptError` where it is damaged."""
    keys: U64 = read_npy(path, f"{KEYS_FILE} of a layer").T
    return keys


@dataclass(frozen=True)
class RewrittenLayer:
    """The result of rewriting: `n_users`, and the new files by their names within the layer, which replace those of the
    same names."""

    n_users: int
    files: dict[str, Path]


def rewrite_without_people(ref: LayerRef, path_of: PathOf, gone: Bools, directory: Path) -> RewrittenLayer:
    """Writes the files that differ in the layer without the people `gone` (n_users,) bool into `directory`.

    Raises `CorruptError` where a file of the layer is missing or damaged.
    """
    rows = _Rows.of(_array(ref, path_of, _OFFSETS_FILE), ~gone)
    written: dict[str, Path] = {}
    for name in filter(is_of_people, ref.files):
        kept = rows.kept(name, _array(ref, path_of, name))
        written |= save_array(directory, name.removesuffix(_ARRAY), kept)
    n_users = int(rows.people.sum())
    path = directory / INFO_FILE
    path.write_text(json.dumps(_described(_path(ref, path_of, INFO_FILE), n_users)))
    return RewrittenLayer(n_users, {**written, path.name: path})


def _described(path: Path, n_users: int) -> dict[str, Any]:
    """The content of `layer.json` with the new number of people. The rest is not parsed, so this module does not need
    the index."""
    info: dict[str, Any] = json.loads(path.read_text())
    return {**info, "n_users": n_users, "n_user_vectors": n_users if info["n_user_vectors"] else 0}


def _array(ref: LayerRef, path_of: PathOf, name: str) -> npt.NDArray[Any]:
    return map_array(_path(ref, path_of, name), name)


def _path(ref: LayerRef, path_of: PathOf, name: str) -> Path:
    file = ref.files.get(name)
    if file is None:
        raise CorruptError(f"layer {ref.layer_id} has no file {name}")
    return path_of(file)


@dataclass(frozen=True)
class _Rows:
    """The rows to keep: people (n_users,) bool, entries (h,) bool of their histories, and the new offsets (n kept + 1,)
    int64."""

    people: Bools
    entries: Bools
    offsets: I64

    @classmethod
    def of(cls, old_offsets: I64, people: Bools) -> _Rows:
        lengths = np.diff(old_offsets)
        offsets = np.concatenate([[0], np.cumsum(lengths[people])]).astype(np.int64)
        return cls(people, np.repeat(people, lengths), offsets)

    def kept(self, name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if name == _OFFSETS_FILE:
            return self.offsets
        if name == KEYS_FILE:
            return array[:, self.people]
        if name.startswith("history_"):
            return array[self.entries]
        # A layer whose encoder makes the query vectors has no vectors of people.
        return array[self.people] if len(array) else array
