"""The names of a layer's files become paths: none that a document may hold leads out of its directory."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.errors import CorruptError
from common.schemas.documents import LayerRef, ServingDocument
from common.usecases.shared.context import Context
from tests.bundles import publish
from tests.fossils import BUCKETS, read_objects
from tests.memory import memory_context
from tests.storefront_shop import shop_layer

MAX_LENGTH = 109
FILE = {"key": "serving/files/0", "sha256": "0" * 64, "bytes": 1}
LAYER = {"layer_id": "l0", "kind": "base", "covers_seq": 1, "n_items": 1, "n_users": 1}
WRITTEN = sorted(
    {
        name
        for path in BUCKETS
        for layer in ServingDocument.model_validate_json(read_objects(path)["serving/current.json"]).bundle.layers
        for name in layer.files
    }
)
"""Every kind of name that the product writes."""


def accepts(**fields: Any) -> bool:
    try:
        LayerRef.model_validate({**LAYER, **fields})
    except ValidationError:
        return False
    return True


def accepts_name(name: str) -> bool:
    return accepts(files={name: FILE})


def is_plain(name: str) -> bool:
    """Whether it names a file within any directory, on any system, and is no longer than a file system takes."""
    parts = PurePosixPath(name).parts, PureWindowsPath(name).parts
    return parts == ((name,), (name,)) and name not in (".", "..") and name.isascii() and len(name) <= MAX_LENGTH


@given(st.text())
def test_any_name_that_is_accepted_is_plain(name: str) -> None:
    assert is_plain(name) or not accepts_name(name)


@given(
    st.sampled_from(WRITTEN),
    st.sampled_from(["/", "\\", "..", "/../", "\0", "\n", "\r", ":", "%2f", " ", "\u2215", "\ud800", "x" * MAX_LENGTH]),
    st.floats(0, 1),
)
def test_a_name_with_anything_hostile_in_it_is_refused(name: str, hostile: str, place: float) -> None:
    at = round(place * len(name))
    assert not accepts_name(name[:at] + hostile + name[at:])


@pytest.mark.parametrize("name", ["", ".", "..", "npy", ".npy", "/etc/passwd", "user_/../../../x.npy", "C:x.npy"])
def test_what_is_no_name_of_a_layers_file_is_refused(name: str) -> None:
    assert not accepts_name(name)


@pytest.mark.parametrize("layer_id", ["", "..", "a/b", "a\\b", "a\0", "a\n", "x" * 65])
def test_the_id_of_a_layer_is_one_part_of_a_key(layer_id: str) -> None:
    assert not accepts(layer_id=layer_id, files={})


def test_what_is_written_is_accepted() -> None:
    assert len(WRITTEN) > 30
    assert [name for name in WRITTEN if not accepts_name(name)] == []


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    ctx = memory_context(tmp_path)
    publish(ctx.bucket, ctx.keys, [shop_layer(ctx.shop.pseudonymizer)], tmp_path)
    return ctx


def test_a_document_with_such_a_name_is_damaged(shop: Context) -> None:
    blob = shop.bucket.get(shop.keys.serving_current)
    assert blob is not None
    shop.bucket.put(shop.keys.serving_current, blob.data.replace(b'"user_keys.npy"', b'"user_/../../keys.npy"'))
    with pytest.raises(CorruptError, match=r"(?s)serving/current.json is damaged.*user_/../../keys.npy"):
        shop.serving_file.read()
