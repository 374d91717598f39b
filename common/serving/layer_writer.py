"""The writer of a layer: the files that serving maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from common.schemas.data import F32, I32, I64, Catalogue, ItemLists, LayerContent, UserRows
from common.schemas.links import ItemLinks
from common.serving.arrays import INFO_FILE, save_array, save_strings
from common.serving.filters import write_catalogue
from common.serving.index import IndexInfo, write_index
from common.serving.layer import ENCODER_PREFIX, INDEX_FILE, LINKS_PREFIX, RANKINGS, TOGETHER_PREFIX, LayerInfo
from common.serving.lookup import encode_id, sort_hashes

Files = dict[str, Path]
Columns = dict[str, npt.NDArray[Any]]


def write_layer(
    content: LayerContent, kind: Literal["base", "delta"], directory: Path, threads: int = 0
) -> dict[str, Path]:
    """Writes the layer into the existing directory `directory`; returns its files by their names within the layer.

    `threads` is the number of Faiss's threads, 0 for its own choice. Raises `ValueError` for columns that do not fit
    together, which is an error of the caller.
    """
    _check(content, kind)
    codes, categories = _encode_categories(content.catalogue)
    files = _write_items(content, codes, directory) | _write_users(content.users, directory)
    files |= _write_lists(content, directory)
    for name, array in content.encoder.items():
        files |= save_array(directory, ENCODER_PREFIX + name, array)
    index = write_index(directory / INDEX_FILE, content.item_vectors, _queries(content), threads)
    info = _describe(content, kind, categories, index)
    (directory / INFO_FILE).write_text(info.model_dump_json())
    return files | {name: directory / name for name in (INDEX_FILE, INFO_FILE)}


def _check(content: LayerContent, kind: str) -> None:
    n = len(content.item_nos)
    columns = (content.item_vectors, content.cards, content.catalogue, content.similar)
    if any(len(column) != n for column in columns):
        raise ValueError(f"{n} item numbers, but columns of {[len(column) for column in columns]}")
    if (np.diff(content.item_nos) <= 0).any():
        raise ValueError("item numbers must ascend")
    if kind == "base" and n and (content.item_nos[0], content.item_nos[-1]) != (0, n - 1):
        raise ValueError("a base numbers its items 0 to n - 1")
    if not np.isfinite(content.item_vectors).all() or not np.isfinite(content.users.vectors).all():
        raise ValueError("vectors must be finite")


def _encode_categories(catalogue: Catalogue) -> tuple[I32, tuple[str, ...]]:
    """(n,) int32 positions in the names of the categories, and these names."""
    names = tuple(dict.fromkeys(catalogue.categories))
    codes = {name: code for code, name in enumerate(names)}
    return np.array([codes[name] for name in catalogue.categories], np.int32), names


def _write_items(content: LayerContent, category_codes: I32, directory: Path) -> Files:
    encoded_ids = [encode_id(item_id) for item_id in content.catalogue.item_ids]
    hashes, rows = sort_hashes(encoded_ids)
    columns: Columns = {
        "item_nos": content.item_nos.astype(np.int32),
        "item_vectors": content.item_vectors.astype(np.float32),
        "id_hashes": hashes,
        "id_rows": rows,
        "available": content.catalogue.available.astype(np.bool_),
        "born_at": _born_at(content.catalogue),
        "category_codes": category_codes,
        "similar": content.similar.astype(np.int32),
    }
    files = save_strings(directory, "item_ids", encoded_ids) | save_strings(directory, "cards", content.cards)
    mentions = map(_mention, encoded_ids, content.catalogue.titles)
    files |= save_strings(directory, "mentions", mentions)
    for name, column in columns.items():
        files |= save_array(directory, name, column)
    return files | write_catalogue(content.catalogue, directory)


def _mention(encoded_id: bytes, title: str) -> bytes:
    """How a reason names the item: fields of a JSON object without its braces."""
    return b'"item_id":%b,"title":%b' % (encoded_id, encode_id(title)) if title else b'"item_id":%b' % encoded_id


def _born_at(catalogue: Catalogue) -> I64:
    """(n,) int64 epoch seconds; the upload's time where the shop gave no `created_at`."""
    return np.where(catalogue.created_at > 0, catalogue.created_at, catalogue.as_of).astype(np.int64)


def _write_users(users: UserRows, directory: Path) -> Files:
    columns: Columns = {
        # All first halves of the keys together: binary search reads only these.
        "user_keys": users.keys.astype(np.uint64).reshape(-1, 2).T,
        "user_vectors": users.vectors.astype(np.float32),
        "history_offsets": users.offsets.astype(np.int64),
        "history_items": users.items.astype(np.int32),
        "history_weights": users.weights.astype(np.float32),
        "history_purchased": users.purchased.astype(np.bool_),
        "history_repeats": users.repeats.astype(np.float32),
        "history_latest": users.latest.astype(np.bool_),
        "history_again": users.due.again.astype(np.float16),
        "history_last_days": users.due.last_days.astype(np.uint16),
        "history_gaps": users.due.gaps.astype(np.float16),
    }
    files: Files = {}
    for name, column in columns.items():
        files |= save_array(directory, name, column)
    return files


def _write_lists(content: LayerContent, directory: Path) -> Files:
    files: Files = {}
    rankings = {name: getattr(content, name) for name in RANKINGS}
    for name, items in rankings.items():
        if items is not None:
            files |= save_array(directory, name, items.astype(np.int32))
    if content.popular_by_category is not None:
        lists = content.popular_by_category.values()
        offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        items = np.concatenate([np.empty(0, np.int32), *lists]).astype(np.int32)
        files |= save_array(directory, "category_popular", items)
        files |= save_array(directory, "category_popular_offsets", offsets)
    files |= _write_together(content.bought_together, directory)
    for place, links in content.links.items():
        files |= _write_links(place, links, directory)
    return files


def _write_together(lists: ItemLists | None, directory: Path) -> Files:
    if lists is None:
        return {}
    return {
        **save_array(directory, f"{TOGETHER_PREFIX}nos", lists.nos.astype(np.int32)),
        **save_array(directory, f"{TOGETHER_PREFIX}offsets", lists.offsets.astype(np.int64)),
        **save_array(directory, f"{TOGETHER_PREFIX}items", lists.items.astype(np.int32)),
    }


def _write_links(place: str, links: ItemLinks, directory: Path) -> Files:
    columns: Columns = {
        "nos": links.nos.astype(np.int32),
        "offsets": links.offsets.astype(np.int64),
        "items": links.items.astype(np.int32),
        "weights": links.weights.astype(np.float32),
    }
    files: Files = {}
    for name, column in columns.items():
        files |= save_array(directory, f"{LINKS_PREFIX}{place}_{name}", column)
    return files


def _queries(content: LayerContent) -> F32:
    """The query vectors for which the index is tuned: those of people, or the item vectors where the family stores
    none."""
    return content.users.vectors if len(content.users.vectors) else content.item_vectors


def _describe(content: LayerContent, kind: str, categories: tuple[str, ...], index: IndexInfo) -> LayerInfo:
    ranked = content.popular_by_category
    return LayerInfo(
        kind=kind,
        n_items=len(content.item_nos),
        n_users=len(content.users.keys),
        n_user_vectors=len(content.users.vectors),
        dim=content.item_vectors.shape[1],
        similar_k=content.similar.shape[1],
        index=index,
        categories=categories,
        popular_categories=None if ranked is None else tuple(ranked),
        encoder_arrays=tuple(sorted(content.encoder)),
    )
