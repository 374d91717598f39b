"""When an instance of recommend says that visitors may come: once what is published has been loaded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.bucket.port import ObjectInfo
from common.errors import BucketUnavailable, SettingError
from common.testing.memory import MemoryBucket
from common.usecases.shared.context import Context
from tests.asgi import Function
from tests.bundles import publish
from tests.memory import memory_context
from tests.storefront_shop import SOURCE, shop_layer

DEADLINE_S = 15.0


class SlowBucket(MemoryBucket):
    """Tells nothing of an object before `answers` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()
        self.away = False

    def head(self, key: str) -> ObjectInfo | None:
        assert self.answers.wait(DEADLINE_S)
        if self.away:
            raise BucketUnavailable("the store does not answer")
        return super().head(key)


@pytest.fixture
def bucket() -> SlowBucket:
    return SlowBucket()


@pytest.fixture
def context(bucket: SlowBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    context = memory_context(tmp_path, bucket)
    monkeypatch.setattr("common.edges.wiring.make_context", lambda _environment: context)
    return context


@pytest.fixture
def function(context: Context, bucket: SlowBucket) -> Iterator[Function]:
    function = Function("recommend", SOURCE)
    yield function
    bucket.answers.set()
    function.close()


def statuses_of_start(function: Function) -> list[int]:
    """What the probe is answered until it is anything but 503."""
    statuses: list[int] = []
    deadline = time.monotonic() + DEADLINE_S
    while statuses[-1:] in ([], [503]):
        assert time.monotonic() < deadline, "did not start in time"
        statuses.append(function.call("GET", "/startedz").status)
        time.sleep(0.005)
    return statuses


def test_a_start_waits_for_what_is_published(
    function: Function, context: Context, bucket: SlowBucket, tmp_path: Path
) -> None:
    publish(bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], tmp_path)
    for _ in range(3):
        answer = function.call("GET", "/startedz")
        assert (answer.status, answer.json()["code"]) == (503, "not_ready")
    assert function.call("GET", "/healthz").status == 200
    bucket.answers.set()
    assert statuses_of_start(function)[-1] == 200
    assert function.call("GET", "/v1/popular").status == 200


def test_a_start_ends_where_nothing_is_published(function: Function, bucket: SlowBucket) -> None:
    bucket.answers.set()
    assert statuses_of_start(function)[-1] == 200
    assert function.call("GET", "/readyz").status == 503


def test_a_start_while_the_bucket_is_away_waits_for_it(
    function: Function, context: Context, bucket: SlowBucket, tmp_path: Path
) -> None:
    publish(bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], tmp_path)
    bucket.away = True
    bucket.answers.set()
    for _ in range(20):
        assert function.call("GET", "/startedz").status == 503
    answer = function.call("GET", "/v1/popular")
    assert (answer.status, "not loaded yet" in answer.json()["detail"]) == (503, True)
    bucket.away = False
    assert statuses_of_start(function)[-1] == 200
    bucket.away = True
    assert function.call("GET", "/startedz").status == 200


def test_a_start_on_a_version_that_cannot_be_opened_waits_for_another(
    function: Function, context: Context, bucket: SlowBucket, tmp_path: Path
) -> None:
    context.cache._root.write_text("a file where the cache's directory should be")
    publish(bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], tmp_path)
    bucket.answers.set()
    assert function.call("GET", "/v1/popular").status == 503
    answer = function.call("GET", "/startedz")
    assert answer.status == 503
    assert str(context.cache._root) not in answer.body.decode()
    ready = function.call("GET", "/readyz").json()
    assert ready["refused"]["bundle_id"]


def test_a_start_that_fails_is_told_and_tried_again(
    function: Function, context: Context, bucket: SlowBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.answers.set()

    def wrong(_environment: object) -> Context:
        raise SettingError("RECSYS_BUCKET is not set")

    with monkeypatch.context() as patch:
        patch.setattr("common.edges.wiring.make_context", wrong)
        assert statuses_of_start(function)[-1] == 500
    assert statuses_of_start(function)[-1] == 200
