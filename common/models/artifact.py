"""The artifact: a trained model as named arrays and JSON, without pickle.

On disk an artifact is a directory: `artifact.json`, `item_ids.json`, and one `.npy` file an array.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.errors import CorruptError
from common.schemas.data import F32, U64
from common.schemas.links import LINKS, ItemLinks
from common.schemas.npy import read_npy

FORMAT_VERSION = 1
DESCRIPTION: Final = "artifact.json"
ITEM_IDS: Final = "item_ids.json"
_COLUMNS: Final = ("item_vectors", "user_keys", "user_vectors")
_ENCODER_PREFIX: Final = "encoder_"

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Artifact:
    """A trained model, of one of two shapes.

    Vectors: an item's score is the inner product of its row of `item_vectors` with a query vector. Links: the item
    vectors are 0 wide, `encoder` is `LINKS`, and the score comes from the rows of `links`.

    item_ids: n_items strings
    item_vectors: (n_items, dim) float32; the last column is a bias in families that have one
    user_keys: (n_users, 2) uint64, sorted
    user_vectors: (n_users, dim) float32, 1 in the bias column; or (0, dim) where the encoder makes the vector from the
    history
    encoder: name of the function in `serving.encoders` that makes a query vector from items
    encoder_params, encoder_arrays: what the encoder needs
    params: the family's config, its weighting included

    All arrays are C-order and read-only, and every float is finite; anything else raises `CorruptError`.
    """

    family: str
    params: dict[str, Any]
    item_ids: tuple[str, ...]
    item_vectors: F32
    user_keys: U64
    user_vectors: F32
    encoder: str
    encoder_params: dict[str, float] = field(default_factory=dict)
    encoder_arrays: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            object.__setattr__(self, name, _frozen(name, getattr(self, name)))
        arrays = {name: _frozen(name, array) for name, array in self.encoder_arrays.items()}
        object.__setattr__(self, "encoder_arrays", arrays)
        _check_shapes(self)

    @property
    def dim(self) -> int:
        """Width of the vectors, a bias column included."""
        return int(self.item_vectors.shape[1])

    @property
    def links(self) -> ItemLinks | None:
        """The rows of links, by row of `item_ids`; None for a model of vectors."""
        if self.encoder != LINKS:
            return None
        names = ("nos", "offsets", "items", "weights")
        return ItemLinks(*(self.encoder_arrays[f"link_{name}"] for name in names))  # type: ignore[arg-type]

    def without_people(self) -> Artifact:
        """The same artifact with no user rows."""
        return replace(self, user_keys=self.user_keys[:0], user_vectors=self.user_vectors[:0])

    def save(self, directory: Path) -> None:
        """Writes the files into `directory`, which is made if it does not exist."""
        directory.mkdir(parents=True, exist_ok=True)
        description = _Description(
            family=self.family,
            params=self.params,
            encoder=self.encoder,
            encoder_params=self.encoder_params,
            encoder_arrays=tuple(sorted(self.encoder_arrays)),
        )
        for name in _COLUMNS:
            np.save(directory / f"{name}.npy", getattr(self, name), allow_pickle=False)
        for name, array in self.encoder_arrays.items():
            np.save(directory / f"{_ENCODER_PREFIX}{name}.npy", array, allow_pickle=False)
        (directory / ITEM_IDS).write_text(json.dumps(self.item_ids, ensure_ascii=False), encoding="utf-8")
        (directory / DESCRIPTION).write_text(description.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Artifact:
        """The artifact in `directory`.

        Raises `CorruptError`, with the file's name, where a file is missing, damaged or of another format version.
        """
        description = _read_description(directory / DESCRIPTION)
        encoder_files = {name: directory / f"{_ENCODER_PREFIX}{name}.npy" for name in description.encoder_arrays}
        return cls(
            family=description.family,
            params=description.params,
            item_ids=_read_item_ids(directory / ITEM_IDS),
            encoder=description.encoder,
            encoder_params=description.encoder_params,
            encoder_arrays={name: _read_array(path) for name, path in encoder_files.items()},
            **{name: _read_array(directory / f"{name}.npy") for name in _COLUMNS},
        )


class _Description(BaseModel):
    """The content of `artifact.json`."""

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    family: str
    params: dict[str, Any]
    encoder: str
    encoder_params: dict[str, float]
    encoder_arrays: tuple[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], ...]


def _read_description(path: Path) -> _Description:
    content = _read_json(path)
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise CorruptError(f"{path}: format_version is {version}; this release reads {FORMAT_VERSION}")
    try:
        return _Description.model_validate(content)
    except ValidationError as error:
        raise CorruptError(f"{path}: {error}") from error


def _frozen(name: str, array: Array) -> Array:
    frozen = np.ascontiguousarray(array).view()
    if np.issubdtype(frozen.dtype, np.floating) and not np.isfinite(frozen).all():
        raise CorruptError(f"artifact: {name} holds NaN or infinity")
    frozen.setflags(write=False)
    return frozen


def _check_shapes(artifact: Artifact) -> None:
    vectors, keys, people = artifact.item_vectors, artifact.user_keys, artifact.user_vectors
    if 0 in (vectors.ndim, keys.ndim, people.ndim):
        raise CorruptError(f"artifact of {artifact.family}: a single number stands in place of an array")
    problems = {
        "item_vectors must be (n_items, dim) float32": vectors.dtype != np.float32 or vectors.ndim != 2,
        "item_vectors must have one row for each of item_ids": len(vectors) != len(artifact.item_ids),
        "user_keys must be (n_users, 2) uint64": keys.dtype != np.uint64 or keys.shape != (len(keys), 2),
        "user_vectors must be as wide as item_vectors, float32": people.dtype != np.float32
        or people.ndim != 2
        or people.shape[1:] != vectors.shape[1:],
        "user_vectors must have a row for each of user_keys, or none": len(people) not in (0, len(keys)),
    }
    for problem, is_so in problems.items():
        if is_so:
            raise CorruptError(f"artifact of {artifact.family}: {problem}")
    _check_links(artifact)


_LINK_TYPES: Final = {
    "link_nos": np.int32,
    "link_offsets": np.int64,
    "link_items": np.int32,
    "link_weights": np.float32,
}


def _check_links(artifact: Artifact) -> None:
    if artifact.encoder != LINKS:
        return
    for name, dtype in _LINK_TYPES.items():
        array = artifact.encoder_arrays.get(name)
        if array is None or array.dtype != dtype or array.ndim != 1:
            raise CorruptError(f"artifact of {artifact.family}: {name} must be (n,) {np.dtype(dtype)}")
    problem = artifact.links.problem(len(artifact.item_ids)) if artifact.links else None
    if problem:
        raise CorruptError(f"artifact of {artifact.family}: {problem}")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptError(f"{path}: {error}") from error


def _read_item_ids(path: Path) -> tuple[str, ...]:
    ids = _read_json(path)
    if not isinstance(ids, list) or not all(isinstance(item_id, str) for item_id in ids):
        raise CorruptError(f"{path}: is no list of texts")
    return tuple(ids)


def _read_array(path: Path) -> Any:
    return read_npy(path, str(path))
