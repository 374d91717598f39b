"""Bundles for tests: layers written from a few arrays, and published to a bucket as update would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from common.bucket.keys import Keys
from common.bucket.port import Bucket
from common.ids import UserKey, new_id, sha256_of_file, split_user_key
from common.schemas.data import F32, I32, TRENDING, Catalogue, DueColumns, ItemLists, LayerContent, UserRows
from common.schemas.documents import Bundle, FileRef, LayerRef, ModelInfo, ServingDocument
from common.schemas.links import ItemLinks
from common.serving.bundle import ServedBundle, open_bundle, write_layer
from common.serving.precomputed import write_precomputed

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class History:
    """A person: `items` are item numbers, oldest first; without a `vector` the encoder makes it."""

    items: Sequence[int]
    vector: F32 | None = None
    weights: Sequence[float] | None = None
    purchased: Sequence[bool] | None = None
    latest: Sequence[bool] | None = None
    last_days: Sequence[int] | None = None
    gaps: Sequence[float] | None = None


@dataclass(frozen=True)
class Goods:
    """Items of a layer. What is not given is the same for all; ids default to `i<number>`."""

    item_nos: Sequence[int]
    vectors: F32
    ids: Sequence[str] | None = None
    titles: Sequence[str] | None = None
    categories: Sequence[str] | None = None
    brands: Sequence[str] | None = None
    prices: Sequence[float] | None = None
    available: Sequence[bool] | None = None
    created_at: Sequence[int] | None = None
    extra: Sequence[dict[str, str]] | None = None
    similar: I32 | None = None

    @property
    def item_ids(self) -> tuple[str, ...]:
        return tuple(self.ids or [f"i{number}" for number in self.item_nos])


def layer_content(
    goods: Goods,
    people: dict[UserKey, History] | None = None,
    encoder: dict[str, Any] | None = None,
    **lists: Any,
) -> LayerContent:
    """`lists` are popular, newest, on_sale, few_know, popular_by_category, bought_together and links."""
    n = len(goods.item_nos)
    similar = np.full((n, 3), -1, np.int32) if goods.similar is None else goods.similar
    return LayerContent(
        item_nos=np.array(goods.item_nos, np.int32),
        item_vectors=np.asarray(goods.vectors, np.float32),
        cards=tuple(b'{"item_id":"%b"}' % item_id.encode() for item_id in goods.item_ids),
        catalogue=catalogue(goods),
        users=user_rows(people or {}, goods.vectors.shape[1]),
        similar=similar,
        encoder=encoder or {},
        **lists,
    )


def item_lists(lists: dict[int, list[int]]) -> ItemLists:
    nos = sorted(lists)
    return ItemLists(
        nos=np.array(nos, np.int32),
        offsets=np.cumsum([0, *(len(lists[no]) for no in nos)], dtype=np.int64),
        items=np.array([other for no in nos for other in lists[no]], np.int32),
    )


def item_links(rows: dict[int, dict[int, float]]) -> ItemLinks:
    """Each item's weights by the item that a link leads to."""
    nos = sorted(rows)
    return ItemLinks(
        nos=np.array(nos, np.int32),
        offsets=np.cumsum([0, *(len(rows[no]) for no in nos)], dtype=np.int64),
        items=np.array([other for no in nos for other in sorted(rows[no])], np.int32),
        weights=np.array([rows[no][other] for no in nos for other in sorted(rows[no])], np.float32),
    )


def catalogue(goods: Goods) -> Catalogue:
    n = len(goods.item_nos)
    empty = ("",) * n
    return Catalogue(
        item_ids=goods.item_ids,
        categories=tuple(goods.categories or empty),
        brands=tuple(goods.brands or empty),
        prices=np.array(goods.prices if goods.prices is not None else [np.nan] * n, np.float64),
        img_urls=empty,
        titles=tuple(goods.titles or empty),
        urls=empty,
        currencies=empty,
        available=np.array(goods.available if goods.available is not None else [True] * n, np.bool_),
        created_at=np.array(goods.created_at if goods.created_at is not None else [0] * n, np.int64),
        as_of=np.zeros(n, np.int64),
        extra=tuple(goods.extra or ({},) * n),
    )


def user_rows(people: dict[UserKey, History], dim: int) -> UserRows:
    rows = [people[key] for key in sorted(people)]
    vectors = [row.vector for row in rows if row.vector is not None]
    assert len(vectors) in (0, len(rows))
    items = [number for row in rows for number in row.items]
    weights = [weight for row in rows for weight in (row.weights or [1.0] * len(row.items))]
    purchased = [bought for row in rows for bought in (row.purchased or [True] * len(row.items))]
    latest = [last for row in rows for last in (row.latest or [False] * len(row.items))]
    last_days = [day for row in rows for day in (row.last_days or [0] * len(row.items))]
    gaps = [gap for row in rows for gap in (row.gaps or [1] * len(row.items))]
    unknown = DueColumns.unknown(np.array(weights, np.float32))
    return UserRows(
        keys=np.array([split_user_key(key) for key in sorted(people)], np.uint64).reshape(-1, 2),
        vectors=np.array(vectors, np.float32).reshape(-1, dim),
        offsets=np.cumsum([0, *(len(row.items) for row in rows)], dtype=np.int64),
        items=np.array(items, np.int32),
        weights=np.array(weights, np.float32),
        purchased=np.array(purchased, np.bool_),
        repeats=np.array(weights, np.float32),
        latest=np.array(latest, np.bool_),
        due=unknown._replace(last_days=np.array(last_days, np.uint16), gaps=np.array(gaps, np.float16)),
    )


def model_info(dim: int, encoder: str = "als_fold_in", **fields: Any) -> ModelInfo:
    params = {"alpha": 1.0} if encoder == "als_fold_in" else {}
    family = {"als_fold_in": "als", "constant": "popular", "links": "cooccurrence"}[encoder.removeprefix(TRENDING)]
    given = {"family": family, "version": "v1", "encoder_params": params, "trained_at": NOW, **fields}
    return ModelInfo(dim=dim, encoder=encoder, **given)


def describe(
    contents: Sequence[LayerContent],
    model: ModelInfo,
    directory: Path,
    keys: Keys | None = None,
    *,
    precomputed: bool = False,
) -> tuple[Bundle, dict[str, Path]]:
    """Writes the layers, the first as a base; returns the document and the files by key. `precomputed` ranks for the
    base's people, as training does."""
    keys = keys or Keys()
    paths: dict[str, Path] = {}
    layers = []
    for number, content in enumerate(contents):
        kind: Literal["base", "delta"] = "delta" if number else "base"
        layer_directory = directory / f"layer-{number}"
        layer_directory.mkdir()
        named = write_layer(content, kind, layer_directory, threads=1)
        sizes = {"n_items": len(content.item_nos), "n_users": len(content.users.keys)}
        files = _refs(named, paths, keys)
        layers.append(LayerRef(layer_id=f"l{number}", kind=kind, covers_seq=number, files=files, **sizes))
    bundle = _document(model, layers)
    if precomputed:
        base = _document(model, layers[:1])
        made = write_precomputed(open_bundle(base, lambda ref: paths[ref.key]), directory / "layer-0")
        layers[0] = layers[0].model_copy(update={"files": {**layers[0].files, **_refs(made, paths, keys)}})
        bundle = bundle.model_copy(update={"layers": tuple(layers)})
    return bundle, paths


def _refs(named: dict[str, Path], paths: dict[str, Path], keys: Keys) -> dict[str, FileRef]:
    """Adds to `paths`, which goes by keys."""
    refs = {}
    for name, path in named.items():
        sha256 = sha256_of_file(path)
        refs[name] = FileRef(key=keys.serving_file(sha256), sha256=sha256, bytes=path.stat().st_size)
        paths[refs[name].key] = path
    return refs


def _document(model: ModelInfo, layers: Sequence[LayerRef]) -> Bundle:
    return Bundle(
        bundle_id=new_id(NOW),
        created_at=NOW,
        created_by="train",
        covers_seq=len(layers),
        model=model,
        layers=tuple(layers),
    )


def open_layers(
    contents: Sequence[LayerContent], directory: Path, *, precomputed: bool = False, **model: Any
) -> ServedBundle:
    """The layers as recommend sees them, without a bucket."""
    info = model_info(contents[0].item_vectors.shape[1], **model)
    bundle, paths = describe(contents, info, directory, precomputed=precomputed)
    return open_bundle(bundle, lambda ref: paths[ref.key])


def publish(bucket: Bucket, keys: Keys, contents: Sequence[LayerContent], directory: Path, **model: Any) -> Bundle:
    """Puts the files and then the document, whatever was there before; answers are made ahead, as training does."""
    info = model_info(contents[0].item_vectors.shape[1], **model)
    bundle, paths = describe(contents, info, directory, keys, precomputed=True)
    for key, path in paths.items():
        bucket.put(key, path)
    commit_id = new_id(NOW)
    document = ServingDocument(commit_id=commit_id, commits=(commit_id,), committed_at=NOW, bundle=bundle)
    bucket.put(keys.serving_current, document.model_dump_json().encode())
    return bundle
