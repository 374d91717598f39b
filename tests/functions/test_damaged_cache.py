"""Damage to the files that recommend keeps on its machine: it is found and healed, at a start and while it serves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.bucket import file_checks
from common.schemas.documents import Bundle, FileRef
from common.testing.faults import Fault, FaultyBucket, Rule
from common.testing.memory import MemoryBucket
from common.usecases.recommend.bundle_watch import BundleWatch
from common.usecases.shared.context import Context
from tests.asgi import Function
from tests.bundles import publish
from tests.damage import DAMAGES, SAME_SIZE, Damage, cut, flip, make_directory, replace_all
from tests.memory import memory_context
from tests.storefront_shop import SOURCE, shop_layer, token

DEADLINE_S = 20.0
SMALL_CHUNK = 64
"""So that the small files of a test are sampled as the large ones of a shop are."""


class Machine:
    """A machine with a cache on which recommend is started, and a published version."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.bucket = FaultyBucket(MemoryBucket())
        self._context = memory_context(directory, self.bucket, refresh_s=0.005, token_key="k" * 64)
        self.root = directory / "cache"
        self._directory = directory
        patch.setattr("common.edges.wiring.make_context", lambda _environment: self._context)
        self.bundle = publish(
            self.bucket, self._context.keys, [shop_layer(self._context.shop.pseudonymizer)], directory
        )
        self._functions: list[Function] = []

    @property
    def files(self) -> dict[str, FileRef]:
        """By names in the layer; a new kind of file is one of them."""
        return dict(self.bundle.layers[0].files)

    def path(self, name: str) -> Path:
        return self.root / self.files[name].sha256

    def start(self) -> Function:
        """As a process that begins: nothing is known of the cache."""
        self._context = memory_context(self._directory, self.bucket, refresh_s=0.005, token_key="k" * 64)
        self._functions.append(Function("recommend", SOURCE))
        return self._functions[-1]

    def stop(self) -> None:
        for function in self._functions:
            function.close()
        self._functions.clear()

    def damage_all(self, damage: Damage) -> None:
        """Each file once, though some have several names."""
        for path in {self.root / ref.sha256 for ref in self.files.values() if ref.bytes}:
            damage(path)

    def damaged(self) -> list[str]:
        """The names of the files that are not as they are in the bucket."""
        return [name for name, ref in self.files.items() if not _is_file_of(self.bucket, ref, self.root / ref.sha256)]


def _is_file_of(bucket: FaultyBucket, ref: FileRef, path: Path) -> bool:
    blob = bucket.inner.get(ref.key)
    assert blob is not None
    return path.is_file() and path.read_bytes() == blob.data


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    machine = Machine(tmp_path, monkeypatch)
    yield machine
    machine.stop()


def answers(function: Function) -> list[bytes]:
    """Of each kind, so that every kind of file is read."""
    named = token(key="k" * 64)
    urls = ["popular?n=60", "items/i5/similar?n=9", "items/i5/bought-together?n=9", "items?item_id=i1&item_id=i59"]
    urls += ["popular?n=9&category=c2&price_max=40", "recommendations?n=9", "recommendations?n=9&item_id=i3"]
    asked = [function.call("GET", f"/v1/{url}", headers) for url in urls for headers in ({}, named)]
    asked += [function.call("GET", f"/v1/recommendations?n=9&purchased={how}", named) for how in ("show", "boost")]
    body = json.dumps({"basket": ["i8"], "viewed": ["i9"], "diversity": 0.5}).encode()
    asked.append(function.call("POST", "/v1/recommendations", named, body))
    assert {answer.status for answer in asked} == {200}, [answer.body for answer in asked if answer.status != 200]
    return [answer.body for answer in asked]


def watch_of(function: Function) -> BundleWatch:
    """The watch, without its thread: it looks only when it is told to, and at no file that is just being damaged."""
    watch: BundleWatch = function._module._function._service.watch
    watch.stop()
    return watch


def eventually(watch: BundleWatch, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "did not come about in time"
        watch.follow_once()


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_kind_of_file_is_healed_at_a_start(machine: Machine, damage: Damage) -> None:
    before = answers(machine.start())
    machine.stop()
    assert len(machine.files) > 20
    machine.damage_all(damage)
    assert answers(machine.start()) == before
    assert machine.damaged() == []


@pytest.mark.parametrize("damage", SAME_SIZE)
def test_every_kind_of_file_is_healed_while_it_serves(
    machine: Machine, damage: Damage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the reading in the background, as a bit that flips in a large file is."""
    function = machine.start()
    before = answers(function)
    watch = watch_of(function)
    opened = watch.current
    machine.damage_all(damage)
    watch._files._next_reading = 0.0
    eventually(watch, lambda: machine.damaged() == [] and watch.current is not opened and not watch._damaged)
    assert answers(function) == before
    assert watch.refusal is None


def test_a_large_file_of_which_a_part_is_damaged_is_found_at_a_start(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its sample: a damaged half is in one of the eight chunks but once in 256 times; here it is all of it."""
    monkeypatch.setattr(file_checks, "WHOLE_BYTES", 0)
    monkeypatch.setattr(file_checks, "CHUNK_BYTES", SMALL_CHUNK)
    before = answers(machine.start())
    machine.stop()
    answers(machine.start())
    machine.stop()
    machine.damage_all(replace_all)
    assert answers(machine.start()) == before
    assert machine.damaged() == []


def test_a_file_that_lets_itself_not_be_opened_is_read_whole_and_fetched_anew(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the sample has missed the damage, but the library has not."""
    before = answers(machine.start())
    machine.stop()
    for name in ("layer.json", "items.faiss", "item_nos.npy"):
        replace_all(machine.path(name))
    monkeypatch.setattr("common.bucket.cache.looks_whole", lambda *_: True)
    assert answers(machine.start()) == before
    assert machine.damaged() == []


def test_an_answer_that_fails_has_the_files_read(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue is opened at the first filter only."""
    question = "/v1/popular?n=9&category=c2"
    function = machine.start()
    assert function.call("GET", "/v1/popular").status == 200
    machine.stop()
    replace_all(machine.path("catalog.duckdb"))
    monkeypatch.setattr("common.bucket.cache.looks_whole", lambda *_: True)
    monkeypatch.setattr("common.usecases.recommend.served_files.PIECES_A_LOOK", 0)
    function = machine.start()
    answer = function.call("GET", question)
    watch = watch_of(function)
    assert (answer.status, answer.json()["code"]) == (503, "unanswered")
    eventually(watch, lambda: function.call("GET", question).status == 200)
    assert machine.damaged() == []


@pytest.mark.parametrize("damage", [cut, make_directory])
def test_a_file_that_is_cut_short_is_healed_before_anybody_reads_it(machine: Machine, damage: Damage) -> None:
    function = machine.start()
    assert function.call("GET", "/v1/popular").status == 200
    watch = watch_of(function)
    damage(machine.path("user_keys.npy"))
    watch._files._next_lengths = 0.0
    eventually(watch, lambda: machine.damaged() == [] and not watch._damaged)
    assert function.call("GET", "/v1/recommendations?n=9", token(key="k" * 64)).status == 200


def test_what_is_damaged_in_the_bucket_too_is_refused_by_name_and_the_old_bundle_serves_on(machine: Machine) -> None:
    function = machine.start()
    answers(function)
    watch = watch_of(function)
    ref = machine.files["cards.bin"]
    blob = machine.bucket.get(ref.key)
    assert blob is not None
    machine.bucket.put(ref.key, blob.data[::-1])
    flip(machine.path("cards.bin"))
    watch._files._next_reading = 0.0
    eventually(watch, lambda: watch.refusal is not None)
    assert watch.refusal is not None
    assert ref.key in watch.refusal.message
    assert function.call("GET", "/readyz").json()["refused"]["bundle_id"] == machine.bundle.bundle_id
    assert b"recsys_bundle_refused 1.0" in function.call("GET", "/metrics").body
    assert function.call("GET", "/v1/recommendations").status == 200
    machine.bucket.put(ref.key, blob.data)
    watch._heal_again = None
    eventually(watch, lambda: watch.refusal is None)
    assert machine.damaged() == []


def test_a_bucket_that_is_away_delays_the_healing(machine: Machine) -> None:
    function = machine.start()
    before = answers(function)
    watch = watch_of(function)
    machine.bucket.script += [Rule("fetch", Fault.FAIL_BEFORE)] * 3
    flip(machine.path("cards.bin"))
    watch._files._next_reading = 0.0
    eventually(watch, lambda: machine.damaged() == [] and not watch._damaged)
    assert answers(function) == before


@pytest.mark.parametrize("damage", SAME_SIZE)
def test_a_file_that_is_used_by_another_version_as_well_is_healed_once(machine: Machine, damage: Damage) -> None:
    """A new version names files of the one before; the cache has them, whoever damaged them."""
    function = machine.start()
    answers(function)
    watch = watch_of(function)
    machine.damage_all(damage)
    again = _published_again(machine._context, machine.bundle)
    eventually(watch, lambda: function.call("GET", "/readyz").json()["bundle_id"] == again.bundle_id)
    watch._files._next_reading = 0.0
    eventually(watch, lambda: machine.damaged() == [])


def _published_again(context: Context, bundle: Bundle) -> Bundle:
    """Another version of the same files."""
    file = context.serving_file
    document = file.read().document
    assert document is not None
    again = bundle.model_copy(update={"bundle_id": bundle.bundle_id[:-4] + "0000"})
    context.bucket.put(file.key, document.model_copy(update={"bundle": again}).model_dump_json().encode())
    return again
