"""The recommend function over its HTTP interface, on a real S3 server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from common.edges.wiring import make_context
from common.schemas.documents import RepeatPurchases
from infra.local.object_store import ObjectStore
from tests.asgi import Answer, Function
from tests.bundles import publish
from tests.conftest import TEST_BUCKET
from tests.storefront_shop import SHOP_PAGE, SOURCE, N, ids, shop_environment, shop_layer, token


@pytest.fixture(scope="module")
def served(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    """The function with a shop published, opened once for all tests here: none of them changes it."""
    directory = tmp_path_factory.mktemp("shop")
    environment = shop_environment(object_store, TEST_BUCKET, directory)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        context = make_context(environment)
        publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], directory)
        function = Function("recommend", SOURCE)
        assert function.call("GET", "/readyz").status == 200
        yield function
        function.close()


def post(function: Function, **fields: object) -> Answer:
    return function.call("POST", "/v1/recommendations", body=json.dumps(fields).encode())


def test_four_kinds_of_visitor(served: Function) -> None:
    person = served.call("GET", "/v1/recommendations?n=5", token())
    assert {item["rung"] for item in person.json()["items"]} == {"personal"}
    assert {item["reason"]["code"] for item in person.json()["items"]} == {"because_you_bought"}
    assert not {"i1", "i2", "i3"} & set(ids(person))
    basket = post(served, n=5, basket=["i8", "unknown"], viewed=["i9"], session=[{"item_id": "i7"}])
    assert {item["rung"] for item in basket.json()["items"]} == {"session"}
    assert not {"i7", "i8", "i9"} & set(ids(basket))
    page = served.call("GET", "/v1/items/i5/similar?n=5")
    assert {item["reason"]["item_id"] for item in page.json()["items"]} == {"i5"}
    new = served.call("GET", "/v1/recommendations?n=5")
    assert [item["rung"] for item in new.json()["items"]] == ["popular"] * 5
    assert ids(served.call("GET", "/v1/popular?n=5")) == ids(new)
    for answer in (person, basket, page, new):
        assert len(set(ids(answer))) == 5
        assert [item["rank"] for item in answer.json()["items"]] == [1, 2, 3, 4, 5]
        assert answer.json()["model"] == "als"


def test_what_is_bought_together_comes_first_and_is_filled_up(served: Function) -> None:
    answer = served.call("GET", "/v1/items/i5/bought-together?n=6")
    assert ids(answer)[:3] == ["i40", "i41", "i42"]
    assert [item["rung"] for item in answer.json()["items"]] == ["bought_together"] * 3 + ["related"] * 3
    reasons = [item["reason"] for item in answer.json()["items"]]
    assert reasons[0] == {"code": "bought_together", "item_id": "i5"}
    assert reasons[3] == {"code": "similar_to", "item_id": "i5"}
    without = served.call("GET", "/v1/items/i5/bought-together?n=3&exclude=i41&category=c2&category=c1")
    assert ids(without)[0] == "i42"
    assert not {"i40", "i41"} & set(ids(without))
    assert served.call("GET", "/v1/items/nothing/bought-together").json()["code"] == "not_found"
    assert served.call("GET", "/v1/items/i5/bought").status == 404


def test_variety_is_asked_for(served: Function) -> None:
    """There are four categories."""
    each_once = served.call("GET", "/v1/recommendations?n=8&max_per_category=1", token())
    assert sorted(item_id for item_id in ids(each_once)) == sorted(set(ids(each_once)))
    assert len({int(item_id[1:]) % 4 for item_id in ids(each_once)}) == len(ids(each_once)) == 4
    assert len(ids(served.call("GET", "/v1/popular?n=8&max_per_category=1"))) == 4
    plain, varied = (ids(post(served, n=5, basket=["i8"], diversity=weight)) for weight in (0, 0.9))
    assert plain[0] == varied[0]
    assert plain != varied


def test_what_is_to_be_sold_rises(served: Function) -> None:
    plain = served.call("GET", "/v1/recommendations?n=5", token())
    raised = served.call("GET", "/v1/recommendations?n=5&promote=category:c3:10&promote=attr.colour:blue:1", token())
    assert ids(plain) != ids(raised)
    assert {int(item_id[1:]) % 4 for item_id in ids(raised)} == {3}
    assert ids(post(served, n=5, basket=["i8"], promote=["category:c3:10"])) != ids(post(served, n=5, basket=["i8"]))


@pytest.mark.parametrize(
    "rule", ["c3", "category:c3", "category::1", "size:c3:1", "attr.:c3:1", "brand:b:0", "brand:b:x"]
)
def test_a_promotion_that_cannot_be_read_is_told(served: Function, rule: str) -> None:
    answer = served.call("GET", f"/v1/recommendations?promote={rule}")
    assert answer.status == 400
    assert "'promote.0'" in answer.json()["detail"]
    assert "<weight>" in answer.json()["detail"] or "above 0 and at most 10" in answer.json()["detail"]


def test_a_stranger_with_a_token_is_a_new_visitor(served: Function) -> None:
    answer = served.call("GET", "/v1/recommendations?n=3", token("nobody we know"))
    assert {item["rung"] for item in answer.json()["items"]} == {"popular"}


def test_precomputed_answers_are_for_the_plain_question_only(served: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever narrows or turns the question is searched for."""
    asked: list[int] = []

    def made(_bundle: object, _person: object, n: int) -> None:
        asked.append(n)

    monkeypatch.setattr("common.usecases.recommend.service.precomputed_picks", made)
    plain = ("?n=11", "?n=12&purchased=hide", "?n=13&available=true")
    other = ("?n=21&purchased=show", "?n=22&exclude=i9", "?n=23&category=c1", "?n=24&item_id=i9", "?n=25&diversity=0.5")
    for query in (*plain, *other, "?n=26&max_per_category=3", "?n=27&promote=category:c1:1"):
        assert served.call("GET", f"/v1/recommendations{query}", token()).status == 200
    assert served.call("GET", "/v1/recommendations?n=28").status == 200
    body = json.dumps({"n": 29, "basket": ["i9"]}).encode()
    assert served.call("POST", "/v1/recommendations", token(), body=body).status == 200
    assert asked == [11, 12, 13]


def test_purchases_are_shown_where_asked(served: Function) -> None:
    shown = served.call("GET", f"/v1/recommendations?n={N}&purchased=show", token())
    hidden = served.call("GET", f"/v1/recommendations?n={N}", token())
    assert set(ids(shown)) - set(ids(hidden)) == {"i1", "i2", "i3"}


def test_what_training_decided_about_purchases_is_done(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the request says otherwise. Without a decision, as in the other tests here, purchases are hidden."""
    environment = shop_environment(object_store, TEST_BUCKET, tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    context = make_context(environment)
    decided = RepeatPurchases(decision="boost", boost=100.0)
    publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], tmp_path, repeats=decided)
    function = Function("recommend", SOURCE)
    first = function.call("GET", "/v1/recommendations?n=3", token())
    assert set(ids(first)) == {"i1", "i2", "i3"}
    assert {item["reason"]["code"] for item in first.json()["items"]} == {"buy_again"}
    for purchased, own in (("auto", True), ("boost", True), ("hide", False)):
        asked = ids(function.call("GET", f"/v1/recommendations?n=3&purchased={purchased}", token()))
        assert ({"i1", "i2", "i3"} == set(asked)) is own
    function.close()


def test_filters_and_exclusions(served: Function) -> None:
    url = "/v1/recommendations?n=4&category=c1&category=c2&price_min=30&price_max=50&exclude=i33&exclude=i41"
    for answer in (served.call("GET", url), served.call("GET", url, token())):
        numbers = {int(item_id[1:]) for item_id in ids(answer)}
        assert len(numbers) == 4
        assert numbers <= {number for number in range(30, 51) if number % 4 in (1, 2)} - {33, 41}
    assert ids(post(served, category=["c1"], price_min=57.0, basket=["i1"])) == ["i57"]


def test_answers_of_one_visitor_are_not_kept_by_caches(served: Function) -> None:
    assert served.call("GET", "/v1/recommendations").headers["cache-control"] == "private, no-store"
    assert post(served, basket=["i1"]).headers["cache-control"] == "private, no-store"
    assert (
        served.call("GET", "/v1/recommendations", token(key="x" * 40)).headers["cache-control"] == "private, no-store"
    )
    assert "public" in served.call("GET", "/v1/popular").headers["cache-control"]


@pytest.mark.parametrize(
    "headers",
    [
        token(key="another secret, which is long enough as well"),
        token(exp=time.time() - 1),
        token(exp=None),
        token(sub=None),
        token(sub=7),
        {"Authorization": "Bearer not.a.token"},
        {"Authorization": "Basic YWRhOg=="},
        {"Authorization": f"Bearer {jwt.encode({'sub': 'ada', 'exp': 9e9}, None, 'none')}"},
        token(algorithm="HS512"),
        {"Authorization": "Bearer " + "x" * 5000},
    ],
)
def test_a_wrong_token_is_refused(served: Function, headers: dict[str, str]) -> None:
    answer = served.call("GET", "/v1/recommendations", headers)
    assert (answer.status, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_that_was_checked_expires_all_the_same(served: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = token()
    assert served.call("GET", "/v1/recommendations", headers).status == 200
    later = time.time() + 61
    monkeypatch.setattr("common.edges.http_storefront.time.time", lambda: later)
    assert served.call("GET", "/v1/recommendations", headers).status == 401


def test_a_bare_user_id_is_refused(served: Function) -> None:
    answer = served.call("GET", "/v1/recommendations?user_id=ada")
    assert (answer.status, answer.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("/v1/recommendations?limit=3", "'limit'"),
        ("/v1/popular?user_id=ada", "'user_id'"),
        ("/v1/recommendations?n=3&n=4", "'n'"),
        ("/v1/recommendations?n=ten", "'n'"),
        ("/v1/recommendations?n=0", "'n'"),
        ("/v1/recommendations?n=101", "'n'"),
        ("/v1/recommendations?n=", "'n'"),
        ("/v1/recommendations?price_min=nan", "'price_min'"),
        ("/v1/recommendations?price_max=-1", "'price_max'"),
        ("/v1/recommendations?available=perhaps", "'available'"),
        ("/v1/recommendations?purchased=maybe", "'purchased'"),
        ("/v1/recommendations?diversity=1.5", "'diversity'"),
        ("/v1/recommendations?max_per_category=0", "'max_per_category'"),
        ("/v1/recommendations?category=", "'category.0'"),
        ("/v1/recommendations?item_id=%ff", "UTF-8"),
        ("/v1/items/%ff/similar", "UTF-8"),
    ],
)
def test_a_wrong_parameter_is_named(served: Function, url: str, named: str) -> None:
    answer = served.call("GET", url)
    assert (answer.status, answer.json()["code"]) == (400, "bad_request")
    assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"baskets": []}', "'baskets'"),
        (b'{"basket": "i1"}', "'basket'"),
        (b'{"basket": [1]}', "'basket.0'"),
        (b'{"n": "10"}', "'n'"),
        (b'{"session": [{"item_id": "i1", "event_type": "stare"}]}', "event_type"),
        (b'{"price_min": NaN}', "'price_min'"),
        (b'{"basket": ["\\ud800"]}', ""),
        (b"[]", "JSON object"),
        (b"", "JSON"),
        (b"\xff", "JSON"),
    ],
)
def test_a_wrong_body_is_refused(served: Function, body: bytes, named: str) -> None:
    answer = served.call("POST", "/v1/recommendations", body=body)
    assert (answer.status, answer.json()["code"]) == (400, "bad_request")
    assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/v1/recommendations", [b" " * 40_000] * 2),
        ("/v1/recommendations", json.dumps({"basket": ["i1"] * 201}).encode()),
        ("/v1/recommendations", json.dumps({"basket": ["ä" * 129]}).encode()),
        ("/v1/recommendations?item_id=" + "x" * 257, None),
        ("/v1/recommendations?exclude=" + "x" * 17_000, None),
    ],
)
def test_what_is_over_its_limit_is_refused(served: Function, url: str, body: bytes | list[bytes] | None) -> None:
    answer = served.call("GET", url) if body is None else served.call("POST", url, body=body)
    assert (answer.status, answer.json()["code"]) == (413, "too_large")


def test_paths_and_methods(served: Function) -> None:
    assert served.call("GET", "/v1/nothing").json()["code"] == "not_found"
    assert served.call("GET", "/v1/items/nothing/similar").json()["code"] == "not_found"
    assert served.call("GET", "/v1/items/a/b/similar").status == 404
    put = served.call("PUT", "/v1/recommendations")
    assert (put.status, put.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    assert served.call("POST", "/v1/popular").status == 405
    assert served.call("POST", "/v1/recommendations?n=3", body=b"{}").status == 400


def test_only_listed_origins_may_read_answers(served: Function) -> None:
    ours, other = {"Origin": SHOP_PAGE}, {"Origin": "https://elsewhere.example"}
    for url in ("/v1/recommendations", "/v1/recommendations?wrong=1"):
        allowed, denied = served.call("GET", url, ours), served.call("GET", url, other)
        assert allowed.headers["access-control-allow-origin"] == SHOP_PAGE
        assert "access-control-allow-origin" not in denied.headers
        assert allowed.headers["vary"] == denied.headers["vary"] == "Origin"
    preflight = served.call("OPTIONS", "/v1/recommendations", ours)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == SHOP_PAGE
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-methods" not in served.call("OPTIONS", "/v1/recommendations", other).headers


def stage_counts(function: Function) -> dict[str, int]:
    lines = re.findall(r'^recsys_stage_seconds_count\{stage="(\w+)"\} (\S+)$', exposition(function), re.MULTILINE)
    return {stage: int(float(count)) for stage, count in lines}


def exposition(function: Function) -> str:
    return function.call("GET", "/metrics").body.decode()


def test_metrics_tell_the_stages_of_an_answer_that_had_to_be_made(served: Function) -> None:
    stages = {"parse", "filter", "encode", "search", "rank", "write"}
    started = stage_counts(served)
    assert started.keys() == stages
    first = served.call("GET", "/v1/recommendations?n=9&exclude=i4", token())
    made = stage_counts(served)
    assert {stage: made[stage] - started[stage] for stage in stages} == dict.fromkeys(stages, 1)
    assert served.call("GET", "/v1/recommendations?n=9&exclude=i4", token()).body == first.body
    assert stage_counts(served) == made


def test_metrics_tell_what_happened(served: Function) -> None:
    def figure(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", exposition(served), re.MULTILINE)
        return float(found[1]) if found else 0.0

    names = (
        'recsys_requests_total{endpoint="recommendations",status="200"}',
        'recsys_requests_total{endpoint="recommendations",status="400"}',
        'recsys_request_seconds_count{endpoint="recommendations"}',
        'recsys_items_total{rung="popular"}',
    )
    before = [figure(name) for name in names]
    served.call("GET", "/v1/recommendations?n=7")
    served.call("GET", "/v1/recommendations?wrong=1")
    assert [figure(name) - earlier for name, earlier in zip(names, before, strict=True)] == [1, 1, 2, 7]
    bundle_id = served.call("GET", "/readyz").json()["bundle_id"]
    assert figure(f'recsys_bundle{{bundle_id="{bundle_id}",model="als"}}') == 1
    assert figure("recsys_bundle_age_seconds") > 0
