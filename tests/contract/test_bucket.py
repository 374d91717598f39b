"""The guarantees of `common.bucket.port`, for every implementation."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

import common.bucket
import common.testing
from common.bucket.keys import Keys
from common.bucket.port import CONFLICT, Bucket, Conflict
from common.bucket.probe import ProvenBucket
from common.bucket.s3 import S3Bucket
from common.testing.faults import FaultyBucket
from common.testing.memory import MemoryBucket

IMPLEMENTATIONS: dict[type, Callable[[pytest.FixtureRequest], Bucket]] = {
    MemoryBucket: lambda _: MemoryBucket(),
    FaultyBucket: lambda _: FaultyBucket(MemoryBucket()),
    ProvenBucket: lambda _: ProvenBucket(MemoryBucket(), Keys("elsewhere/"), "http://127.0.0.1:9"),
    S3Bucket: lambda request: request.getfixturevalue("shared_bucket"),
}
R = TypeVar("R")
WRITERS = 8
STALE = '"00000000000000000000000000000000"'
STRANGE_NAMES = (
    "a b.csv",
    "a+b.csv",
    "a%20b.csv",
    "a%2Bb.csv",
    "žltý kôň.csv",
    "日本/語.csv",
    "a&b=c?d#e.csv",
    "(1) [2]'.csv",
)


@dataclass(frozen=True)
class Place:
    """A bucket, and a prefix in it under which nobody else writes."""

    bucket: Bucket
    prefix: str

    def key(self, name: str) -> str:
        return self.prefix + name

    def names(self, prefix: str = "") -> list[str]:
        return [info.key.removeprefix(self.prefix) for info in self.bucket.list(self.key(prefix))]


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda kind: kind.__name__)
def place(request: pytest.FixtureRequest) -> Place:
    return Place(IMPLEMENTATIONS[request.param](request), f"contract/{secrets.token_hex(8)}/")


def test_every_implementation_is_held_to_the_contract() -> None:
    operations = [name for name, _ in inspect.getmembers(Bucket, inspect.isfunction) if not name.startswith("_")]
    found = set()
    paths = {f"{package.__name__}.": package.__path__ for package in (common.bucket, common.testing)}
    for module in (module for prefix, path in paths.items() for module in pkgutil.iter_modules(path, prefix)):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if kind is not Bucket and all(hasattr(kind, operation) for operation in operations):
                found.add(kind)
    assert found == set(IMPLEMENTATIONS)


class TestObjects:
    def test_what_is_not_there_is_none(self, place: Place, tmp_path: Path) -> None:
        key = place.key("nothing")
        assert place.bucket.get(key) is None
        assert place.bucket.head(key) is None
        assert place.bucket.fetch(key, tmp_path / "file") is None
        assert list(tmp_path.iterdir()) == []

    def test_every_operation_tells_the_same_of_an_object(self, place: Place, tmp_path: Path) -> None:
        key = place.key("object")
        etag = place.bucket.put(key, b"content")
        blob = place.bucket.get(key)
        assert blob is not None
        assert blob.data == b"content"
        assert (blob.info.key, blob.info.etag, blob.info.size) == (key, etag, 7)
        assert place.bucket.head(key) == blob.info
        assert place.bucket.fetch(key, tmp_path / "file") == blob.info
        assert list(place.bucket.list(key)) == [blob.info]
        assert (tmp_path / "file").read_bytes() == b"content"

    def test_modified_is_the_time_of_the_last_put_in_utc(self, place: Place) -> None:
        place.bucket.put(place.key("object"), b"content")
        info = place.bucket.head(place.key("object"))
        assert info is not None
        assert info.modified.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=5)

    def test_a_put_replaces_the_whole_object(self, place: Place) -> None:
        key = place.key("object")
        first = place.bucket.put(key, b"a long first version")
        assert place.bucket.put(key, b"short") != first
        blob = place.bucket.get(key)
        assert blob is not None
        assert blob.data == b"short"

    def test_an_empty_object_is_an_object(self, place: Place, tmp_path: Path) -> None:
        place.bucket.put(place.key("empty"), b"")
        blob = place.bucket.get(place.key("empty"))
        assert blob is not None
        assert (blob.data, blob.info.size) == (b"", 0)
        assert place.bucket.fetch(place.key("empty"), tmp_path / "file") == blob.info
        assert (tmp_path / "file").read_bytes() == b""

    def test_a_file_is_put_and_fetched(self, place: Place, tmp_path: Path) -> None:
        content = secrets.token_bytes(3 << 20)
        (tmp_path / "up").write_bytes(content)
        etag = place.bucket.put(place.key("file"), tmp_path / "up")
        info = place.bucket.fetch(place.key("file"), tmp_path / "down")
        assert info is not None
        assert (info.etag, info.size) == (etag, len(content))
        assert (tmp_path / "down").read_bytes() == content
        assert {path.name for path in tmp_path.iterdir()} == {"up", "down"}

    def test_fetch_replaces_an_older_file(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"an older, longer version")
        place.bucket.put(place.key("file"), b"new")
        place.bucket.fetch(place.key("file"), tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"new"

    def test_deleting_is_idempotent(self, place: Place) -> None:
        key = place.key("object")
        place.bucket.put(key, b"content")
        place.bucket.delete(key)
        assert place.bucket.get(key) is None
        place.bucket.delete(key)

    @pytest.mark.parametrize("name", STRANGE_NAMES)
    def test_a_key_is_taken_as_it_is(self, place: Place, name: str) -> None:
        content = name.encode()
        place.bucket.put(place.key(name), content)
        blob = place.bucket.get(place.key(name))
        assert blob is not None
        assert blob.data == content
        assert place.names() == [name]
        assert place.bucket.put_if(place.key(name), b"again", None) is CONFLICT
        place.bucket.delete(place.key(name))
        assert place.names() == []


class TestListing:
    def test_lists_what_starts_with_the_prefix_in_key_order(self, place: Place) -> None:
        for name in ("x/a", "x-1", "x/b/c", "x0", "x/b-1", "y", "X"):
            place.bucket.put(place.key(name), b"")
        assert place.names("x") == ["x-1", "x/a", "x/b-1", "x/b/c", "x0"]
        assert place.names("x/b") == ["x/b-1", "x/b/c"]
        assert place.names("nothing") == []

    def test_lists_more_than_one_page(self, place: Place) -> None:
        names = [f"{number:04}" for number in range(1005)]
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda name: place.bucket.put(place.key(name), b""), names))
        assert place.names() == names


class TestVersions:
    def test_what_is_current_stays(self, place: Place) -> None:
        for content in (b"old", b"new"):
            place.bucket.put(place.key("a"), content)
        place.bucket.put(place.key("gone"), b"x")
        place.bucket.delete(place.key("gone"))
        place.bucket.purge_versions(place.prefix)
        assert place.names() == ["a"]
        blob = place.bucket.get(place.key("a"))
        assert blob is not None
        assert blob.data == b"new"

    @pytest.mark.s3
    def test_a_bucket_that_keeps_versions_gives_up_the_old_ones(self, bucket: S3Bucket) -> None:
        client = bucket._clients.retrying
        client.put_bucket_versioning(Bucket=bucket._name, VersioningConfiguration={"Status": "Enabled"})
        for key in ("in/a", "in/a", "in/b", "out/a", "out/a"):
            bucket.put(key, b"x")
        bucket.delete("in/b")
        assert bucket.purge_versions("in/") == 2
        assert bucket.purge_versions("in/") == 0
        answer = client.list_object_versions(Bucket=bucket._name)
        assert sorted(entry["Key"] for entry in answer["Versions"]) == ["in/a", "out/a", "out/a"]
        assert "DeleteMarkers" not in answer


class TestConditionalPut:
    def test_creates_only_what_is_not_there(self, place: Place) -> None:
        key = place.key("document")
        etag = place.bucket.put_if(key, b"first", None)
        assert place.bucket.put_if(key, b"second", None) is CONFLICT
        blob = place.bucket.get(key)
        assert blob is not None
        assert (blob.data, blob.info.etag) == (b"first", etag)

    def test_replaces_only_the_version_it_expects(self, place: Place) -> None:
        key = place.key("document")
        first = place.bucket.put(key, b"first")
        second = place.bucket.put_if(key, b"second", first)
        assert second is not CONFLICT
        assert place.bucket.put_if(key, b"third", first) is CONFLICT
        assert place.bucket.put_if(key, b"third", STALE) is CONFLICT
        info = place.bucket.head(key)
        assert info is not None
        assert info.etag == second

    def test_a_version_that_was_deleted_is_a_conflict(self, place: Place) -> None:
        key = place.key("document")
        etag = place.bucket.put(key, b"first")
        place.bucket.delete(key)
        assert place.bucket.put_if(key, b"second", etag) is CONFLICT
        assert place.bucket.get(key) is None
        assert place.bucket.put_if(key, b"second", None) is not CONFLICT

    def test_of_concurrent_creations_exactly_one_wins(self, place: Place) -> None:
        for round_number in range(2):
            key = place.key(f"document-{round_number}")
            answers = _at_once(partial(_create, place.bucket, key))
            winners = [writer for writer, answer in enumerate(answers) if answer is not CONFLICT]
            assert len(winners) == 1
            blob = place.bucket.get(key)
            assert blob is not None
            assert (blob.data, blob.info.etag) == (b"%d" % winners[0], answers[winners[0]])

    def test_concurrent_replacements_lose_no_update(self, place: Place) -> None:
        key = place.key("counter")
        place.bucket.put(key, b"0")

        def count_up(_: int) -> int:
            won = 0
            while won < 5:
                blob = place.bucket.get(key)
                assert blob is not None
                won += place.bucket.put_if(key, b"%d" % (int(blob.data) + 1), blob.info.etag) is not CONFLICT
            return won

        assert sum(_at_once(count_up)) == 5 * WRITERS
        blob = place.bucket.get(key)
        assert blob is not None
        assert int(blob.data) == 5 * WRITERS


def test_readers_see_whole_objects_while_they_are_overwritten(place: Place, tmp_path: Path) -> None:
    key = place.key("object")
    versions = [bytes([letter]) * (200_000 + 300_000 * index) for index, letter in enumerate(b"abc")]
    place.bucket.put(key, versions[0])
    finished = threading.Event()

    def write() -> None:
        for turn in range(30):
            place.bucket.put(key, versions[turn % 3])
        finished.set()

    def read(reader: int) -> Iterator[bytes]:
        path = tmp_path / str(reader)
        while not finished.is_set():
            blob = place.bucket.get(key)
            assert blob is not None
            yield blob.data
            place.bucket.fetch(key, path)
            yield path.read_bytes()

    def read_all(reader: int) -> set[bytes]:
        return set(read(reader))

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read_all, reader) for reader in range(3)]
        pool.submit(write).result()
        seen = set().union(*(reader.result() for reader in readers))
    assert seen <= set(versions)
    assert seen


def _create(bucket: Bucket, key: str, writer: int) -> str | Conflict:
    return bucket.put_if(key, b"%d" % writer, None)


def _at_once(work: Callable[[int], R]) -> list[R]:
    """The results of `WRITERS` calls that start together."""
    start = threading.Barrier(WRITERS)

    def run(number: int) -> R:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(run, range(WRITERS)))
