from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import CorruptError
from common.models.artifact import Artifact


def artifact(**fields: Any) -> Artifact:
    usual: dict[str, Any] = {
        "family": "als",
        "params": {"factors": 2},
        "item_ids": ("a", "b\n☕", "c"),
        "item_vectors": np.arange(6, dtype=np.float32).reshape(3, 2),
        "user_keys": np.array([[0, 1], [1, 0]], dtype=np.uint64),
        "user_vectors": np.ones((2, 2), dtype=np.float32),
        "encoder": "als_fold_in",
        "encoder_params": {"alpha": 3.0},
        "encoder_arrays": {"gram": np.eye(2, dtype=np.float32)},
    }
    return Artifact(**usual | fields)


def test_arrays_are_made_contiguous_and_read_only_without_freezing_the_callers() -> None:
    columns_first = np.asfortranarray(np.ones((3, 2), dtype=np.float32))
    frozen = artifact(item_vectors=columns_first).item_vectors
    assert frozen.flags.c_contiguous
    assert not frozen.flags.writeable
    assert columns_first.flags.writeable


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"item_vectors": np.full((3, 2), np.nan, dtype=np.float32)}, "item_vectors holds NaN"),
        ({"encoder_arrays": {"gram": np.array([np.inf])}}, "gram holds NaN or infinity"),
        ({"item_vectors": np.ones((3, 2))}, "float32"),
        ({"item_vectors": np.ones((2, 2), dtype=np.float32)}, "one row for each of item_ids"),
        ({"user_keys": np.ones((2, 3), dtype=np.uint64)}, "user_keys"),
        ({"user_vectors": np.ones((2, 3), dtype=np.float32)}, "as wide as"),
        ({"user_vectors": np.ones((1, 2), dtype=np.float32)}, "or none"),
    ],
)
def test_what_is_not_an_artifact_is_refused(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(CorruptError, match=named):
        artifact(**fields)


def test_a_family_may_leave_out_the_people() -> None:
    assert len(artifact(user_vectors=np.empty((0, 2), dtype=np.float32)).user_vectors) == 0


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def pickle_instead(path: Path) -> None:
    np.save(path, np.array([object()]), allow_pickle=True)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [truncate, remove])
@pytest.mark.parametrize("name", ["artifact.json", "item_ids.json", "item_vectors.npy", "encoder_gram.npy"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[Path], None], name: str) -> None:
    artifact().save(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(CorruptError, match=name):
        Artifact.load(tmp_path)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    artifact().save(tmp_path)
    pickle_instead(tmp_path / "user_vectors.npy")
    with pytest.raises(CorruptError, match="user_vectors"):
        Artifact.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format_version": 2}, "format_version is 2; this release reads 1"),
        ({"encoder_arrays": ["../../etc/passwd"]}, "encoder_arrays"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_another_format_is_refused(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    artifact().save(tmp_path)
    description = tmp_path / "artifact.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | change))
    with pytest.raises(CorruptError, match=named):
        Artifact.load(tmp_path)
