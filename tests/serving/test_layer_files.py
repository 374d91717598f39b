"""A layer's files: what was written is found again, and what is damaged or foreign is refused by name."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import CorruptError
from common.ids import UserKey
from common.schemas.documents import Bundle, DueSettings, FileRef
from common.serving import lookup
from common.serving.bundle import open_bundle, write_layer
from common.serving.due import due_scores
from common.serving.layer import Layer, open_layer
from common.serving.layer_writer import Files
from tests.bundles import Goods, History, describe, item_lists, layer_content, model_info

IDS = ["plain", "zähl 7/8", 'quote"d', "\\back", "日本", "a" * 256]
VECTORS = np.arange(12, dtype=np.float32).reshape(6, 2)
ADA, BEN = UserKey(bytes(15) + b"\1"), UserKey(b"\xff" * 16)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Bundle, dict[str, Path]]:
    goods = Goods(range(6), VECTORS, ids=IDS, categories=["x", "y", "x", "", "x", "y"])
    people = {BEN: History([5, 0], VECTORS[1], [0.5, 2], [False, True]), ADA: History([], VECTORS[2])}
    lists = {"popular": np.array([4, 2], np.int32), "popular_by_category": {"y": np.array([5], np.int32)}}
    content = layer_content(goods, people, {"gram": np.eye(2, dtype=np.float32)}, **lists)
    return describe([content], model_info(2), tmp_path)


def opened(written: tuple[Bundle, dict[str, Path]]) -> Layer:
    bundle, paths = written
    return open_layer(bundle.layers[0], lambda ref: paths[ref.key])


def test_items_are_found_by_their_exact_ids(written: tuple[Bundle, dict[str, Path]]) -> None:
    layer = opened(written)
    rows = [layer.lookup.row(lookup.encode_id(item_id)) for item_id in IDS]
    assert rows == list(range(6))
    assert [json.loads(layer.encoded_ids[row]) for row in range(6)] == IDS
    assert layer.lookup.row(lookup.encode_id("plai")) is None


def test_lists_of_what_is_bought_together_are_found_by_item(tmp_path: Path) -> None:
    content = layer_content(Goods(range(6), VECTORS), bought_together=item_lists({1: [4, 0], 3: [], 4: [1]}))
    lists = opened(describe([content], model_info(2), tmp_path)).bought_together
    assert lists is not None
    spans = [lists.span(item_no) for item_no in range(6)]
    assert [None if span is None else lists.items[span].tolist() for span in spans] == [
        None,
        [4, 0],
        None,
        [],
        [1],
        None,
    ]


def test_lists_that_end_elsewhere_than_their_items_are_refused(tmp_path: Path) -> None:
    lists = replace(item_lists({1: [4, 0]}), items=np.array([4], np.int32))
    content = layer_content(Goods(range(6), VECTORS), bought_together=lists)
    with pytest.raises(CorruptError, match="lists of 1 items bought together end at 2"):
        opened(describe([content], model_info(2), tmp_path))


def test_equal_hashes_are_told_apart_by_the_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "hash_id", lambda encoded: 7)
    layer = opened(describe([layer_content(Goods(range(6), VECTORS, ids=IDS))], model_info(2), tmp_path))
    assert [layer.lookup.row(lookup.encode_id(item_id)) for item_id in [*IDS, "other"]] == [0, 1, 2, 3, 4, 5, None]


def test_people_are_found_by_their_whole_key(written: tuple[Bundle, dict[str, Path]]) -> None:
    people = opened(written).people
    ben, ada = people.find(BEN), people.find(ADA)
    assert ben is not None
    assert ada is not None
    assert (ben.items.tolist(), ben.weights.tolist(), ben.purchased.tolist()) == ([5, 0], [0.5, 2], [False, True])
    assert ben.vector is not None
    assert ben.vector.tolist() == VECTORS[1].tolist()
    assert ada.items.tolist() == []
    assert people.find(UserKey(bytes(16))) is None
    assert people.find(UserKey(b"\xff" * 15 + b"\xfe")) is None


def test_a_layer_without_counted_purchases_goes_by_the_weights(written: tuple[Bundle, dict[str, Path]]) -> None:
    """As releases wrote it that did not put purchases forward."""
    bundle, paths = written
    [ref] = bundle.layers
    files = {name: file for name, file in ref.files.items() if name != "history_repeats.npy"}
    assert len(files) == len(ref.files) - 1
    ben = open_layer(ref.model_copy(update={"files": files}), lambda file: paths[file.key]).people.find(BEN)
    assert ben is not None
    assert ben.repeats.tolist() == ben.weights.tolist() == [0.5, 2]


def test_a_layer_without_last_orders_says_of_no_item_that_it_was_in_one(
    written: tuple[Bundle, dict[str, Path]],
) -> None:
    bundle, paths = written
    [ref] = bundle.layers
    files = {name: file for name, file in ref.files.items() if name != "history_latest.npy"}
    assert len(files) == len(ref.files) - 1
    ben = open_layer(ref.model_copy(update={"files": files}), lambda file: paths[file.key]).people.find(BEN)
    assert ben is not None
    assert ben.latest.tolist() == [False, False]


def test_a_layer_without_what_is_due_goes_by_the_number_of_purchases(written: tuple[Bundle, dict[str, Path]]) -> None:
    bundle, paths = written
    [ref] = bundle.layers
    columns = {"history_again.npy", "history_last_days.npy", "history_gaps.npy"}
    files = {name: file for name, file in ref.files.items() if name not in columns}
    assert len(files) == len(ref.files) - 3
    people = open_layer(ref.model_copy(update={"files": files}), lambda file: paths[file.key]).people
    ben = people.find(BEN)
    assert ben is not None
    assert ben.due is None
    assert due_scores(ben, DueSettings(early=1, late=1), 20_000).tolist() == ben.repeats.tolist() == [0.5, 2]
    rows = people.rows().due
    assert np.exp(rows.again.astype(np.float64)) == pytest.approx(people.rows().repeats, rel=1e-3)
    assert set(rows.last_days.tolist()) == {0}


def test_half_of_the_columns_of_what_is_due_are_damage(written: tuple[Bundle, dict[str, Path]]) -> None:
    bundle, paths = written
    [ref] = bundle.layers
    files = {name: file for name, file in ref.files.items() if name != "history_gaps.npy"}
    with pytest.raises(CorruptError, match=r"no file history_gaps\.npy"):
        open_layer(ref.model_copy(update={"files": files}), lambda file: paths[file.key])


def test_lists_that_a_layer_does_not_bring_are_none(written: tuple[Bundle, dict[str, Path]]) -> None:
    layer = opened(written)
    assert layer.popular is not None
    assert layer.popular.tolist() == [4, 2]
    assert layer.newest is None
    assert layer.popular_by_category is not None
    assert {name: items.tolist() for name, items in layer.popular_by_category.items()} == {"y": [5]}


def test_a_layer_without_items_and_people_opens(tmp_path: Path) -> None:
    nothing = layer_content(Goods([], np.empty((0, 2), np.float32)))
    layer = opened(describe([nothing], model_info(2), tmp_path))
    assert layer.lookup.row(lookup.encode_id("plain")) is None
    assert layer.people.find(ADA) is None


def cut(content: bytes) -> bytes:
    return content[:-4]


def other_array(content: bytes) -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((2, 2), np.int64))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("item_vectors.npy", cut),
        ("cards.bin", lambda content: content + b"{}"),
        ("items.faiss", cut),
        ("items.faiss", lambda content: b"XXXX" + content[4:]),
        ("layer.json", lambda content: content.replace(b'"format_version":1', b'"format_version":2')),
        ("layer.json", lambda content: content.replace(b'"dim":2', b'"dim":3')),
        ("user_keys.npy", other_array),
        ("popular.npy", lambda content: b"not an array"),
    ],
)
def test_what_is_damaged_is_refused(
    written: tuple[Bundle, dict[str, Path]], name: str, damage: Callable[[bytes], bytes]
) -> None:
    bundle, paths = written
    file = bundle.layers[0].files[name]
    path = paths[file.key]
    path.write_bytes(damage(path.read_bytes()))
    resized = file.model_copy(update={"bytes": path.stat().st_size})
    layer = bundle.layers[0].model_copy(update={"files": {**bundle.layers[0].files, name: resized}})
    with pytest.raises(CorruptError):
        open_bundle(bundle.model_copy(update={"layers": (layer,)}), lambda ref: paths[ref.key])


def test_a_file_of_another_length_is_refused_by_name(written: tuple[Bundle, dict[str, Path]]) -> None:
    bundle, paths = written
    paths[bundle.layers[0].files["similar.npy"].key].write_bytes(b"short")
    with pytest.raises(CorruptError, match=r"similar\.npy"):
        opened(written)


def test_a_missing_file_is_refused_by_name(written: tuple[Bundle, dict[str, Path]]) -> None:
    bundle, paths = written
    files: dict[str, FileRef] = {name: file for name, file in bundle.layers[0].files.items() if name != "available.npy"}
    layer = bundle.layers[0].model_copy(update={"files": files})
    with pytest.raises(CorruptError, match=r"available\.npy"):
        open_layer(layer, lambda ref: paths[ref.key])


@pytest.mark.parametrize(
    "change",
    [
        lambda bundle: {"layers": ()},
        lambda bundle: {"layers": bundle.layers * 2},
        lambda bundle: {"model": bundle.model.model_copy(update={"dim": 3})},
        lambda bundle: {"model": bundle.model.model_copy(update={"encoder": "from the future"})},
    ],
)
def test_a_bundle_that_does_not_fit_together_is_refused(
    written: tuple[Bundle, dict[str, Path]], change: Callable[[Bundle], dict[str, object]]
) -> None:
    bundle, paths = written
    with pytest.raises(CorruptError):
        open_bundle(bundle.model_copy(update=change(bundle)), lambda ref: paths[ref.key])


def test_item_numbers_that_no_layer_defines_are_refused(tmp_path: Path) -> None:
    base = layer_content(Goods(range(2), VECTORS[:2]))
    delta = layer_content(Goods([3], VECTORS[:1]))
    bundle, paths = describe([base, delta], model_info(2), tmp_path)
    with pytest.raises(CorruptError, match="item number 2"):
        open_bundle(bundle, lambda ref: paths[ref.key])


def write(directory: Path, **columns: Any) -> Files:
    return write_layer(replace(layer_content(Goods(range(6), VECTORS)), **columns), "base", directory)


@pytest.mark.parametrize(
    "columns",
    [
        {"item_nos": np.arange(1, 7, dtype=np.int32)},
        {"item_nos": np.array([0, 1, 2, 3, 3, 4], np.int32)},
        {"cards": (b"{}",)},
        {"item_vectors": np.full((6, 2), np.nan, np.float32)},
    ],
)
def test_columns_that_do_not_fit_are_not_written(tmp_path: Path, columns: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"item numbers|base|finite"):
        write(tmp_path, **columns)
    assert list(tmp_path.iterdir()) == []
