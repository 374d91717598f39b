"""One layer of a bundle, memory-mapped: its items, its people and its lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from common.errors import CorruptError
from common.schemas.data import F32, I32, I64, Bools, DueColumns, ItemLists
from common.schemas.documents import FORMAT_VERSION, FileRef, LayerRef
from common.schemas.links import ItemLinks, Place
from common.serving.arrays import INFO_FILE, OFFSETS, Strings, load_array, map_array
from common.serving.filters import FILE as CATALOGUE_FILE
from common.serving.filters import CatalogueFile
from common.serving.index import IndexInfo, VectorIndex
from common.serving.lookup import ItemLookup
from common.serving.people import PRECOMPUTED_PREFIX, People, Precomputed

INDEX_FILE: Final = "items.faiss"
ENCODER_PREFIX: Final = "encoder_"
TOGETHER_PREFIX: Final = "bought_together_"
LINKS_PREFIX: Final = "links_"

RANKINGS: Final = ("popular", "newest", "on_sale", "few_know")
"""The names of the lists of a layer that rank items for everybody."""


class LayerInfo(BaseModel):
    """The content of `layer.json`: the lengths that the other files are checked against, and how the index is
    searched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT_VERSION
    kind: Literal["base", "delta"]
    n_items: int
    n_users: int
    n_user_vectors: int
    dim: int
    similar_k: int
    index: IndexInfo
    categories: tuple[str, ...]
    popular_categories: tuple[str, ...] | None
    encoder_arrays: tuple[str, ...]


class LayerFiles:
    """Finds and checks a layer's files by their names within the layer."""

    def __init__(self, ref: LayerRef, path_of: Callable[[FileRef], Path]) -> None:
        self._ref = ref
        self._path_of = path_of

    def path(self, name: str) -> Path:
        """The local path of a file. Raises `CorruptError` where the layer has no such file or its length is wrong."""
        file = self._ref.files.get(name)
        if file is None:
            raise CorruptError(f"layer {self._ref.layer_id} has no file {name}")
        path = self._path_of(file)
        if path.stat().st_size != file.bytes:
            raise CorruptError(f"{name} of layer {self._ref.layer_id} is not {file.bytes} bytes long")
        return path

    def info(self) -> LayerInfo:
        """The content of `layer.json`. Raises `CorruptError` where it is not of this format."""
        try:
            return LayerInfo.model_validate_json(self.path(INFO_FILE).read_bytes())
        except ValidationError as error:
            raise CorruptError(f"{INFO_FILE} of layer {self._ref.layer_id} is not of this format: {error}") from None

    def array(self, name: str, dtype: npt.DTypeLike, *shape: int | None) -> npt.NDArray[Any]:
        """The array, memory-mapped and checked. Raises `CorruptError`."""
        return load_array(self.path(f"{name}.npy"), name, dtype, shape)

    def has(self, name: str) -> bool:
        """Whether the layer has the array."""
        return f"{name}.npy" in self._ref.files

    def optional(self, name: str) -> I32 | None:
        """The int32 array, or None if the layer does not have it."""
        return self.array(name, np.int32, None) if self.has(name) else None

    def first(self, *names: str) -> str:
        """The first of the names that the layer has an array of; the last name if it has none."""
        return next(filter(self.has, names), names[-1])

    def strings(self, name: str, n: int) -> Strings:
        """The `n` strings, memory-mapped and checked. Raises `CorruptError`."""
        return Strings.load(self.path(f"{name}.bin"), self.path(f"{name}{OFFSETS}.npy"), name, n)


@dataclass(frozen=True, eq=False)
class Layer:
    """The opened form of `LayerContent`. `category_codes` (n,) int32 are positions in `info.categories`."""

    info: LayerInfo
    index: VectorIndex
    item_nos: I32
    item_vectors: F32
    encoded_ids: Strings
    lookup: ItemLookup
    cards: Strings
    mentions: Strings
    available: Bools
    born_at: I64
    category_codes: I32
    similar: I32
    catalogue: CatalogueFile
    people: People
    popular: I32 | None
    newest: I32 | None
    on_sale: I32 | None
    few_know: I32 | None
    popular_by_category: dict[str, I32] | None
    bought_together: ItemLists | None
    links: dict[Place, ItemLinks]
    encoder: dict[str, npt.NDArray[Any]]


def open_layer(ref: LayerRef, path_of: Callable[[FileRef], Path]) -> Layer:
    """The layer with its files memory-mapped.

    Raises `CorruptError`, with the file's name, for files that are missing, damaged or do not fit together.
    """
    files = LayerFiles(ref, path_of)
    info = files.info()
    n, dim = info.n_items, info.dim
    encoded_ids = files.strings("item_ids", n)
    hashes, rows = files.array("id_hashes", np.uint64, n), files.array("id_rows", np.int32, n)
    return Layer(
        info=info,
        index=VectorIndex.open(files.path(INDEX_FILE), info.index, n, dim),
        item_nos=files.array("item_nos", np.int32, n),
        item_vectors=files.array("item_vectors", np.float32, n, dim),
        encoded_ids=encoded_ids,
        lookup=ItemLookup(hashes, rows, encoded_ids),
        cards=files.strings("cards", n),
        mentions=files.strings("mentions", n),
        available=files.array("available", np.bool_, n),
        born_at=files.array("born_at", np.int64, n),
        category_codes=files.array("category_codes", np.int32, n),
        similar=files.array("similar", np.int32, n, info.similar_k),
        catalogue=CatalogueFile(files.path(CATALOGUE_FILE)),
        people=_open_people(files, info),
        **{name: files.optional(name) for name in RANKINGS},
        popular_by_category=_open_categories(files, info),
        bought_together=_open_together(files),
        links={place: links for place in Place if (links := _open_links(files, place))},
        encoder={name: map_array(files.path(f"{ENCODER_PREFIX}{name}.npy"), name) for name in info.encoder_arrays},
    )


def _open_people(files: LayerFiles, info: LayerInfo) -> People:
    items = files.array("history_items", np.int32, None)
    return People(
        keys=files.array("user_keys", np.uint64, 2, info.n_users),
        vectors=files.array("user_vectors", np.float32, info.n_user_vectors, info.dim),
        offsets=files.array("history_offsets", np.int64, info.n_users + 1),
        items=items,
        weights=files.array("history_weights", np.float32, len(items)),
        purchased=files.array("history_purchased", np.bool_, len(items)),
        # Layers from before repeat purchases were counted have weights only.
        repeats=files.array(files.first("history_repeats", "history_weights"), np.float32, len(items)),
        # Layers from before last orders were marked say of no item that it was in one.
        latest=files.array("history_latest", np.bool_, len(items)) if files.has("history_latest") else None,
        due=_open_due(files, len(items)),
        precomputed=_open_precomputed(files, info.n_users),
    )


def _open_due(files: LayerFiles, n: int) -> DueColumns | None:
    """The columns of what is due; None for layers from before there were any."""
    if not files.has("history_again"):
        return None
    return DueColumns(
        again=files.array("history_again", np.float16, n),
        last_days=files.array("history_last_days", np.uint16, n),
        gaps=files.array("history_gaps", np.float16, n),
    )


def _open_precomputed(files: LayerFiles, n: int) -> Precomputed | None:
    """The precomputed answers; None for deltas, for bases from before there were any, and where the setting allows
    fewer people."""
    if not files.has(f"{PRECOMPUTED_PREFIX}items"):
        return None
    items = files.array(f"{PRECOMPUTED_PREFIX}items", np.int32, n, None)
    return Precomputed(
        items=items,
        scores=files.array(f"{PRECOMPUTED_PREFIX}scores", np.float32, *items.shape),
        causes=files.array(f"{PRECOMPUTED_PREFIX}causes", np.int32, *items.shape),
        reasons=files.array(f"{PRECOMPUTED_PREFIX}reasons", np.int8, *items.shape),
    )


def _open_categories(files: LayerFiles, info: LayerInfo) -> dict[str, I32] | None:
    names = info.popular_categories
    if names is None:
        return None
    items = files.array("category_popular", np.int32, None)
    offsets = files.array("category_popular_offsets", np.int64, len(names) + 1)
    return {name: items[offsets[at] : offsets[at + 1]] for at, name in enumerate(names)}


def _open_together(files: LayerFiles) -> ItemLists | None:
    """The lists of items bought together; None where the layer changes none, or is from before there were any."""
    nos = files.optional(f"{TOGETHER_PREFIX}nos")
    if nos is None:
        return None
    items = files.array(f"{TOGETHER_PREFIX}items", np.int32, None)
    offsets = files.array(f"{TOGETHER_PREFIX}offsets", np.int64, len(nos) + 1)
    if offsets[0] != 0 or offsets[-1] != len(items):
        raise CorruptError(f"lists of {len(items)} items bought together end at {offsets[-1]}")
    return ItemLists(nos, offsets, items)


def _open_links(files: LayerFiles, place: Place) -> ItemLinks | None:
    """The rows of links of a place; None where the layer changes none. `open_bundle` checks where they lead."""
    prefix = f"{LINKS_PREFIX}{place}_"
    nos = files.optional(f"{prefix}nos")
    if nos is None:
        return None
    items = files.array(f"{prefix}items", np.int32, None)
    return ItemLinks(
        nos=nos,
        offsets=files.array(f"{prefix}offsets", np.int64, len(nos) + 1),
        items=items,
        weights=files.array(f"{prefix}weights", np.float32, len(items)),
    )
