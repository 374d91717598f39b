"""Following the published version: swaps under load, damaged versions, a bucket that goes away."""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from common.bucket.cache import FileCache
from common.bucket.keys import Keys
from common.bucket.port import Bucket
from common.config import Shop
from common.errors import CorruptError, NotReady, SettingError, UnavailableError
from common.schemas.documents import Bundle
from common.serving.bundle import ServedBundle
from common.testing.faults import Fault, FaultyBucket, Rule
from common.testing.memory import MemoryBucket
from common.usecases.recommend import bundle_watch
from common.usecases.recommend.bundle_watch import RETRY_REFUSED_S, BundleWatch
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from tests.bundles import NOW, Goods, layer_content, publish

ENV = {
    "RECSYS_BUCKET": "shop",
    "RECSYS_S3_ENDPOINT": "http://127.0.0.1:9",
    "RECSYS_S3_ACCESS_KEY": "access",
    "RECSYS_S3_SECRET_KEY": "secret",
    "RECSYS_PSEUDONYM_KEY": "5ec2e7" * 11,
    "RECSYS_REFRESH_S": "0.001",
}
SERVING = "serving/"
DEADLINE_S = 15.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def context(tmp_path: Path, clock: Clock) -> Context:
    return Context(Shop.from_env(ENV), MemoryBucket(), Keys(), FileCache(tmp_path / "cache", 1 << 30), clock)


@pytest.fixture
def publishing(context: Context, tmp_path: Path) -> Callable[[str], Bundle]:
    """Publishes a version whose every item has the version's name in its id."""

    def make(name: str) -> Bundle:
        directory = tmp_path / name
        directory.mkdir()
        goods = Goods(range(5), np.eye(5, dtype=np.float32), ids=[f"{name}-{number}" for number in range(5)])
        content = layer_content(goods, popular=np.arange(5, dtype=np.int32))
        return publish(context.bucket, context.keys, [content], directory)

    return make


def names(service: RecommendService) -> set[str]:
    """The version names in one answer's items."""
    answer = json.loads(service.recommend(Query(n=5)).body)
    return {item["item_id"].partition("-")[0] for item in answer["items"]}


def test_nothing_is_published(context: Context) -> None:
    service = RecommendService(context)
    service.watch.refresh()
    with pytest.raises(NotReady):
        service.recommend(Query(n=5))
    assert service.watch.age_s() is None


def test_the_newest_version_is_taken_up(context: Context, clock: Clock, publishing: Callable[[str], Bundle]) -> None:
    service = RecommendService(context)
    for name in ("a", "b"):
        publishing(name)
        service.watch.refresh()
        assert names(service) == {name}
    clock.now += timedelta(seconds=90)
    assert service.watch.age_s() == 90


def test_a_version_that_is_there_already_is_not_opened_again(
    context: Context, publishing: Callable[[str], Bundle]
) -> None:
    watch = BundleWatch(context)
    bundle = publishing("a")
    watch.refresh()
    opened = watch.current
    document = context.bucket.get(context.keys.serving_current)
    assert document is not None
    renamed = document.data.replace(b'"commits"', b' "commits"')  # the same said in other bytes
    context.bucket.put(context.keys.serving_current, renamed)
    watch.refresh()
    assert watch.current is opened
    assert opened is not None
    assert opened.document == bundle


def test_a_replaced_version_is_let_go(context: Context, publishing: Callable[[str], Bundle]) -> None:
    watch = BundleWatch(context)
    publishing("a")
    watch.refresh()
    assert watch.current is not None
    old = weakref.ref(watch.current.items)
    publishing("b")
    gc.disable()  # by its last reference, not at some later collection
    try:
        watch.refresh()
        assert old() is None
    finally:
        gc.enable()


def test_a_damaged_version_is_refused_and_the_last_one_goes_on(
    context: Context, clock: Clock, publishing: Callable[[str], Bundle]
) -> None:
    service = RecommendService(context)
    publishing("a")
    service.watch.refresh()
    damaged = publishing("b")
    file = damaged.layers[0].files["cards.bin"]
    whole = context.bucket.get(file.key)
    assert whole is not None
    context.bucket.put(file.key, whole.data[::-1])
    service.watch.refresh()
    assert names(service) == {"a"}
    assert service.watch.refusal is not None
    assert service.watch.refusal.bundle_id == damaged.bundle_id
    context.bucket.put(file.key, whole.data)
    service.watch.refresh()
    assert names(service) == {"a"}, "tried again at once"
    clock.now += timedelta(seconds=RETRY_REFUSED_S + 1)
    service.watch.refresh()
    assert names(service) == {"b"}
    assert service.watch.refusal is None


@pytest.mark.parametrize(
    "fault", [UnavailableError("the disk is full"), OSError(30, "read-only"), ValueError("nonsense"), RecursionError()]
)
def test_whatever_stops_a_version_from_being_opened_is_told_once_and_the_last_one_goes_on(
    fault: Exception,
    context: Context,
    clock: Clock,
    publishing: Callable[[str], Bundle],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = RecommendService(context)
    publishing("a")
    service.watch.refresh()
    stopped = publishing("b")

    def fail(*_: object) -> ServedBundle:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr("common.usecases.recommend.served_files.open_bundle", fail)
        for _ in range(3):
            service.watch.refresh()
            clock.now += timedelta(seconds=RETRY_REFUSED_S + 1)
    assert names(service) == {"a"}
    assert service.watch.refusal is not None
    assert service.watch.refusal.bundle_id == stopped.bundle_id
    assert [record.getMessage() for record in caplog.records].count("bundle refused") == 1
    service.watch.refresh()
    assert names(service) == {"b"}


STEPS = {
    "the document is looked at": "common.testing.memory.MemoryBucket.head",
    "the document is read": "common.testing.memory.MemoryBucket.get",
    "the document is parsed": "common.bucket.current.CurrentFile._parsed",
    "a file is fetched": "common.testing.memory.MemoryBucket.fetch",
    "a file is checked": "common.bucket.cache._check",
    "a file is written": "common.bucket.cache._sync",
    "a file is opened": "common.serving.layer.LayerFiles.path",
    "a layer is described": "common.serving.layer.LayerFiles.info",
    "an array is mapped": "common.serving.arrays.map_npy",
    "the index is opened": "common.serving.index.VectorIndex.open",
    "people are opened": "common.serving.layer.People",
    "items are joined": "common.serving.bundle.Items",
    "selections are made": "common.serving.bundle.Selections",
    "answers ahead are compared": "common.serving.bundle.StillValid.of",
    "the weighting is read": "common.serving.bundle.Weighting.model_validate",
    "the encoder is prepared": "common.serving.bundle.prepare",
}
ANYWHERE = [SettingError("the store refuses the key"), ValueError("a time without zone")]
SOMEWHERE = [
    CorruptError("it is damaged"),
    UnavailableError("the disk is full"),
    OSError(30, "read-only file system"),
    RecursionError("nested too deep"),
    MemoryError(),
    KeyError("weighting"),
]
FAULTS = [(step, raised) for step in STEPS for raised in ANYWHERE]
FAULTS += [(step, raised) for step, raised in zip(STEPS, cycle(SOMEWHERE), strict=False)]


@pytest.mark.parametrize(("step", "raised"), FAULTS, ids=lambda value: getattr(value, "message", str(value)))
def test_whatever_any_step_of_opening_raises_is_shown_and_told_once(
    step: str,
    raised: Exception,
    context: Context,
    clock: Clock,
    publishing: Callable[[str], Bundle],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = RecommendService(context)
    publishing("a")
    service.watch.follow_once()
    publishing("b")
    caplog.clear()

    def fail(*_: object, **__: object) -> None:
        raise raised

    with monkeypatch.context() as patch:
        patch.setattr(STEPS[step], fail)
        for _ in range(3):
            service.watch.follow_once()
            service.watch.follow_once()
            clock.now += timedelta(seconds=RETRY_REFUSED_S + 1)
        assert names(service) == {"a"}
        assert service.watch.refusal is not None or not service.watch.store_answers
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1, [record.getMessage() for record in told]
    service.watch.follow_once()
    assert names(service) == {"b"}
    assert service.watch.refusal is None
    assert service.watch.store_answers


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format_version": 2}'])
def test_a_damaged_document_is_refused(context: Context, publishing: Callable[[str], Bundle], content: bytes) -> None:
    service = RecommendService(context)
    publishing("a")
    service.watch.refresh()
    context.bucket.put(context.keys.serving_current, content)
    service.watch.refresh()
    assert names(service) == {"a"}
    assert service.watch.refusal is not None
    assert service.watch.refusal.bundle_id is None
    publishing("c")
    service.watch.refresh()
    assert names(service) == {"c"}


def test_a_bucket_that_goes_away_is_no_reason_to_stop(context: Context, publishing: Callable[[str], Bundle]) -> None:
    bucket = FaultyBucket(context.bucket)
    service = RecommendService(replace(context, bucket=bucket))
    publishing("a")
    service.watch.refresh()
    publishing("b")
    for operation in ("head", "get", "fetch"):
        bucket.script.append(Rule(operation, Fault.FAIL_BEFORE))
        service.watch.refresh()
        assert names(service) == {"a"}
        assert not service.watch.store_answers
        assert service.watch.refusal is None
    service.watch.refresh()
    assert names(service) == {"b"}
    assert service.watch.store_answers


class HangingBucket(FaultyBucket):
    """Does not answer `operation` before `answer` is set."""

    def __init__(self, inner: Bucket, operation: str) -> None:
        super().__init__(inner)
        self.asked, self.answer = threading.Event(), threading.Event()
        self._operation = operation

    def _fault(self, operation: str, key: str) -> Fault | None:
        if operation == self._operation:
            self.asked.set()
            self.answer.wait(60)
        return super()._fault(operation, key)


@pytest.mark.parametrize("operation", ["head", "get"])
def test_a_bucket_that_hangs_is_told_although_the_question_has_not_ended(
    context: Context, publishing: Callable[[str], Bundle], monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    bucket = HangingBucket(context.bucket, operation)
    watch = RecommendService(replace(context, bucket=bucket)).watch
    publishing("a")
    looking = threading.Thread(target=watch.refresh)
    looking.start()
    assert bucket.asked.wait(60)
    assert watch.store_answers
    monkeypatch.setattr(bundle_watch, "ANSWER_S", 0.0)
    assert not watch.store_answers
    bucket.answer.set()
    looking.join()
    assert watch.store_answers


def test_versions_change_under_load_without_a_lost_or_mixed_answer(
    context: Context, publishing: Callable[[str], Bundle]
) -> None:
    service = RecommendService(context)
    published = {"v0": publishing("v0").bundle_id}
    service.start()
    seen: set[tuple[str, ...]] = set()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answer = json.loads(service.recommend(Query(n=5)).body)
            versions = {item["item_id"].partition("-")[0] for item in answer["items"]}
            seen.add((answer["bundle_id"], *versions))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for number in range(1, 5):
        published[f"v{number}"] = publishing(f"v{number}").bundle_id
    eventually(lambda: (published["v4"], "v4") in seen or not any(asker.is_alive() for asker in askers))
    done.set()
    for asker in askers:
        asker.join()
    service.stop()
    assert len(seen) >= 3
    assert seen <= {(bundle_id, name) for name, bundle_id in published.items()}


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.005)
