"""The recommend function while things change around it: versions, settings, a bucket with nothing in it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from common.edges.wiring import make_context
from common.schemas.documents import Bundle
from infra.local.object_store import ObjectStore
from tests.asgi import Function
from tests.bundles import publish
from tests.conftest import TEST_BUCKET
from tests.storefront_shop import SOURCE, shop_environment, shop_layer, token

DEADLINE_S = 15.0


@pytest.fixture
def publishing(object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Bundle]:
    """Sets the environment; called with a seed, publishes another version."""
    environment = shop_environment(object_store, TEST_BUCKET, tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    context = make_context(environment)

    def make(seed: int) -> Bundle:
        directory = tmp_path / f"layers-{seed}"
        directory.mkdir()
        return publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer, seed)], directory)

    return make


@pytest.fixture
def function(publishing: Callable[[int], Bundle]) -> Iterator[Function]:
    function = Function("recommend", SOURCE)
    yield function
    function.close()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.01)


def serves(function: Function, bundle_id: str) -> bool:
    return bool(function.call("GET", "/readyz").json().get("bundle_id") == bundle_id)


def test_what_is_published_is_served_without_a_restart(function: Function, publishing: Callable[[int], Bundle]) -> None:
    answer = function.call("GET", "/v1/recommendations")
    assert (answer.status, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"]
    assert function.call("GET", "/readyz").status == 503
    assert function.call("GET", "/healthz").json() == {"status": "ok"}
    for seed in (1, 2):
        wanted = publishing(seed).bundle_id
        eventually(partial(serves, function, wanted))
        assert function.call("GET", "/v1/recommendations", token()).json()["bundle_id"] == wanted


def test_a_bare_user_id_needs_the_setting(
    function: Function, publishing: Callable[[int], Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing(1)
    monkeypatch.setenv("RECSYS_ALLOW_USER_ID", "true")
    answer = function.call("GET", "/v1/recommendations?user_id=ada")
    assert {item["rung"] for item in answer.json()["items"]} == {"personal"}
    assert function.call("GET", "/v1/recommendations?user_id=ada", token()).status == 401


def test_what_nobody_foresaw_is_told_to_the_log_and_not_to_the_caller(
    function: Function,
    publishing: Callable[[int], Bundle],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publishing(1)

    def fail(*_: object) -> None:
        raise ZeroDivisionError("of a person's own")

    monkeypatch.setattr("common.usecases.recommend.service.rank", fail)
    answer = function.call("GET", "/v1/recommendations")
    assert (answer.status, answer.json()["code"]) == (500, "internal")
    assert answer.headers["vary"] == "Origin"
    assert "person" not in answer.body.decode()
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_log_header_and_body_name_a_failed_request_alike(
    function: Function,
    publishing: Callable[[int], Bundle],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publishing(1)
    assert "x-request-id" not in function.call("GET", "/v1/recommendations", {"X-Request-Id": "page-7"}).headers
    capsys.readouterr()
    monkeypatch.setattr("common.usecases.recommend.service.rank", lambda *_: 1 / 0)
    for given, told in (("page-7", "page-7"), ('a"} b', "[0-9a-f]{32}"), ("x" * 65, "[0-9a-f]{32}")):
        answer = function.call("GET", "/v1/recommendations?n=3", {"X-Request-Id": given})
        [line] = capsys.readouterr().err.splitlines()
        assert json.loads(line)["request_id"] == answer.headers["x-request-id"] == answer.json()["request_id"]
        assert re.fullmatch(told, answer.headers["x-request-id"])


@pytest.mark.parametrize(("path", "status"), [("/else", 404), ("/readyz", 503), ("/v1/items/%ff/similar", 400)])
def test_every_problem_names_its_request(function: Function, path: str, status: int) -> None:
    answer = function.call("GET", path, {"X-Request-Id": "page-7"})
    assert answer.status == status
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "page-7"


def test_a_caller_who_leaves_before_the_whole_body_came_gets_no_answer(function: Function) -> None:
    assert function.leave("/v1/recommendations", b'{"n": ') == []


def test_a_wrong_setting_is_told_to_the_log_and_not_to_the_caller(
    function: Function, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECSYS_MAX_N", "many")
    for _ in range(3):
        answer = function.call("GET", "/v1/recommendations")
        assert (answer.status, answer.json()["code"]) == (500, "setting")
        assert "MAX_N" not in answer.body.decode()
    assert capsys.readouterr().err.count("RECSYS_MAX_N") == 1, "told once, by its name"
