"""Every status that recommend answers is in its OpenAPI document, and each that the document names can be had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from common.edges import problems
from common.edges.http_fields import MAX_ID_BYTES, MAX_QUERY_BYTES
from common.edges.http_openapi import OF_THE_SERVER, openapi_document
from common.edges.http_request import MAX_BODY_BYTES
from common.edges.wiring import make_context
from infra.local.object_store import ObjectStore
from tests.asgi import Answer, Function
from tests.bundles import publish
from tests.conftest import TEST_BUCKET
from tests.storefront_shop import shop_environment, shop_layer

SOURCE = Path(__file__).parents[2] / "functions" / "recommend" / "main.py"
NOT_IN_AN_OPERATION = {
    405: "an operation names its method",
    409: "a run that is refused; recommend has no runs",
    422: "an upload that is refused; recommend takes none",
}
TOKEN = {"Authorization": "Bearer no token"}
PATHS = [path for path in openapi_document()["paths"] if path.startswith("/v1/")]
PROBES = [path for path in openapi_document()["paths"] if not path.startswith("/v1/")]


def documented(path: str, method: str = "get") -> set[int]:
    return {int(status) for status in openapi_document()["paths"][path][method]["responses"]}


@pytest.fixture
def recommend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Function]:
    """Without a store behind it: nothing is published as far as it knows."""
    settings = {
        "BUCKET": "shop",
        "S3_ENDPOINT": "http://127.0.0.1:9",
        "S3_ACCESS_KEY": "access",
        "S3_SECRET_KEY": "secret",
        "PSEUDONYM_KEY": "5ec2e7" * 11,
        "TOKEN_KEY": "t" * 32,
        "CACHE_DIR": str(tmp_path),
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"RECSYS_{name}", value)
    function = Function("recommend", SOURCE)
    yield function
    function.close()


def asked(path: str) -> str:
    return path.replace("{item_id}", "a")


def is_documented(answer: Answer, path: str, method: str = "get") -> bool:
    if answer.status >= 400:
        assert answer.headers["content-type"] == problems.CONTENT_TYPE
        assert json.loads(answer.body)["status"] == answer.status
    return answer.status in documented(path, method)


def test_every_status_of_the_product_is_in_the_document_or_has_a_reason_not_to_be() -> None:
    named = {
        status
        for path, methods in openapi_document()["paths"].items()
        for status in documented(path, next(iter(methods)))
    }
    assert set(problems._TITLES) - named == set(NOT_IN_AN_OPERATION)


@pytest.mark.parametrize("path", [*PATHS, *PROBES])
def test_what_the_server_answers_by_itself_is_in_every_operation(path: str) -> None:
    for method in openapi_document()["paths"][path]:
        assert set(OF_THE_SERVER) <= documented(path, method)


def test_whatever_is_asked_gets_a_status_of_its_operation(recommend: Function) -> None:
    seen: set[int] = set()
    longest = "x" * (MAX_ID_BYTES + 1)
    for path in PATHS:
        questions: list[tuple[str, dict[str, str]]] = [
            ("", {}),
            ("?no_field=1", {}),
            ("?n=0", {}),
            (f"?item_id={longest}", {}),
            (f"?category={longest}", {}),
            ("?" + "category=a&" * (MAX_QUERY_BYTES // 10), {}),
            ("", TOKEN),
        ]
        for query, headers in questions:
            answer = recommend.call("GET", asked(path) + query, headers)
            assert is_documented(answer, path), (path, query[:30], answer.status)
            seen.add(answer.status)
    for body in (
        b"{",
        b"[]",
        b'{"no_field": 1}',
        b"x" * (MAX_BODY_BYTES + 1),
        json.dumps({"basket": [longest]}).encode(),
    ):
        answer = recommend.call("POST", "/v1/recommendations", {}, body)
        assert is_documented(answer, "/v1/recommendations", "post"), (body[:20], answer.status)
        seen.add(answer.status)
    assert seen >= {401, 413, 503}


def test_a_shop_that_serves_answers_with_the_statuses_that_an_empty_one_cannot(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = shop_environment(object_store, TEST_BUCKET, tmp_path)
    for name, value in (environment | {"RECSYS_REQUESTS_PER_S": "1", "RECSYS_TRUSTED_PROXIES": "1"}).items():
        monkeypatch.setenv(name, value)
    context = make_context(environment)
    publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], tmp_path)
    with closing(Function("recommend", SOURCE)) as function:
        assert function.call("GET", "/readyz").status == 200
        for path in PATHS:
            address = {"X-Forwarded-For": path}
            wrong = ["?n=0", "?n=1" if "{item_id}" in path else "?kind=similar&item_id=no-such-item"]
            unknown, known = (path.replace("{item_id}", item) for item in ("no-such-item", "i5"))
            seen = {function.call("GET", unknown + query, address).status for query in wrong}
            seen |= {function.call("GET", known, address).status for _ in range(8)}
            assert seen == documented(path) & {200, 400, 404, 429}, path


@pytest.mark.parametrize("path", ["/readyz", "/startedz", "/v1/popular"])
def test_a_wrong_setting_is_answered_by_a_status_of_the_document(
    recommend: Function, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("RECSYS_MAX_N", "many")
    statuses = {recommend.call("GET", path).status for _ in range(3)}
    assert 500 in statuses
    assert statuses <= documented(path)
